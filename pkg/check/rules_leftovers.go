package check

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// leftoverRules are those about what a build leaves behind: secrets, the
// identity of a machine, caches, and what machines will not get.
var leftoverRules = []Rule{
	{
		ID:       "private-keys",
		Summary:  "there are no private keys but those of packages",
		Severity: diag.Warning,
		Doc:      "Whoever can download the image has the key, for as long as a registry or a machine keeps a copy. Removing it in a later step does not take it out of the layer. Folders of tests do not count: their keys are public.",
		Source:   "RFC 7468; dockle and trivy look for secrets too",
		Hint:     "use a secret mount for the step that needs it (secrets in the recipe), and replace the key: it has to count as known",
		Visit:    visitPrivateKeys,
	},
	{
		ID:       "credentials",
		Summary:  "there are no passwords and tokens",
		Severity: diag.Warning,
		Doc:      "Whoever can download the image can log in with them. bootc reads /etc/ostree/auth.json to pull updates: put there only what may read that one repository.",
		Source:   "containers-auth.json(5), netrc(5), gitcredentials(7), npmrc, subscription-manager(8)",
		Hint:     "use a secret mount for the step that needs it (secrets in the recipe), and revoke the token: it has to count as known",
		Visit:    visitCredentials,
	},
	{
		ID:       "shell-history",
		Summary:  "there are no histories of commands",
		Severity: diag.Warning,
		Doc:      "They may hold passwords, and every machine starts with them.",
		Source:   "bash(1), HISTFILE",
		Hint:     "remove it at the end of the step that writes it",
		Visit:    visitHistories,
	},
	{
		ID:       "ssh-host-keys",
		Summary:  "there are no SSH host keys",
		Severity: diag.Warning,
		Doc:      "All machines have the same key, and whoever can download the image can pretend to be one of them. sshd-keygen makes none where there is one.",
		Source:   "sshd(8); sshd-keygen@.service",
		Hint:     "run: rm -f /etc/ssh/ssh_host_*_key*; machines make theirs at their first boot",
		Run:      checkHostKeys,
	},
	{
		ID:       "machine-id",
		Summary:  "/etc/machine-id is missing or says uninitialized",
		Severity: diag.Warning,
		Doc:      "With an ID in it, all machines have the same: they get each other's addresses by DHCP, and their logs cannot be told apart. With an empty one, they make their own, but no boot counts as the first: what is to run once (ConditionFirstBoot=, presets of systemd) never runs.",
		Source:   "machine-id(5); systemd issue 8268",
		Hint:     "write: uninitialized",
		Run:      checkMachineID,
	},
	{
		ID:       "machine-identity",
		Summary:  "nothing else is in the image that machines must not share",
		Severity: diag.Warning,
		Doc:      "What every machine is to make for itself is the same on all: random numbers can be foreseen, sealed secrets opened, and storage servers take one machine for another.",
		Source:   "systemd-random-seed.service(8), systemd-creds(1), iscsi-iname(8), nvme-gen-hostnqn(1)",
		Hint:     "remove the file: machines make it when they need it",
		Run:      checkMachineIdentity,
	},
	{
		ID:       "package-caches",
		Summary:  "package managers left no caches behind",
		Severity: diag.Note,
		Doc:      "Every machine downloads it. What is in /var is copied at installation, and never removed by an update.",
		Source:   "dnf clean all, apt-get clean; secureblue issue 1856",
		Hint:     "clean up in the step that installs (dnf clean all; rm -rf /var/lib/apt/lists/*), or use a cache mount",
		Run:      checkPackageCaches,
	},
	{
		ID:       "leftover-files",
		Summary:  "tools left no backups and locks behind",
		Severity: diag.Note,
		Doc:      "Nothing reads them. Some differ from build to build, so that machines download a layer that is otherwise the same.",
		Source:   "passwd(1), ldconfig(8), dpkg(1), rpm(8)",
		Hint:     "remove it at the end of the step that makes it",
		Visit:    visitLeftovers,
	},
}

