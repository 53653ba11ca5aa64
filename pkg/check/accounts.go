package check

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// accounts are the users and groups that a machine will know.
type accounts struct{ users, groups ids }

// ids are names with their number; unfixed where systemd-sysusers chooses it
// when the machine boots.
type ids map[string]int

const unfixed = -1

// id returns the number of a name, or of a number that is written as one.
func (m ids) id(name string) (int, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, true
	}
	n, ok := m[name]
	return n, ok && n != unfixed
}

func (m ids) has(name string) bool { _, ok := m[name]; return ok }

func (m ids) sorted() []string { return slices.Sorted(maps.Keys(m)) }

// name returns the first name of a number, or the number where there is none.
func (m ids) name(n int) string {
	for _, name := range m.sorted() {
		if m[name] == n {
			return name
		}
	}
	return strconv.Itoa(n)
}

// add keeps the number that was there first.
func (m ids) add(name string, n int) {
	if old, ok := m[name]; name != "" && (!ok || old == unfixed) {
		m[name] = n
	}
}

func (a *assertions) users() error {
	if len(a.tests.Users) == 0 {
		return nil
	}
	acc, err := a.accounts()
	if err != nil {
		return err
	}
	for _, want := range a.tests.Users {
		if !acc.users.has(want.Value) {
			a.fail(want.Pos, "tests.users", "user-absent", orNear("add it to users", want.Value, acc.users.sorted(), "which the image has"),
				"the image neither has the user %q nor makes it at boot", want.Value)
		}
	}
	return nil
}

func (a *assertions) accounts() (*accounts, error) {
	if a.loaded == nil {
		acc, err := readAccounts(a.root)
		if err != nil {
			return nil, err
		}
		a.loaded = acc
	}
	return a.loaded, nil
}

// readAccounts reads passwd and group, those that nss-altfiles adds from /usr,
// and what systemd-sysusers will make.
func readAccounts(root image.Root) (*accounts, error) {
	acc := &accounts{users: ids{}, groups: ids{}}
	for _, file := range []struct {
		name string
		into ids
	}{{"etc/passwd", acc.users}, {"usr/lib/passwd", acc.users}, {"etc/group", acc.groups}, {"usr/lib/group", acc.groups}} {
		data, err := readSmall(root, file.name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			// name:password:number:…, as in passwd(5) and group(5).
			if fields := strings.SplitN(line, ":", 4); len(fields) == 4 {
				if n, err := strconv.Atoi(fields[2]); err == nil && n >= 0 {
					file.into.add(fields[0], n)
				}
			}
		}
	}
	return acc, acc.readSysusers(root)
}

// readSysusers adds what systemd-sysusers will make.
func (acc *accounts) readSysusers(root image.Root) error {
	files, err := dropIns(root, ".conf", "etc/sysusers.d", "usr/local/lib/sysusers.d", "usr/lib/sysusers.d")
	if err != nil {
		return err
	}
	for _, name := range files {
		data, err := readSmall(root, name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			acc.sysuser(strings.Fields(line))
		}
	}
	return nil
}

// sysuser adds what a line of sysusers.d(5) makes. Its first three fields have
// no blanks in them.
func (acc *accounts) sysuser(fields []string) {
	if len(fields) < 2 {
		return
	}
	name := strings.Trim(fields[1], `"'`)
	id := "-"
	if len(fields) > 2 {
		id = strings.Trim(fields[2], `"'`)
	}
	switch strings.TrimRight(fields[0], "!") {
	case "u": // with a group of its name, unless one is given, which exists then
		user, _, given := strings.Cut(id, ":")
		acc.users.add(name, number(user))
		if !given {
			acc.groups.add(name, number(user))
		}
	case "g":
		acc.groups.add(name, number(id))
	case "m": // makes both where they are missing
		acc.users.add(name, unfixed)
		acc.groups.add(name, unfixed)
		if id != "-" {
			acc.groups.add(id, unfixed)
		}
	}
}

func number(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n
	}
	return unfixed
}

// dropIns lists the files with a suffix in folders of which the first
// overrides the others: a file there hides those of its name, and one that is
// a link to /dev/null or empty hides them for nothing. They are in the order
// of their names, which is that in which programs read them.
func dropIns(root image.Root, suffix string, dirs ...string) ([]string, error) {
	byName := map[string]string{}
	for _, dir := range dirs {
		entries, err := root.ReadDir(dir)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, hidden := byName[e.Name()]; !hidden && !e.IsDir() && strings.HasSuffix(e.Name(), suffix) {
				byName[e.Name()] = path.Join(dir, e.Name())
			}
		}
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		// Whatever is no regular file has nothing to read: a device, such as
		// the end of a link to /dev/null, and a link to nowhere.
		fi, err := root.Stat(byName[name])
		if err == nil && fi.Mode().IsRegular() {
			files = append(files, byName[name])
		} else if err != nil && !isAbsent(err) {
			return nil, err
		}
	}
	return files, nil
}
