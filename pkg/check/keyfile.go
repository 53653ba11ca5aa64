package check

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// keyFile is a file in the format of GLib's GKeyFile: values by group and key.
// Unlike the INI files of dnf it has errors, which make ostree give up.
type keyFile map[string]map[string]string

// parseKeyFile reads what g_key_file_load_from_data reads, and refuses what it
// refuses. Of a key that is there twice, the last value counts.
func parseKeyFile(text string) (keyFile, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	file, group := keyFile{}, ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		trimmed := strings.TrimLeft(line, " \t")
		switch {
		case strings.TrimSpace(line) == "" || trimmed[0] == '#':
		case trimmed[0] == '[':
			name, closed := strings.CutSuffix(strings.TrimSpace(trimmed[1:]), "]")
			if !closed || name == "" || strings.ContainsAny(name, "[]") {
				return nil, fmt.Errorf("line %d is no group: %q", n, line)
			}
			if group = name; file[group] == nil {
				file[group] = map[string]string{}
			}
		default:
			key, value, found := strings.Cut(trimmed, "=")
			if key = strings.TrimSpace(key); !found || key == "" {
				return nil, fmt.Errorf("line %d is neither a group, a key with its value nor a comment: %q", n, line)
			}
			if group == "" {
				return nil, fmt.Errorf("line %d is in no group: %q", n, line)
			}
			file[group][key] = strings.TrimLeft(value, " \t")
		}
	}
	return file, nil
}

// boolean reads a value as GKeyFile does; one that is not there is false.
func (f keyFile) boolean(group, key string) (bool, error) {
	value, ok := f[group][key]
	switch word := strings.TrimSpace(value); {
	case !ok || word == "false" || word == "0":
		return false, nil
	case word == "true" || word == "1":
		return true, nil
	}
	return false, fmt.Errorf("%s.%s is %q; it can be true, false, 1 or 0", group, key, value)
}
