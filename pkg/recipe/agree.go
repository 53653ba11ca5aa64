package recipe

import (
	"fmt"
	gopath "path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// disagreements returns the problems that lie between values, each of which is
// fine by itself. isFile tells whether a source is a single file; nil where
// that is not known. found are the problems so far: of a word that could not
// be read as a whole, nothing is missed.
func (r *Recipe) disagreements(isFile func(Path) bool, found diag.List) (problems diag.List) {
	// What is missing may be under "when", which only On knows.
	c := &comparison{problems: &problems, open: len(r.layers.variants()) > 0}

	for i, run := range r.Run {
		c.once("run", fmt.Sprintf("run[%d].name", i), "step", run.Name)
	}
	declared := map[string]bool{}
	for i, s := range r.Secrets {
		c.once("secrets", fmt.Sprintf("secrets[%d].id", i), "secret", s.ID)
		declared[s.ID.Value] = true
	}
	for i, f := range r.Files {
		// Folders with the same destination are laid over each other.
		if f.Content.IsSet() || isFile != nil && f.Source.IsSet() && isFile(f.Source) {
			c.once("files", fmt.Sprintf("files[%d].destination", i), "file", f.Destination)
		}
		if f.Content.IsSet() && f.Destination.Value == "/" {
			c.conflict(f.Destination.Pos, fmt.Sprintf("files[%d].destination", i), "content needs the name of a file to go to", "write it, as in /etc/motd")
		}
	}
	for i, run := range r.Run {
		variables := map[string]RunSecret{}
		for j, s := range run.Secrets {
			where := fmt.Sprintf("run[%d].secrets[%d]", i, j)
			if s.ID.IsSet() && wasRead(found, "secrets") && !declared[s.ID.Value] {
				c.undeclared(s.ID, where, r.Secrets)
			}
			if !s.Env.IsSet() {
				continue
			}
			if before, again := variables[s.Env.Value]; again {
				c.conflict(s.Env.Pos, where+".env",
					fmt.Sprintf("the step has secret %s in %s already, in %s", quote(before.ID.Value), s.Env.Value, lineOf(before.Env.Pos, s.Env.Pos)),
					"give each a variable of its own")
				continue
			}
			variables[s.Env.Value] = s
		}
	}
	r.Checks.disagreements(c)
	r.content(c)
	r.opposites(c)
	r.layers.forNone(c, found)
	r.keysInImage(c)
	r.targets(c)
	registry := slices.IndexFunc(r.Publish, func(t Target) bool { return !t.IsPlace() })
	if wasRead(found, "sign") && registry >= 0 && !r.Sign.Pos.IsValid() {
		problems.Add(diag.Diagnostic{
			Pos: r.Publish[registry].Pos, Path: "publish", Severity: diag.Warning, Code: "unsigned",
			Message: "the image is published, and the recipe does not say how it is signed",
			Hint:    "make a key with \"bootkiln keygen\", and add \"sign: {key: cosign.key}\"",
		})
	}
	if wasRead(found, "sign") && r.Sign.Pos.IsValid() && !r.Sign.Key.IsSet() && r.Sign.Keyless.Value != "true" && !c.open {
		problems.Add(diag.Diagnostic{
			Pos: r.Sign.Pos, Path: "sign", Code: "unsigned", Message: "\"sign\" has neither \"key\" nor \"keyless: true\"",
			Hint: "make a key with \"bootkiln keygen\", and add \"key: cosign.key\"",
		})
	}
	return problems
}

// targets reports places with more names than they can have, tags that are given
// twice, and what two entries write to.
func (r *Recipe) targets(c *comparison) {
	first := map[string]Target{}
	for i, t := range r.Publish {
		where := fmt.Sprintf("publish[%d]", i)
		if t.IsPlace() && len(t.Tags) > 1 {
			c.conflict(t.Tags[1].Pos, where+".tags[1]", fmt.Sprintf("an image has one name in %s", quote(t.To.Value)), "keep one of them")
		}
		if !t.IsPlace() {
			for j, tag := range t.Tags {
				c.once(where, fmt.Sprintf("%s.tags[%d]", where, j), "tag", tag)
			}
		}
		if !t.To.IsSet() {
			continue
		}
		before, again := first[t.To.Value]
		if !again {
			first[t.To.Value] = t
			continue
		}
		hint := "give each place a name of its own"
		if !t.IsPlace() {
			hint = "write all its tags in one entry"
		}
		c.conflict(t.To.Pos, where+".to", fmt.Sprintf("the image goes to %s already, in %s", quote(t.To.Value), lineOf(before.To.Pos, t.To.Pos)), hint)
	}
}

// disagreements reports checks of which two lists say different things.
func (s Checks) disagreements(c *comparison) {
	type said struct {
		list string
		pos  diag.Pos
	}
	first := map[string]said{}
	for _, l := range []struct {
		name string
		ids  []String
	}{{"warn", s.Warn}, {"error", s.Error}, {"skip", s.Skip}} {
		for i, id := range l.ids {
			before, again := first[id.Value]
			if !again {
				first[id.Value] = said{l.name, id.Pos}
			} else if before.list != l.name {
				c.conflict(id.Pos, fmt.Sprintf("checks.%s[%d]", l.name, i),
					fmt.Sprintf("%q is under checks.%s too, in %s", id.Value, before.list, lineOf(before.pos, id.Pos)), "keep one of them")
			}
		}
	}
}

// wasRead reports whether all was read that the recipe says under a path. What
// is wrong with an include, or is an unknown key at the top, may be about it.
func wasRead(found diag.List, path string) bool {
	return !slices.ContainsFunc(found, func(d diag.Diagnostic) bool {
		rest, under := strings.CutPrefix(d.Path, path)
		within := under && (rest == "" || rest[0] == '.' || rest[0] == '[')
		anywhere := d.Path == "" || strings.HasPrefix(d.Path, "include") || d.Code == "unknown-key" && !strings.ContainsAny(d.Path, ".[")
		return d.Severity == diag.Error && (within || anywhere)
	})
}

// comparison remembers what it has seen.
type comparison struct {
	problems *diag.List
	seen     map[string]diag.Pos
	// open is set where more may be said than was looked at.
	open bool
}

func (c *comparison) conflict(pos diag.Pos, path, message, hint string) {
	c.problems.Add(diag.Diagnostic{Pos: pos, Path: path, Code: "conflict", Message: message, Hint: hint})
}

// once reports a name that came before under the same word.
func (c *comparison) once(word, path, noun string, name String) {
	if !name.IsSet() {
		return
	}
	key := word + "\x00" + name.Value
	before, again := c.seen[key]
	if again {
		c.problems.Add(diag.Diagnostic{
			Pos: name.Pos, Path: path, Code: "duplicate-name",
			Message: fmt.Sprintf("there is a %s %s already, in %s", noun, quote(name.Value), lineOf(before, name.Pos)),
			Hint:    "give each a name of its own, or remove one",
		})
		return
	}
	if c.seen == nil {
		c.seen = map[string]diag.Pos{}
	}
	c.seen[key] = name.Pos
}

// lineOf names a place, without its file where that is the reader's own.
func lineOf(p, reader diag.Pos) string {
	if p.File == reader.File {
		return fmt.Sprintf("line %d", p.Line)
	}
	return p.String()
}

func (c *comparison) undeclared(id String, path string, secrets []Secret) {
	var known []string
	for _, s := range secrets {
		known = append(known, s.ID.Value)
	}
	all := "declare it, as in \"secrets: [{id: " + id.Value + ", env: NAME}]\""
	c.problems.Add(diag.Diagnostic{
		Pos: id.Pos, Path: path, Code: "unknown-secret",
		Message: fmt.Sprintf("there is no secret %q", id.Value),
		Hint:    didYouMean(diag.Nearest(id.Value, known), all),
	})
}

// keysInImage reports private keys and secrets that a folder under "files"
// would take into the image.
func (r *Recipe) keysInImage(c *comparison) {
	var private []Path
	if r.Sign.Key.IsSet() && !strings.Contains(r.Sign.Key.Value, "://") {
		private = append(private, r.Sign.Key)
	}
	for _, s := range r.Secrets {
		if s.File.IsSet() {
			private = append(private, s.File)
		}
	}
	for i, f := range r.Files {
		for _, key := range private {
			if f.Source.IsSet() && !gopath.IsAbs(key.Value) && contains(f.Source.Name(), key.Name()) {
				c.conflict(f.Source.Pos, fmt.Sprintf("files[%d].source", i),
					fmt.Sprintf("%q, which is secret, would be copied into the image", key.Value), "keep it outside of the folders that are copied")
			}
		}
	}
}

// contains reports whether the name is the folder, or is in it.
func contains(folder, name string) bool {
	return folder == "." || name == folder || strings.HasPrefix(name, folder+"/")
}
