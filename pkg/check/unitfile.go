package check

import (
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// setting is one assignment of a unit file.
type setting struct{ section, key, value string }

// parseUnit reads a file in the syntax of systemd.syntax(7). What systemd
// would complain of and ignore is not in the result.
func parseUnit(text string) []setting {
	var out []setting
	section, whole := "", ""
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		// Comments may stand between the lines of a value.
		if trimmed := strings.TrimLeft(line, " \t"); trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') {
			continue
		}
		if before, more := strings.CutSuffix(line, `\`); more {
			whole += before + " "
			continue
		}
		line, whole = strings.TrimSpace(whole+line), ""
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && section != "" {
			out = append(out, setting{section, strings.TrimSpace(key), strings.TrimSpace(value)})
		}
	}
	return out
}

// unitSettings are those of a unit and of its drop-ins, in their order.
type unitSettings []setting

// list returns the values of a setting that may be there several times; an
// empty one takes back those before it.
func (s unitSettings) list(section, key string) []string {
	var values []string
	for _, v := range s {
		switch {
		case v.section != section || v.key != key:
		case v.value == "":
			values = nil
		default:
			values = append(values, v.value)
		}
	}
	return values
}

// last returns the value that holds of a setting that has one.
func (s unitSettings) last(section, key string) string {
	for _, v := range slices.Backward(s) {
		if v.section == section && v.key == key {
			return v.value
		}
	}
	return ""
}

// settings reads the file of a unit and its drop-ins. The names are those that
// the unit has: drop-ins of each count.
func (u *units) settings(file string, names ...string) (unitSettings, error) {
	var dirs []string
	for _, name := range names {
		for _, n := range dropInNames(name) {
			for _, dir := range u.scope.dirs {
				if d := path.Join(dir, n+".d"); !slices.Contains(dirs, d) {
					dirs = append(dirs, d)
				}
			}
		}
	}
	files, err := dropIns(u.root, ".conf", dirs...)
	if err != nil {
		return nil, err
	}
	var out unitSettings
	for _, name := range append([]string{file}, files...) {
		data, err := readSmall(u.root, name)
		if err != nil {
			return nil, err
		}
		out = append(out, parseUnit(string(data))...)
	}
	return out, nil
}

// dropInNames are the names by which a unit has drop-ins, the most specific
// first: its own, its template's, those that end at a dash, and its type's
// (systemd.unit(5)).
func dropInNames(unit string) []string {
	names := []string{unit}
	suffix := path.Ext(unit)
	stem := strings.TrimSuffix(unit, suffix)
	if prefix, instance, ok := strings.Cut(stem, "@"); ok {
		if instance != "" {
			names = append(names, prefix+"@"+suffix)
		}
		stem = prefix
	}
	for {
		dash := strings.LastIndexByte(strings.TrimSuffix(stem, "-"), '-')
		if dash < 0 {
			break
		}
		stem = stem[:dash+1]
		names = append(names, stem+suffix)
	}
	return append(names, strings.TrimPrefix(suffix, "."))
}

// program is what an Exec setting runs, from its prefixes to the words of it
// that are not looked at.
type program struct {
	// name is absolute or is looked for in [programDirs].
	name string
	// mayFail is set where the unit goes on without it.
	mayFail bool
}

// programDirs are where systemd looks for a program that is named without a
// folder.
var programDirs = []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"}

// parseExec reads the value of ExecStart= and its like (systemd.service(5)).
// ok is false where only a running system knows the program.
func parseExec(value, unit string) (p program, ok bool) {
	for value != "" && strings.IndexByte("-@:+!|", value[0]) >= 0 {
		p.mayFail = p.mayFail || value[0] == '-'
		value = value[1:]
	}
	words := splitWords(value)
	if len(words) == 0 || strings.Contains(words[0], "$") {
		return p, false
	}
	p.name, ok = expandUnit(words[0], unit)
	return p, ok && p.name != ""
}

// expandUnit replaces the specifiers that are about a unit's name. ok is false
// where there are others.
func expandUnit(text, unit string) (_ string, ok bool) {
	stem := strings.TrimSuffix(unit, path.Ext(unit))
	prefix, instance, _ := strings.Cut(stem, "@")
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if after == "" {
			return "", false
		}
		switch after[0] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteString(unit)
		case 'N':
			b.WriteString(stem)
		case 'p':
			b.WriteString(prefix)
		case 'i':
			b.WriteString(instance)
		case 'j':
			b.WriteString(prefix[strings.LastIndexByte(prefix, '-')+1:])
		default:
			return "", false
		}
		text = after[1:]
	}
}

// linkedName is the name of the file that a unit's own is a link to, such as
// graphical.target for default.target.
func linkedName(root image.Root, file string) string {
	if target, err := root.ReadLink(file); err == nil {
		return path.Base(target)
	}
	return path.Base(file)
}
