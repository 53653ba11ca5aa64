package check

import (
	"context"
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// tmpfilesLine is a line of tmpfiles.d(5), as far as rules ask for it.
type tmpfilesLine struct {
	// kind is the letter of its type, without what modifies it.
	kind byte
	// path is absolute, with its specifiers.
	path string
}

// parseTmpfiles reads a file of tmpfiles.d(5). Lines that systemd-tmpfiles
// would complain of and ignore are left out.
func parseTmpfiles(text string) []tmpfilesLine {
	var out []tmpfilesLine
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		words := splitWords(line)
		if len(words) < 2 || words[0] == "" || strings.Trim(words[0][1:], "+!-=~^$?") != "" {
			continue
		}
		if p := words[1]; strings.HasPrefix(p, "/") || strings.HasPrefix(p, "%") {
			out = append(out, tmpfilesLine{words[0][0], p})
		}
	}
	return out
}

// Types of lines by what they make: one file or folder, or all that is below
// too. The others (e, x, X, r, R, z, Z, t, T, h, H, a, A, w) change or remove
// what is there.
const (
	tmpfilesMake = "fFdDvqQpLcb"
	tmpfilesCopy = "C"
)

// tmpfilesSpecifiers are those that every machine has the same value for.
var tmpfilesSpecifiers = map[byte]string{
	'%': "%", 'C': "/var/cache", 'h': "/root", 'L': "/var/log", 'S': "/var/lib", 't': "/run", 'T': "/tmp", 'V': "/var/tmp", 'u': "root", 'U': "0", 'g': "root", 'G': "0",
}

// expandTmpfiles puts in the values of specifiers, and a star for those that
// only a machine knows.
func expandTmpfiles(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		if value, ok := tmpfilesSpecifiers[after[0]]; ok {
			b.WriteString(value)
		} else {
			b.WriteByte('*')
		}
		text = after[1:]
	}
}

// coverage is what a machine makes when it boots: by systemd-tmpfiles, and by
// the folders that units ask for. Names are as in package image, behind the
// links at the top.
type coverage struct {
	// exact has all names that are made, and the folders that they are in,
	// which are made with them.
	exact map[string]bool
	// trees are made with what is in them.
	trees []string
	// globs have a part that only the machine knows.
	globs []string
}

func readCoverage(ctx context.Context, root image.Root) (*coverage, error) {
	c := &coverage{exact: map[string]bool{}}
	files, err := dropIns(root, ".conf", "etc/tmpfiles.d", "usr/local/lib/tmpfiles.d", "usr/lib/tmpfiles.d")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := readSmall(root, name)
		if err != nil {
			return nil, err
		}
		for _, line := range parseTmpfiles(string(data)) {
			c.addLine(root, line)
		}
	}
	return c, c.addUnits(ctx, root)
}

func (c *coverage) addLine(root image.Root, line tmpfilesLine) {
	made, copied := strings.IndexByte(tmpfilesMake, line.kind) >= 0, strings.IndexByte(tmpfilesCopy, line.kind) >= 0
	if !made && !copied {
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+expandTmpfiles(line.path)), "/")
	if name == "" {
		return
	}
	name = behindLink(root, name)
	switch {
	case strings.Contains(name, "*"):
		for ; strings.Contains(name, "*"); name = path.Dir(name) {
			c.globs = append(c.globs, name)
		}
	case copied:
		c.trees = append(c.trees, name)
	}
	c.add(name)
}

// add covers a name and the folders that it is in.
func (c *coverage) add(name string) {
	for ; name != "." && !c.exact[name]; name = path.Dir(name) {
		c.exact[name] = true
	}
}

// unitFolders are the folders that systemd makes for a service that asks for
// them, below the named one (systemd.exec(5)).
var unitFolders = map[string]string{"StateDirectory": "var/lib", "CacheDirectory": "var/cache", "LogsDirectory": "var/log"}

// addUnits covers what the services of the image ask for, enabled or not:
// without the service nobody needs it.
func (c *coverage) addUnits(ctx context.Context, root image.Root) error {
	for _, dir := range systemUnits.dirs {
		entries, err := root.ReadDir(dir)
		if err != nil && !isAbsent(err) {
			return err
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if path.Ext(e.Name()) != ".service" || !e.Type().IsRegular() {
				continue
			}
			data, err := readSmall(root, path.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			c.addUnit(e.Name(), parseUnit(string(data)))
		}
	}
	return nil
}

func (c *coverage) addUnit(unit string, settings unitSettings) {
	for key, below := range unitFolders {
		for _, value := range settings.list("Service", key) {
			for _, word := range splitWords(value) {
				// "folder:link:flags"
				for i, name := range strings.SplitN(word, ":", 3) {
					name, ok := expandUnit(name, unit)
					if !ok || name == "" || i == 2 {
						continue
					}
					c.add(path.Join(below, path.Clean("/"+name)))
					c.add(path.Join(below, "private", path.Clean("/"+name))) // of a service with a user for each run
				}
			}
		}
	}
}

func (c *coverage) covers(name string) bool {
	if c.exact[name] || c.coversTree(name) {
		return true
	}
	for _, g := range c.globs {
		if globMatches(g, name) {
			return true
		}
	}
	return false
}

// coversTree reports whether a name is made with all that is in it.
func (c *coverage) coversTree(name string) bool {
	for _, tree := range c.trees {
		if name == tree || strings.HasPrefix(name, tree+"/") {
			return true
		}
	}
	return false
}