// head reads the beginning of a regular file. A key or token is not larger.
func (t *Target) head(name string) ([]byte, error) {
	f, err := t.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxHead))
}

const maxHead = 64 << 10

// privateKey begins in a line of its own and has base64, or the header of an
// old format, in the next: texts about keys have not.
var privateKey = regexp.MustCompile(`(?m)^-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----[ \t\r]*\n[ \t\r\n]*(?:[A-Za-z0-9+/=]{16,}|[A-Z][A-Za-z-]*: )`)

func visitPrivateKeys(t *Target, f File) ([]Finding, error) {
	if !f.Info.Mode().IsRegular() || f.Info.Size() > maxHead || !inOwnable(f.Name) || hostKeyOf(f.Name) != "" || isTest(f.Name) {
		return nil, nil
	}
	if slices.ContainsFunc(secrets, func(s secretPlace) bool { return s.is(f.Name) }) {
		return nil, nil // rule credentials looks at it
	}
	data, err := t.head(f.Name)
	if err != nil || !bytes.Contains(data, []byte("PRIVATE KEY")) {
		return nil, err
	}
	kind := privateKey.FindSubmatch(data)
	if kind == nil {
		return nil, nil
	}
	owned, err := t.owned()
	if err != nil || owned[f.Name] {
		return nil, err
	}
	return found(f.Name, "it holds a key of no package (%s)", kind[1]), nil
}

// isTest reports whether a file is of the tests of a program, which have keys
// that everyone knows.
func isTest(name string) bool {
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		if part == "test" || part == "tests" || part == "testdata" {
			return true
		}
	}
	return false
}

// hostKeyOf returns the kind of an SSH host key, by the name of its file.
func hostKeyOf(name string) string {
	key, ok := strings.CutPrefix(name, "etc/ssh/ssh_host_")
	if kind, ok2 := strings.CutSuffix(key, "_key"); ok && ok2 {
		return kind
	}
	return ""
}

func visitCredentials(t *Target, f File) ([]Finding, error) {
	// Most of all files are in /usr, where no administrator puts any.
	if !f.Info.Mode().IsRegular() || strings.HasPrefix(f.Name, "usr/") && !strings.HasPrefix(f.Name, "usr/lib/ostree/") {
		return nil, nil
	}
	for _, s := range secrets {
		if !s.is(f.Name) {
			continue
		}
		data, err := t.head(f.Name)
		if err != nil {
			return nil, err
		}
		if s.holds.Match(data) {
			return found(f.Name, "it holds %s", s.what), nil
		}
	}
	return nil, nil
}

// histories are what shells and their like write into a home folder.
var histories = []string{
	".ash_history", ".bash_history", ".history", ".lesshst", ".mysql_history", ".node_repl_history", ".psql_history",
	".python_history", ".sh_history", ".sqlite_history", ".viminfo", ".zsh_history", "fish_history",
}

func visitHistories(_ *Target, f File) ([]Finding, error) {
	if f.Info.Mode().IsRegular() && f.Info.Size() > 0 && !strings.HasPrefix(f.Name, "usr/") && slices.Contains(histories, path.Base(f.Name)) {
		return found(f.Name, "a history of %d bytes", f.Info.Size()), nil
	}
	return nil, nil
}

func checkHostKeys(_ context.Context, t *Target) ([]Finding, error) {
	entries, err := t.readDir("etc/ssh")
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, e := range entries {
		name := path.Join("etc/ssh", e.Name())
		if kind := hostKeyOf(name); kind != "" {
			out = append(out, finding(name, "a host key (%s)", kind))
		}
	}
	return out, nil
}

func checkMachineID(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		fi, err := t.lstat(name)
		if err != nil {
			return nil, err
		}
		if fi == nil || !fi.Mode().IsRegular() {
			continue // a link leads to the first, or is what the administrator wants
		}
		data, err := readSmall(t.Root, name)
		if err != nil {
			return nil, err
		}
		switch id := string(bytes.TrimSpace(data)); {
		case id == "" && name == "etc/machine-id":
			out = append(out, finding(name, "it is empty: no boot will count as the first"))
		case id != "" && id != "uninitialized":
			out = append(out, finding(name, "it has an ID, which all machines would share"))
		}
	}
	return out, nil
}

