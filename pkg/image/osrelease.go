package image

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// OSRelease returns the assignments of os-release(5), which is read from /etc
// if it is there and from /usr/lib otherwise, by name. It is empty, not nil,
// where there is neither file.
func OSRelease(root Root) (map[string]string, error) {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the image's %q: %w", name, err)
		}
		return parseOSRelease(string(text)), nil
	}
	return map[string]string{}, nil
}

// parseOSRelease reads lines of NAME=value, where the value is a shell word.
// Lines of any other form are skipped.
func parseOSRelease(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			m[name] = unquote(value)
		}
	}
	return m
}

// unquote takes the quotes and escapes of a shell word away.
func unquote(word string) string {
	if len(word) >= 2 && (word[0] == '"' || word[0] == '\'') && word[len(word)-1] == word[0] {
		if word[0] == '\'' {
			return word[1 : len(word)-1]
		}
		word = word[1 : len(word)-1]
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(word)
}
