// Package resolve → turns what a step of the build says of the recipe's words
// into a [diag.List]: which word the image or its repositories do not know, at
// its place in the recipe, with the known name that is nearest.
//
// Only what runs in the image can say whether a package, a unit or a time zone
// exists. It says so in marked lines among its output, whose fields are
// separated by tabs:
//
//	bootkiln:problem     CODE  WORD  MESSAGE   the word cannot be used
//	bootkiln:warning     CODE  WORD  MESSAGE   it can, and is hardly meant like that
//	bootkiln:note        CODE  WORD  MESSAGE   worth knowing
//	bootkiln:known       CODE  NAME…           names that can be used in such a place
//	bootkiln:unreadable  MESSAGE               a repository that could not be asked
//	bootkiln:answered                          all questions have been answered
//
// CODE is a [diag.Diagnostic].Code. WORD is an argument of the step's commands,
// as [plan.Command].Words has it: it may begin with an option, "--keymap=kr",
// which is no part of the name. MESSAGE is for people, without a place. A step
// says all its problems before it ends with a status other than 0. The scripts
// of package plan write these lines through scripts/problem.sh.
package resolve

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// mark begins every line that is meant for a [Report].
const mark = "bootkiln:"

// maxNames is how many known names a report keeps: several times what the
// largest distribution has.
const maxNames = 1 << 20

var (
	severities = map[string]diag.Severity{"problem": diag.Error, "warning": diag.Warning, "note": diag.Note}
	code       = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	// option is what stands before a name in a word.
	option = regexp.MustCompile(`^--[a-z-]+=`)
)

// Report is what one step said. The zero value is one that said nothing.
type Report struct {
	// Unreadable says, in the words of the package manager, which repositories
	// could not be asked. What is unknown without them may exist.
	Unreadable []string
	// Answered says that the step was asked for names only, and came to its
	// end.
	Answered bool

	findings []finding
	known    map[string][]string
	names    int
}

type finding struct {
	severity            diag.Severity
	code, word, message string
}

// Add takes a line of the step's output, without its end. It reports whether
// the line was meant for the report; any other line is for people to read.
func (r *Report) Add(line string) bool {
	line, marked := strings.CutPrefix(line, mark)
	if !marked {
		return false
	}
	fields := strings.Split(line, "\t")
	verb, fields := fields[0], fields[1:]
	severity, isFinding := severities[verb]
	switch {
	case isFinding && len(fields) == 3 && code.MatchString(fields[0]):
		r.findings = append(r.findings, finding{severity, fields[0], fields[1], fields[2]})
	case verb == "known" && len(fields) > 0 && code.MatchString(fields[0]):
		names := fields[1:min(len(fields), 1+maxNames-r.names)]
		r.names += len(names)
		if r.known == nil {
			r.known = map[string][]string{}
		}
		r.known[fields[0]] = append(r.known[fields[0]], names...)
	case verb == "unreadable" && len(fields) == 1:
		r.Unreadable = append(r.Unreadable, fields[0])
	case verb == "answered" && len(fields) == 0:
		r.Answered = true
	default:
		return false
	}
	return true
}

// Diagnostics returns what was found, sorted. words are those of the step's
// commands; what is about none of them is about the step, which is at.
func (r *Report) Diagnostics(words []plan.Word, at diag.Pos) diag.List {
	var list diag.List
	for _, f := range r.findings {
		var places []diag.Pos
		for _, w := range words {
			if w.Value == f.word && w.Origin.IsValid() && !slices.Contains(places, w.Origin) {
				places = append(places, w.Origin)
			}
		}
		if len(places) == 0 {
			places = append(places, at)
		}
		hint := ""
		name := strings.TrimPrefix(f.word, option.FindString(f.word))
		if near := nearest(name, r.known[f.code]); near != "" && near != name {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		for _, pos := range places {
			list.Add(diag.Diagnostic{Pos: pos, Severity: f.severity, Code: f.code, Message: f.message, Hint: hint})
		}
	}
	list.Sort()
	return list
}

// nearest is [diag.Nearest], but that a suffix which all names of a kind have,
// as in "sshd.service", makes no two of them alike, and that of names that are
// equally near one with the same first letter counts: few mistype that.
func nearest(name string, known []string) string {
	suffix := path.Ext(name)
	var stems []string
	for _, k := range known {
		if stem, ok := strings.CutSuffix(k, suffix); ok {
			stems = append(stems, stem)
		}
	}
	if len(stems) == 0 {
		stems, suffix = slices.Clone(known), ""
	}
	stem := strings.TrimSuffix(name, suffix)
	same := func(k string) int {
		if stem != "" && strings.HasPrefix(k, stem[:1]) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(stems, func(a, b string) int { return same(a) - same(b) })
	if near := diag.Nearest(stem, stems); near != "" {
		return near + suffix
	}
	return ""
}
