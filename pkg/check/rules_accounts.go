package check

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// accountRules are those about users, groups, and what they may do.
var accountRules = []Rule{
	{
		ID:       "shadow-orphans",
		Summary:  "each name in shadow and gshadow is a user or group",
		Severity: diag.Error,
		Doc:      "systemd-sysusers refuses to make a user or group that has a password already, and stops: none of those that the image needs is made, and the services that run as them do not start.",
		Source:   "crates/lib/src/sysusers_cleanup.rs of bootc, which mends it on running machines",
		Hint:     "remove the line from the file, or run: pwck -s; grpck -s",
		Run:      checkShadowOrphans,
	},
	{
		ID:       "duplicate-ids",
		Summary:  "each user and group has a number of its own",
		Severity: diag.Warning,
		Doc:      "Two names of one number are one user: each may do and read what the other may, and files show only the first name.",
		Source:   "passwd(5), group(5)",
		Hint:     "give one of them another number, and chown its files",
		Run:      checkDuplicateIDs,
	},
	{
		ID:       "unnamed-owners",
		Summary:  "files of /usr and /etc belong to users and groups that have a name",
		Severity: diag.Warning,
		Doc:      "Whoever is given the number on a machine, such as the next user or service, owns the files. Names that systemd-sysusers makes with a number count.",
		Source:   "building/users-and-groups of bootc's documentation",
		Hint:     "chown it to root, or make the user with its number in a file of sysusers.d",
		Visit:    visitOwners,
	},
	{
		ID:       "usr-owners",
		Summary:  "files of /usr belong to root, unless they run as another user",
		Severity: diag.Note,
		Doc:      "/usr is read-only: to own something in it is of no use, and the number may be another user's on machines that were installed from an older image. setuid and setgid are a reason.",
		Source:   "building/users-and-groups of bootc's documentation",
		Hint:     "chown it to root:root, and put what changes into /var",
		Visit:    visitUsrOwners,
	},
	{
		ID:       "world-writable",
		Summary:  "what everyone may write to is a directory with the sticky bit",
		Severity: diag.Warning,
		Doc:      "Every user and every service of the machine may change the file, or replace those of others in the directory. /dev, /proc, /run, /sys and /tmp do not count.",
		Source:   "chmod(1); CIS benchmarks for Linux",
		Hint:     "run: chmod o-w, or for a directory of all users: chmod +t",
		Visit:    visitWorldWritable,
	},
	{
		ID:       "added-privileges",
		Summary:  "no program has more rights than in the base image",
		Severity: diag.Warning,
		Doc:      "A program that is setuid or setgid, or has capabilities, does for every user what only root could do. The base image's are its maker's to answer for; these are this recipe's.",
		Source:   "capabilities(7); dockle lists all without comparing (CIS-DI-0008)",
		Hint:     "run: chmod u-s,g-s or setcap -r on it, or leave out the package",
		Visit:    visitPrivileges,
	},
}

func checkShadowOrphans(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	some := false
	for _, d := range databases {
		data, err := readSmall(t.Root, d.shadow)
		if err != nil {
			return nil, err
		}
		some = some || data != nil
		list, _, err := d.read(t.Root)
		if err != nil {
			return nil, err
		}
		known := map[string]bool{}
		for _, a := range list {
			known[a.name] = true
		}
		for _, name := range parseShadow(string(data)) {
			if !known[name] {
				out = append(out, finding(d.shadow, "%q is no %s: it is in none of /%s", name, d.kind, strings.Join(d.files, ", /")))
			}
		}
	}
	if !some {
		return nil, NotApplicable("neither /etc/shadow nor /etc/gshadow")
	}
	return out, nil
}

func checkDuplicateIDs(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	some := false
	for _, d := range databases {
		list, in, err := d.read(t.Root)
		if err != nil {
			return nil, err
		}
		some = some || len(list) > 0
		byID, byName := map[int]string{}, map[string]int{}
		for i, a := range list {
			if other, ok := byID[a.id]; ok && other != a.name {
				out = append(out, finding(in[i], "%q has %s %d, which is that of %q too", a.name, d.id, a.id, other))
			}
			if other, ok := byName[a.name]; ok && other != a.id {
				out = append(out, finding(in[i], "the %s %q is there twice: with %s %d and %d", d.kind, a.name, d.id, other, a.id))
			}
			if _, ok := byID[a.id]; !ok {
				byID[a.id] = a.name
			}
			byName[a.name] = a.id
		}
	}
	if !some {
		return nil, NotApplicable("no users and groups")
	}
	return out, nil
}

