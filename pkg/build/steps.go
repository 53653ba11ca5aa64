package build

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/openshift/imagebuilder/dockerfile/command"
	"github.com/openshift/imagebuilder/dockerfile/parser"
)

// instruction is one instruction of a Containerfile.
type instruction struct {
	line int
	// text is the instruction as one line, as buildah announces it.
	text string
	from bool
	// offline: a RUN without network.
	offline bool
	// installs: a RUN with a cache, as only package managers have one.
	installs bool
}

// parseInstructions reads a Containerfile the way buildah does.
func parseInstructions(text []byte) ([]instruction, error) {
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parsing the Containerfile: %w", err)
	}
	var list []instruction
	for _, node := range result.AST.Children {
		word := strings.ToLower(node.Value)
		in := instruction{line: node.StartLine, text: node.Original, from: word == command.From}
		for _, flag := range node.Flags {
			if word == command.Run && flag == "--network=none" {
				in.offline = true
			}
			if word == command.Run && strings.HasPrefix(flag, "--mount=type=cache,") {
				in.installs = true
			}
		}
		list = append(list, in)
	}
	return list, nil
}

// bases returns the images that are not stages of the same file, with the
// lines they are named in.
func bases(list []instruction) map[string]int {
	found, stages := map[string]int{}, map[string]bool{"scratch": true}
	for _, in := range list {
		if !in.from {
			continue
		}
		words := fromWords(in.text)
		if len(words) == 0 {
			continue
		}
		if name := words[0]; !stages[strings.ToLower(name)] && found[name] == 0 {
			found[name] = in.line
		}
		if len(words) == 3 && words[1] == "AS" {
			stages[strings.ToLower(words[2])] = true
		}
	}
	return found
}

// stepper follows a build through the instructions. buildah announces each one
// by its text; stages run in an order of its own.
type stepper struct {
	list []instruction
	at   int // index of the instruction that runs, or -1
}

func newStepper(list []instruction) *stepper { return &stepper{list: list, at: -1} }

// advance takes an announcement, and reports whether it is an instruction. The
// next one with that text counts, so that of two equal instructions each is
// found in its turn. A FROM that matches none begins a stage on an earlier
// stage, which is announced by the ID of its image: it is the next FROM.
func (s *stepper) advance(announced string) bool {
	return s.seek(func(in instruction) bool { return in.matches(announced) }) ||
		fromWords(announced) != nil && s.seek(func(in instruction) bool { return in.from })
}

// seek goes to the next instruction that is wanted; the first one follows the
// last.
func (s *stepper) seek(wanted func(instruction) bool) bool {
	for i := range s.list {
		next := (s.at + 1 + i) % len(s.list)
		if wanted(s.list[next]) {
			s.at = next
			return true
		}
	}
	return false
}

// matches reports whether buildah announces the instruction that way: a FROM
// without its flags, one with a here-document with a summary of that.
func (in instruction) matches(announced string) bool {
	if in.from {
		return slices.Equal(fromWords(announced), fromWords(in.text))
	}
	return announced == in.text || strings.HasPrefix(announced, in.text+" (")
}

// fromWords returns the words of a FROM without its flags, nil for any other
// instruction.
func fromWords(text string) []string {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.EqualFold(words[0], command.From) {
		return nil
	}
	words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "--") })
	if len(words) == 3 {
		words[1] = strings.ToUpper(words[1])
	}
	return words
}

// current returns the instruction that runs.
func (s *stepper) current() (instruction, bool) {
	if s.at < 0 {
		return instruction{}, false
	}
	return s.list[s.at], true
}
