package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/dustin/go-humanize"
)

// section is one part of the report for people, in whichever format. Its cells
// are plain: nothing from an image is in them that a terminal might obey.
type section struct {
	title string
	heads []string // of the cells
	rows  []row
}

type row struct {
	change Kind
	cells  []string
}

// sections are those with something in them, what matters most first.
func (r *Report) sections() []section {
	all := []section{
		r.privilegeSection(), r.unitSection(), r.configSection(),
		r.packageSection("Packages changed", Changed), r.packageSection("Packages added", Added), r.packageSection("Packages removed", Removed),
		r.sizeSection(), r.fileSection(),
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.rows) == 0 })
}

// totals are the rows at the top: what, old, new, and what that means.
func (r *Report) totals() [][4]string {
	p, f := r.Packages, r.Files
	rows := [][4]string{
		{"packages", count(r.Old.Packages), count(r.New.Packages), tallied(len(p.Added), len(p.Removed), len(p.Changed))},
		{"files", count(r.Old.Files), count(r.New.Files), tallied(f.Added.Files, f.Removed.Files, f.Changed.Files)},
		{"size", size(r.Old.Bytes), size(r.New.Bytes), growth(r.New.Bytes - r.Old.Bytes)},
	}
	if r.Old.System != r.New.System {
		rows = slices.Insert(rows, 0, [4]string{"system", plain(r.Old.System), plain(r.New.System), ""})
	}
	if len(r.Old.Kernels)+len(r.New.Kernels) > 0 {
		meaning := "the same"
		if len(r.Kernels.Added)+len(r.Kernels.Removed) > 0 {
			meaning = "another"
		}
		rows = append(rows, [4]string{"kernel", names(r.Old.Kernels), names(r.New.Kernels), meaning})
	}
	return rows
}

func tallied(added, removed, changed int) string {
	if added+removed+changed == 0 {
		return "the same"
	}
	return fmt.Sprintf("%s added, %s removed, %s changed", count(added), count(removed), count(changed))
}

func (r *Report) privilegeSection() section {
	s := section{title: "Privileges", heads: []string{"program", "rights", "package"}}
	for _, p := range r.Privileges {
		change := kindOf(p.Old == nil, p.New == nil)
		s.rows = append(s.rows, row{change, []string{rooted(p.Path), versus(change, p.Old.String(), p.New.String()), plain(p.Package)}})
	}
	return s
}

func (r *Report) unitSection() section {
	s := section{title: "Units", heads: []string{"unit", "state"}}
	for _, u := range r.Units {
		name := plain(u.Unit)
		if u.User {
			name += " (user)"
		}
		s.rows = append(s.rows, row{kindOf(u.Old == UnitAbsent, u.New == UnitAbsent), []string{name, fmt.Sprintf("%s → %s", u.Old, u.New)}})
	}
	return s
}

func (r *Report) configSection() section {
	s := section{title: "Configuration", heads: []string{"key", "value"}}
	value := func(v *string) string {
		if v == nil {
			return ""
		}
		return quoted(*v)
	}
	for _, c := range r.Config {
		change := kindOf(c.Old == nil, c.New == nil)
		s.rows = append(s.rows, row{change, []string{plain(c.Key), versus(change, value(c.Old), value(c.New))}})
	}
	return s
}

func (r *Report) packageSection(title string, change Kind) section {
	s := section{title: title, heads: []string{"source", "version", "packages"}}
	for _, c := range r.Packages.Sources {
		if c.Change != change {
			continue
		}
		version := versus(change, plain(c.OldVersion), plain(c.NewVersion))
		if change == Changed && c.OldVersion == c.NewVersion {
			version = plain(c.NewVersion) + " (another build)"
		}
		list := ""
		if len(c.Packages) != 1 || c.Packages[0] != c.Source {
			list = names(c.Packages)
		}
		s.rows = append(s.rows, row{change, []string{plain(c.Source), version, list}})
	}
	return s
}

func (r *Report) sizeSection() section {
	s := section{title: "Size by package", heads: []string{"growth", "package", "size"}}
	for _, c := range r.Sizes {
		name := plain(c.Package)
		if c.Package == "" {
			name = "(no package)"
		}
		s.rows = append(s.rows, row{Changed, []string{growth(c.growth()), name, size(c.OldBytes) + " → " + size(c.NewBytes)}})
	}
	return s
}

// fileSection has the files whose change no package explains. What is below an
// added or removed folder is counted with it.
func (r *Report) fileSection() section {
	s := section{title: "Files of no changed package", heads: []string{"file", "difference", "package"}}
	var within *FileChange // the folder that takes in what follows
	below := 0
	end := func() {
		if within != nil && below > 0 {
			cells := s.rows[len(s.rows)-1].cells
			cells[1] = "folder, with " + count(below) + " below it"
			below = 0
		}
	}
	for _, c := range r.Files.List {
		if c.Explained {
			continue
		}
		if within != nil && strings.HasPrefix(c.Path, within.Path+"/") {
			below++
			continue
		}
		end()
		within = nil
		if c.Change != Changed && cmp.Or(c.New, c.Old).Type == "folder" {
			within = &c
		}
		s.rows = append(s.rows, row{c.Change, []string{rooted(c.Path), c.text(), plain(c.Package)}})
	}
	end()
	return s
}

// text says what differs.
func (f FileChange) text() string {
	if f.Change != Changed {
		one := cmp.Or(f.New, f.Old)
		switch one.Type {
		case "file":
			return size(one.Size)
		case "link":
			return "link to " + plain(one.Target)
		}
		return one.Type
	}
	var parts []string
	for _, what := range f.What {
		text := what
		switch what {
		case "type":
			text = f.Old.Type + " → " + f.New.Type
		case "content":
			if f.Old.Size != f.New.Size {
				text += " " + size(f.Old.Size) + " → " + size(f.New.Size)
			}
		case "mode":
			text += " " + f.Old.Mode + " → " + f.New.Mode
		case "owner":
			text += fmt.Sprintf(" %d:%d → %d:%d", f.Old.UID, f.Old.GID, f.New.UID, f.New.GID)
		case "target":
			text += " " + plain(f.Old.Target) + " → " + plain(f.New.Target)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func kindOf(noOld, noNew bool) Kind {
	switch {
	case noOld:
		return Added
	case noNew:
		return Removed
	}
	return Changed
}

// versus writes what was and what is.
func versus(change Kind, before, after string) string {
	switch change {
	case Added:
		return after
	case Removed:
		return before
	}
	return before + " → " + after
}

// names joins a list, and only counts the rest of a long one.
func names(list []string) string {
	const most = 8
	var out []string
	for _, n := range list[:min(most, len(list))] {
		out = append(out, plain(n))
	}
	text := strings.Join(out, ", ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func count(n int) string { return humanize.Comma(int64(n)) }

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func growth(n int64) string {
	switch {
	case n > 0:
		return "+" + size(n)
	case n < 0:
		return "-" + size(-n)
	}
	return "the same"
}

// rooted is a path as people write it.
func rooted(name string) string {
	if name == "." {
		return "/"
	}
	return plain("/" + name)
}

// plain quotes what is not plain text: what might steer a terminal or does not
// show on one, and what would look like a quoted text.
func plain(s string) string {
	if strings.ContainsAny(s, `\"`) || strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// quoted is a value, of which a long one is cut off.
func quoted(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(s)
}