func visitOwners(t *Target, f File) ([]Finding, error) {
	if !strings.HasPrefix(f.Name, "usr/") && !strings.HasPrefix(f.Name, "etc/") {
		return nil, nil
	}
	st := image.StatOf(f.Info)
	if st.UID == 0 && st.GID == 0 {
		return nil, nil
	}
	known, err := t.numbers()
	if err != nil {
		return nil, err
	}
	var what []string
	if !known.users[st.UID] {
		what = append(what, fmt.Sprintf("user %d", st.UID))
	}
	if !known.groups[st.GID] {
		what = append(what, fmt.Sprintf("group %d", st.GID))
	}
	if what == nil {
		return nil, nil
	}
	return found(f.Name, "it belongs to %s, which has no name", strings.Join(what, " and ")), nil
}

func visitUsrOwners(t *Target, f File) ([]Finding, error) {
	st := image.StatOf(f.Info)
	if !strings.HasPrefix(f.Name, "usr/") || st.UID == 0 && st.GID == 0 || f.Info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return nil, nil
	}
	known, err := t.numbers()
	if err != nil {
		return nil, err
	}
	if !known.users[st.UID] || !known.groups[st.GID] {
		return nil, nil // rule unnamed-owners says so
	}
	acc, err := t.accounts()
	if err != nil {
		return nil, err
	}
	return found(f.Name, "it belongs to %s:%s", acc.users.name(st.UID), acc.groups.name(st.GID)), nil
}

func visitWorldWritable(_ *Target, f File) ([]Finding, error) {
	top, _, below := strings.Cut(f.Name, "/")
	mode := f.Info.Mode()
	if mode.Perm()&0o002 == 0 || slices.Contains(emptied, top) && (below || top != "tmp") {
		return nil, nil
	}
	switch {
	case mode.IsDir() && mode&fs.ModeSticky == 0:
		return found(f.Name, "everyone may write to the directory (mode %#o), and it is not sticky", image.StatOf(f.Info).Mode), nil
	case mode.IsRegular():
		return found(f.Name, "everyone may write to the file (mode %#o)", image.StatOf(f.Info).Mode), nil
	}
	return nil, nil
}

func visitPrivileges(t *Target, f File) ([]Finding, error) {
	if t.baseErr != nil {
		return nil, t.baseErr
	}
	if t.base == nil {
		return nil, NotApplicable("the base image is not known")
	}
	if !f.Info.Mode().IsRegular() || inEmptied(f.Name) {
		return nil, nil
	}
	has, err := privileges(t.Root, f.Name, f.Info)
	if err != nil || has == nil {
		return nil, err
	}
	var had []string
	switch info, err := t.base.Lstat(f.Name); {
	case err == nil && info.Mode().IsRegular():
		if had, err = privileges(t.base, f.Name, info); err != nil {
			return nil, err
		}
	case err != nil && !isAbsent(err):
		return nil, err
	}
	has = slices.DeleteFunc(has, func(p string) bool { return slices.Contains(had, p) })
	if len(has) == 0 {
		return nil, nil
	}
	return found(f.Name, "it has %s, and in the base image not", strings.Join(has, " and ")), nil
}

// privileges are what a program may do that its user may not.
func privileges(root image.Root, name string, info fs.FileInfo) ([]string, error) {
	var out []string
	st := image.StatOf(info)
	if info.Mode()&fs.ModeSetuid != 0 {
		out = append(out, fmt.Sprintf("setuid of user %d", st.UID))
	}
	// Without the right to execute, the bit once meant mandatory locking.
	if info.Mode()&fs.ModeSetgid != 0 && info.Mode().Perm()&0o010 != 0 {
		out = append(out, fmt.Sprintf("setgid of group %d", st.GID))
	}
	if info.Mode().Perm()&0o111 == 0 {
		return out, nil // capabilities are had by what is executed; to ask all files for theirs takes long
	}
	xattrs, err := root.Xattrs(name)
	if err != nil {
		return nil, err
	}
	if value, ok := xattrs["security.capability"]; ok {
		out = append(out, "capabilities "+describeCapabilities(value))
	}
	return out, nil
}