// identities are files that must differ between machines; assign is what a
// line of one begins with that only holds the identity then.
var identities = []struct{ name, what, assign string }{
	{"etc/NetworkManager/secret_key", "the key that addresses are made from", ""},
	{"etc/iscsi/initiatorname.iscsi", "the name of the machine for iSCSI servers", "InitiatorName="},
	{"etc/nvme/hostid", "the name of the machine for NVMe servers", ""},
	{"etc/nvme/hostnqn", "the name of the machine for NVMe servers", ""},
	{"var/lib/NetworkManager/secret_key", "the key that addresses are made from", ""},
	{"var/lib/systemd/credential.secret", "the key that systemd-creds seals secrets with", ""},
	{"var/lib/systemd/random-seed", "the seed of random numbers", ""},
}

func checkMachineIdentity(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, i := range identities {
		data, err := readSmall(t.Root, i.name)
		if err != nil {
			return nil, err
		}
		held := len(data) > 0 && i.assign == ""
		for line := range strings.Lines(string(data)) {
			value, ok := strings.CutPrefix(strings.TrimSpace(line), i.assign)
			held = held || ok && i.assign != "" && value != ""
		}
		if held {
			out = append(out, finding(i.name, "%s, which all machines would share", i.what))
		}
	}
	return out, nil
}

// caches are what package managers download and machines do not need.
var caches = []string{
	"root/.cache", "usr/lib/sysimage/libdnf5", "var/cache/PackageKit", "var/cache/apt", "var/cache/dnf", "var/cache/libdnf5", "var/cache/pacman",
	"var/cache/yum", "var/cache/zypp", "var/lib/apt/lists", "var/roothome/.cache",
}

func checkPackageCaches(ctx context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, dir := range caches {
		// Behind a link it is another's.
		if fi, err := t.lstat(dir); err != nil {
			return nil, err
		} else if fi == nil || !fi.IsDir() || behindLink(t.Root, dir) != dir {
			continue
		}
		files, size, err := t.content(ctx, dir)
		if err != nil {
			return nil, err
		}
		if size > 0 {
			out = append(out, finding(dir, "%d bytes in %s", size, plural(files, "file")))
		}
	}
	return out, nil
}

// content counts the regular files of a folder and their bytes.
func (t *Target) content(ctx context.Context, dir string) (files int, size int64, err error) {
	err = fs.WalkDir(t.Root, dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files++
			size += info.Size()
		}
		return err
	})
	return files, size, err
}

// leftovers are names in /etc and elsewhere that tools leave, and whose they
// are.
var leftovers = map[string]string{
	"etc/.pwd.lock": "a lock of passwd", "etc/group-": "a backup of group", "etc/gshadow-": "a backup of gshadow", "etc/passwd-": "a backup of passwd",
	"etc/shadow-": "a backup of shadow", "etc/subgid-": "a backup of subgid", "etc/subuid-": "a backup of subuid",
	"var/cache/ldconfig/aux-cache": "a cache of ldconfig",
}

// leftoverSuffixes are of files that a package manager puts beside another one
// while it works, or for the administrator to look at.
var leftoverSuffixes = map[string]string{
	".dpkg-new": "dpkg", ".dpkg-tmp": "dpkg", ".dpkg-old": "dpkg", ".dpkg-dist": "dpkg", ".rpmnew": "rpm", ".rpmorig": "rpm", ".rpmsave": "rpm",
	"rpmdb.sqlite-shm": "rpm",
}

func visitLeftovers(_ *Target, f File) ([]Finding, error) {
	if !f.Info.Mode().IsRegular() {
		return nil, nil
	}
	if what, ok := leftovers[f.Name]; ok {
		return found(f.Name, "%s", what), nil
	}
	for suffix, tool := range leftoverSuffixes {
		if strings.HasSuffix(f.Name, suffix) {
			return found(f.Name, "left by %s", tool), nil
		}
	}
	return nil, nil
}
