// Package repofile reads the files in which apt has its repositories, as apt
// reads them: what one stage writes or refuses, another one finds again.
package repofile

import (
	"path"
	"slices"
	"strings"
)

// Entry is an entry of a file of apt's: a line of a .list file, or a stanza of
// a .sources file.
type Entry struct {
	// Line is where it begins, counted from 1.
	Line int
	// Types, URIs, Suites and Components are words of apt's own, as written.
	// Types are in lower case.
	Types, URIs, Suites, Components []string
	// Options are all others in the order of the file, repetitions as well.
	Options []Option
}

// Option is an option of an entry.
type Option struct {
	// Name is in lower case, as in "signed-by".
	Name string
	// Value is as written, with a line end for each one there; an option without
	// a value has none.
	Value string
	// Line is where it begins, counted from 1.
	Line int
}

// Binary reports whether apt takes packages from the entry that can be
// installed, and no sources only.
func (e Entry) Binary() bool { return slices.Contains(e.Types, "deb") }

// Option returns the value of an option, of which apt takes the last, and "" if
// it is not there.
func (e Entry) Option(name string) string {
	for _, o := range slices.Backward(e.Options) {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// Entries reads a file of apt's as its suffix tells apt to (sources.list(5)).
// What apt would not read is passed over.
func Entries(name string, text []byte) []Entry {
	if path.Ext(name) == ".sources" {
		return sources(string(text))
	}
	return lines(string(text))
}

// lines reads the format of a line each: deb [options] URI suite component…
func lines(text string) []Entry {
	var list []Entry
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		e := Entry{Line: number, Types: []string{strings.ToLower(fields[0])}}
		_, rest, _ := strings.Cut(line, fields[0])
		rest = strings.TrimSpace(rest)
		if inside, found := strings.CutPrefix(rest, "["); found {
			options, after, closed := strings.Cut(inside, "]")
			if !closed {
				continue
			}
			rest = after
			for _, option := range strings.Fields(options) {
				key, value, _ := strings.Cut(option, "=")
				e.Options = append(e.Options, Option{strings.ToLower(key), value, number})
			}
		}
		rest, _, _ = strings.Cut(rest, "#")
		if fields = strings.Fields(rest); len(fields) < 2 {
			continue
		}
		e.URIs, e.Suites, e.Components = fields[:1], fields[1:2], fields[2:]
		list = append(list, e)
	}
	return list
}

// sources reads the format of stanzas, which is that of deb822(5).
func sources(text string) []Entry {
	var list []Entry
	var fields []Option
	number := 0
	end := func() {
		if len(fields) > 0 {
			list = append(list, entry(fields))
		}
		fields = nil
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "":
			end() // a line of spaces is no end to apt
		case line[0] == '#':
		case line[0] != ' ' && line[0] != '\t':
			name, value, _ := strings.Cut(line, ":")
			fields = append(fields, Option{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value), number})
		case len(fields) > 0:
			last := &fields[len(fields)-1]
			last.Value += "\n" + strings.TrimSpace(line)
		}
	}
	end()
	return list
}

// entry sorts the fields of a stanza, of which there is one at least.
func entry(fields []Option) Entry {
	e := Entry{Line: fields[0].Line}
	for _, f := range fields {
		words := strings.Fields(f.Value)
		switch f.Name {
		case "types":
			e.Types = strings.Fields(strings.ToLower(f.Value))
		case "uris":
			e.URIs = words
		case "suites":
			e.Suites = words
		case "components":
			e.Components = words
		default:
			f.Value = strings.TrimSpace(f.Value)
			e.Options = append(e.Options, f)
		}
	}
	return e
}

// Unchecked returns the options, of all entries, that have apt install packages
// which nobody vouches for: only one that is plainly off counts as off.
func Unchecked(entries []Entry) []Option {
	var found []Option
	for _, e := range entries {
		for _, o := range e.Options {
			switch o.Name {
			case "trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure":
				if !IsFalse(o.Value) {
					found = append(found, o)
				}
			}
		}
	}
	return found
}

// IsFalse reports whether a switch is off. Both dnf and apt know these words.
func IsFalse(value string) bool {
	return slices.Contains([]string{"0", "no", "false", "off", "without", "disable"}, strings.ToLower(value))
}

// FileName makes of a repository's name what is in the names of its files. apt
// passes over files whose names have other characters (sources.list(5)).
func FileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r) {
			return r
		}
		return '_'
	}, name)
}
