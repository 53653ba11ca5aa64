package check

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// packagedbRules are those about the databases of package managers.
var packagedbRules = []Rule{
	{
		ID:       "rpmdb-damaged",
		Summary:  "rpm's database is whole",
		Severity: diag.Warning,
		Doc:      "rpm and dnf fail on machines and in builds that have this image as their base, and nobody can say what is in the image.",
		Source:   "PRAGMA quick_check of sqlite; rpm's backends sqlite, ndb and bdb_ro",
		Hint:     "run rpmdb --rebuilddb, and build without a process that writes the database while the layer is made",
		Run:      checkRPMDamage,
	},
	{
		ID:       "rpmdb-log",
		Summary:  "nothing waits to be written to rpm's database",
		Severity: diag.Warning,
		Doc:      "The newest packages are in the log beside the database only. /usr is read-only on machines, where rpm opens the database without its log: those packages seem not to be installed.",
		Source:   "sqlite: Write-Ahead Logging, read-only databases",
		Hint:     "run: sqlite3 rpmdb.sqlite 'PRAGMA wal_checkpoint(TRUNCATE)' or rpmdb --rebuilddb at the end of the step that installs packages",
		Run:      checkRPMLog,
	},
	{
		ID:       "rpmdb-copies",
		Summary:  "there is one rpm database, whichever of its places one looks at",
		Severity: diag.Warning,
		Doc:      "Tools read the one or the other, and say that different packages are installed. One in /var is the machine's, and no update changes it.",
		Source:   "the macro _dbpath of rpm; rpm-ostree's docs/administrator-handbook.md",
		Hint:     "keep the database in /usr (/usr/lib/sysimage/rpm or /usr/share/rpm), and make the others links to it",
		Run:      checkRPMCopies,
	},
	{
		ID:       "rpmdb-base-copy",
		Summary:  "rpm-ostree's copy of the database is the database",
		Severity: diag.Note,
		Doc:      "rpm-ostree reads from the copy what the base had, and shows packages of this recipe as absent. As another file than the database, every update downloads both.",
		Source:   "rpm-ostree-base-db of rpm-ostree; clean-stage.sh and issue 2499 of Aurora",
		Hint:     "run: ln -f /usr/share/rpm/rpmdb.sqlite /usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite in the last step",
		Run:      checkRPMBaseCopy,
	},
	{
		ID:       "dpkg-unfinished",
		Summary:  "dpkg has finished with all packages",
		Severity: diag.Warning,
		Doc:      "The package was unpacked and not set up: its users, caches and links are missing. apt refuses to install anything beside it.",
		Source:   "dpkg --audit, dpkg-query(1)",
		Hint:     "run dpkg --configure -a and apt-get --fix-broken install, and look at why the script of the package failed",
		Run:      checkDpkgUnfinished,
	},
}

// rpmDatabases lists the databases that are files of their own.
func (t *Target) rpmDatabases() ([]string, error) {
	names, err := packagedb.RPMDatabases(t.Root)
	if err != nil {
		return nil, err
	}
	var own []string
	seen := map[uint64]bool{}
	for _, name := range names {
		fi, err := t.Root.Stat(name)
		if err != nil {
			return nil, err
		}
		if inode := image.StatOf(fi).Inode; !seen[inode] {
			seen[inode] = true
			own = append(own, name)
		}
	}
	if own == nil {
		return nil, NotApplicable("no rpm database")
	}
	return own, nil
}

func checkRPMDamage(ctx context.Context, t *Target) ([]Finding, error) {
	names, err := t.rpmDatabases()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, name := range names {
		damage, err := packagedb.RPMDamage(ctx, t.Root, name)
		if err != nil {
			return nil, err
		}
		for _, d := range damage {
			out = append(out, finding(name, "%s", d))
		}
	}
	return out, nil
}

func checkRPMLog(_ context.Context, t *Target) ([]Finding, error) {
	names, err := t.rpmDatabases()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, name := range names {
		for suffix, what := range map[string]string{"-wal": "a log", "-journal": "the journal of a change that was broken off"} {
			fi, err := t.lstat(name + suffix)
			if err != nil {
				return nil, err
			}
			if fi != nil && fi.Size() > 0 {
				out = append(out, finding(name+suffix, "%s of %d bytes", what, fi.Size()))
			}
		}
	}
	return out, nil
}

func checkRPMCopies(ctx context.Context, t *Target) ([]Finding, error) {
	names, err := t.rpmDatabases()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, name := range names[1:] {
		same, err := sameContent(ctx, t.Root, names[0], name)
		if err != nil {
			return nil, err
		}
		switch {
		case !same:
			out = append(out, finding(name, "it differs from /%s", names[0]))
		case strings.HasPrefix(name, "var/"):
			out = append(out, finding(name, "a second copy of /%s, which updates will leave behind", names[0]))
		}
	}
	return out, nil
}

const rpmBaseCopy = "usr/lib/sysimage/rpm-ostree-base-db"

func checkRPMBaseCopy(ctx context.Context, t *Target) ([]Finding, error) {
	names, err := t.rpmDatabases()
	if err != nil {
		return nil, err
	}
	name := path.Join(rpmBaseCopy, path.Base(names[0]))
	fi, err := t.Root.Stat(name)
	if isAbsent(err) {
		return nil, NotApplicable("no /" + rpmBaseCopy)
	}
	if err != nil {
		return nil, err
	}
	database, err := t.Root.Stat(names[0])
	if err != nil {
		return nil, err
	}
	if image.StatOf(fi).Inode == image.StatOf(database).Inode {
		return nil, nil
	}
	same, err := sameContent(ctx, t.Root, names[0], name)
	if err != nil {
		return nil, err
	}
	how := "it differs from"
	if same {
		how = "it is another file with the content of"
	}
	return found(name, "%s /%s: %d bytes", how, names[0], fi.Size()), nil
}

// sameContent compares two files.
func sameContent(ctx context.Context, root fs.FS, a, b string) (bool, error) {
	var sums [2]string
	for i, name := range []string{a, b} {
		f, err := root.Open(name)
		if err != nil {
			return false, err
		}
		h := sha256.New()
		for err == nil {
			if err = ctx.Err(); err == nil {
				_, err = io.CopyN(h, f, 1<<20)
			}
		}
		f.Close()
		if err != io.EOF {
			return false, fmt.Errorf("reading %q: %w", name, err)
		}
		sums[i] = string(h.Sum(nil))
	}
	return sums[0] == sums[1], nil
}

func checkDpkgUnfinished(_ context.Context, t *Target) ([]Finding, error) {
	list, file, err := packagedb.DpkgUnfinished(t.Root)
	if errors.Is(err, packagedb.ErrNone) {
		return nil, NotApplicable("no dpkg")
	}
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, p := range list {
		out = append(out, finding(file, "package %q is %s", p.Name, p.State))
	}
	// dpkg writes each change to a file of its own first, and into the
	// database at its end.
	entries, err := t.readDir(path.Join(path.Dir(file), "updates"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		out = append(out, finding(path.Join(path.Dir(file), "updates", e.Name()), "a change that dpkg did not finish"))
	}
	return out, nil
}
