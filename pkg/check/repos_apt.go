package check

import (
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

const (
	aptSources    = "etc/apt/sources.list"
	aptSourcesDir = "etc/apt/sources.list.d"
	aptTrusted    = "etc/apt/trusted.gpg"
	aptTrustedDir = "etc/apt/trusted.gpg.d"
)

// aptRepositories lists the repositories of binary packages that apt has
// enabled (sources.list(5)).
func aptRepositories(root image.Root) ([]repository, error) {
	lists, err := dropIns(root, ".list", aptSourcesDir)
	if err != nil {
		return nil, err
	}
	stanzas, err := dropIns(root, ".sources", aptSourcesDir)
	if err != nil {
		return nil, err
	}
	trusted, err := aptTrustedKeys(root)
	if err != nil {
		return nil, err
	}
	var list []repository
	for _, file := range append(append([]string{aptSources}, lists...), stanzas...) {
		data, err := readSmall(root, file)
		if err != nil {
			return nil, err
		}
		parse := parseSourcesList
		if path.Ext(file) == ".sources" {
			parse = parseSources
		}
		for _, s := range parse(string(data)) {
			if isFalse(s.enabled) {
				continue
			}
			r := repository{file: file, id: stem(file), urls: s.urls, keys: trusted}
			if s.signedBy != "" {
				r.keys = listOf(s.signedBy)
			}
			if s.trusted != "" && !isFalse(s.trusted) {
				r.keys = nil // apt asks for no signature
			}
			list = append(list, r)
		}
	}
	return list, nil
}

// aptTrustedKeys are the keys of whatever names none.
func aptTrustedKeys(root image.Root) ([]string, error) {
	keys, err := dropIns(root, ".gpg", aptTrustedDir)
	if err != nil {
		return nil, err
	}
	armored, err := dropIns(root, ".asc", aptTrustedDir)
	if err != nil {
		return nil, err
	}
	keys = append(keys, armored...)
	fi, err := root.Stat(aptTrusted)
	switch {
	case err == nil && fi.Size() > 0:
		keys = append(keys, aptTrusted)
	case err != nil && !isAbsent(err):
		return nil, err
	}
	return keys, nil
}

// aptSource is an entry for binary packages.
type aptSource struct {
	urls                       []string
	signedBy, enabled, trusted string
}

// parseSourcesList reads the format of a line each: deb [options] URI suite
// component…
func parseSourcesList(text string) []aptSource {
	var list []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if kind != "deb" {
			continue
		}
		var s aptSource
		rest = strings.TrimSpace(rest)
		if inside, found := strings.CutPrefix(rest, "["); found {
			options, after, closed := strings.Cut(inside, "]")
			if !closed {
				continue
			}
			rest = after
			for _, option := range strings.Fields(options) {
				key, value, _ := strings.Cut(option, "=")
				s.set(strings.ToLower(key), value)
			}
		}
		if fields := strings.Fields(rest); len(fields) > 0 {
			s.urls = fields[:1]
			list = append(list, s)
		}
	}
	return list
}

// parseSources reads the format of deb822(5).
func parseSources(text string) []aptSource {
	var list []aptSource
	var s aptSource
	types, last := "", ""
	end := func() {
		for _, kind := range strings.Fields(types) {
			if kind == "deb" && len(s.urls) > 0 {
				list = append(list, s)
				break
			}
		}
		s, types, last = aptSource{}, "", ""
	}
	set := func(value string) {
		switch last {
		case "types":
			types += " " + value
		case "uris":
			s.urls = append(s.urls, strings.Fields(value)...)
		default:
			s.set(last, value)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			end()
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			set(strings.TrimSpace(line))
		default:
			key, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(key)
			set(strings.TrimSpace(value))
		}
	}
	end()
	return list
}

// set takes an option; both formats call them the same. A key may be written
// into the file itself, over many lines: then it is no file that is known.
func (s *aptSource) set(key, value string) {
	switch key {
	case "signed-by":
		s.signedBy = strings.TrimSpace(s.signedBy + " " + value)
	case "enabled":
		s.enabled = value
	case "trusted":
		s.trusted = value
	}
}
