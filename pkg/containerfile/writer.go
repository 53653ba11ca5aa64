package containerfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
)

// octalMode is what COPY --chmod gets.
var octalMode = regexp.MustCompile(`^[0-7]{3,4}$`)

// writer writes lines and keeps their origins. After the first error it writes
// on, to nobody.
type writer struct {
	text    bytes.Buffer
	origins []diag.Pos
	// origin is that of lines that have none of their own.
	origin diag.Pos
	// title is that of the step that is written, and titles are [File].Titles.
	title  string
	titles []string
	// words are [File].Words.
	words map[int][]plan.Word
	err   error
}

// line writes one line that comes from origin.
func (w *writer) line(origin diag.Pos, text string) {
	if !origin.IsValid() {
		origin = w.origin
	}
	w.text.WriteString(text)
	w.text.WriteByte('\n')
	w.origins = append(w.origins, origin)
	w.titles = append(w.titles, w.title)
}

// check remembers that value cannot be written, where there is a reason.
func (w *writer) check(origin diag.Pos, what, value, reason string) {
	if reason != "" && w.err == nil {
		if !origin.IsValid() {
			origin = w.origin
		}
		w.err = &UnsafeError{Pos: origin, What: what, Value: value, Reason: reason}
	}
}

// comment writes a comment. It is never the first thing in a line's own right
// that could be a parser directive: those have the form "# name=value".
func (w *writer) comment(text string) {
	w.check(w.origin, "comment", text, printable(text))
	w.line(w.origin, "# "+text)
}

// step writes a section: a blank line, a comment and its instructions.
func (w *writer) step(s plan.Step) {
	if len(s.Origin) > 0 {
		w.origin = s.Origin[0]
	}
	w.title = s.Title
	w.line(w.origin, "")
	w.comment(s.Title)
	for _, i := range s.Instructions {
		switch {
		case i.From != nil:
			w.from(i.From)
		case i.Run != nil:
			w.run(i.Run)
		case i.Copy != nil:
			w.copy(i.Copy)
		case i.Label != nil:
			w.label(i.Label)
		}
	}
}

func (w *writer) from(f *plan.From) {
	w.check(w.origin, "image reference", f.Image, only(f.Image, referenceChars, ""))
	text := "FROM " + f.Image
	if f.Stage != "" {
		w.check(w.origin, "stage", f.Stage, only(f.Stage, nameChars, ""))
		text += " AS " + f.Stage
	}
	w.line(w.origin, text)
}

// run writes RUN in its shell form: first the flags, a line each, then the
// commands, whose words from the recipe have a line each as well.
func (w *writer) run(r *plan.Run) {
	type part struct {
		origin diag.Pos
		text   string
	}
	var parts []part
	line := len(w.origins) + 1
	if r.Offline {
		parts = append(parts, part{text: "--network=none"})
	}
	for _, m := range r.Mounts {
		parts = append(parts, part{text: w.mount(m)})
	}
	for i, c := range r.Commands {
		for _, arg := range c.Args {
			w.check(w.origin, "argument", arg, only(arg, argumentChars, "-/"))
		}
		end := ""
		if i+1 < len(r.Commands) {
			end = " &&"
		}
		command := part{text: strings.Join(c.Args, " ")}
		if len(c.Words) == 0 {
			command.text += end
		}
		parts = append(parts, command)
		w.words[line] = append(w.words[line], c.Words...)
		for j, word := range c.Words {
			w.check(word.Origin, "word", word.Value, quotable(word.Value))
			text := "    '" + word.Value + "'"
			if j+1 == len(c.Words) {
				text += end
			}
			parts = append(parts, part{word.Origin, text})
		}
	}
	for i, p := range parts {
		text := "    " + p.text
		if i == 0 {
			text = "RUN " + p.text
		}
		if i+1 < len(parts) {
			text += ` \`
		}
		w.line(p.origin, text)
	}
}

// mount writes a flag of RUN.
func (w *writer) mount(m plan.Mount) string {
	text := "--mount=type=" + string(m.Type)
	add := func(key, value, what, chars, first string) {
		w.check(w.origin, what, value, only(value, chars, first))
		text += "," + key + "=" + value
	}
	if m.ID != "" {
		add("id", m.ID, "mount's name", nameChars, "")
	}
	if m.From != "" {
		add("from", m.From, "stage", nameChars, "")
	}
	if m.Source != "" {
		add("source", m.Source, "path in the build context", pathChars, "/")
	}
	add("target", m.Target, "mount point", pathChars, "/")
	switch m.Type {
	case plan.MountBind, plan.MountTmpfs:
	case plan.MountCache:
		text += ",sharing=locked"
	case plan.MountSecret:
		text += ",required=true"
	default:
		w.check(w.origin, "mount", string(m.Type), "there is no such type of mount")
	}
	return text
}

// copy writes COPY in its JSON form.
func (w *writer) copy(c *plan.Copy) {
	text := "COPY "
	if c.Owner != "" {
		w.check(c.Origin, "owner", c.Owner, only(c.Owner, ownerChars, "_"))
		text += "--chown=" + c.Owner + " "
	}
	if c.Mode != "" {
		if !octalMode.MatchString(c.Mode) {
			w.check(c.Origin, "mode", c.Mode, "it is not an octal number")
		}
		text += "--chmod=" + c.Mode + " "
	}
	var words []string
	for _, source := range c.Sources {
		w.check(c.Origin, "path in the build context", source, only(source, pathChars, ""))
		words = append(words, source)
	}
	w.check(c.Origin, "destination", c.Destination, destination(c.Destination))
	words = append(words, quoteVariables.Replace(c.Destination))
	w.line(c.Origin, text+quoteJSON(words))
}

// label writes LABEL, a label a line.
func (w *writer) label(l *plan.Label) {
	for i, pair := range l.Pairs {
		w.check(pair.Origin, "label", pair.Key, only(pair.Key, nameChars+"/", ""))
		w.check(pair.Origin, fmt.Sprintf("value of label %s", pair.Key), pair.Value, printable(pair.Value))
		text := "      "
		if i == 0 {
			text = "LABEL "
		}
		text += quoteLabel(pair.Key) + "=" + quoteLabel(pair.Value)
		if i+1 < len(l.Pairs) {
			text += ` \`
		}
		w.line(pair.Origin, text)
	}
}
