package check

import (
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// account is a line of passwd(5) or group(5).
type account struct {
	name string
	id   int
}

// parseAccounts reads passwd(5) and group(5), whose lines begin alike. Lines
// that are no account are left out.
func parseAccounts(text string) []account {
	var out []account
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 4)
		if len(fields) < 4 || fields[0] == "" || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if id, err := strconv.Atoi(fields[2]); err == nil && id >= 0 {
			out = append(out, account{fields[0], id})
		}
	}
	return out
}

// parseShadow returns the names in shadow(5) or gshadow(5).
func parseShadow(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		name, _, found := strings.Cut(strings.TrimSpace(line), ":")
		// A plus or minus takes in names from a directory service.
		if found && name != "" && strings.IndexByte("#+-", name[0]) < 0 {
			names = append(names, name)
		}
	}
	return names
}

// database is one of the two kinds of accounts, with its files.
type database struct {
	// kind is "user" or "group", id what its number is called.
	kind, id string
	// files are the machine's own and, of nss-altfiles, that of the image.
	files []string
	// shadow has the passwords of the first of them.
	shadow string
}

var databases = []database{
	{"user", "UID", []string{"etc/passwd", "usr/lib/passwd"}, "etc/shadow"},
	{"group", "GID", []string{"etc/group", "usr/lib/group"}, "etc/gshadow"},
}

// read returns the accounts of all files, in their order, and for each the
// file that it is in. None is an image without any.
func (d database) read(root image.Root) (list []account, in []string, err error) {
	for _, file := range d.files {
		data, err := readSmall(root, file)
		if err != nil {
			return nil, nil, err
		}
		for _, a := range parseAccounts(string(data)) {
			list, in = append(list, a), append(in, file)
		}
	}
	return list, in, nil
}

// numbers are the numbers of users and groups that have a name.
type numbers struct{ users, groups map[int]bool }

func readNumbers(root image.Root, read func() (*accounts, error)) (*numbers, error) {
	acc, err := read()
	if err != nil {
		return nil, err
	}
	n := &numbers{users: map[int]bool{0: true}, groups: map[int]bool{0: true}}
	for i, into := range []map[int]bool{n.users, n.groups} {
		for _, id := range []ids{acc.users, acc.groups}[i] {
			into[id] = true
		}
		// The names above have one number each, and the files may have more.
		list, _, err := databases[i].read(root)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			into[a.id] = true
		}
	}
	return n, nil
}
