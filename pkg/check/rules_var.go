package check

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// varRules are those about /var, which is the machine's own.
var varRules = []Rule{
	{
		ID:       "var-tmpfiles",
		Summary:  "machines can make what the image has in /var",
		Severity: diag.Warning,
		Doc:      "/var is the machine's own. What the image has there is copied at installation, and no update brings, changes or removes it: a machine that was installed before lacks it. Of a folder of which nothing is made by lines of tmpfiles.d, the top counts. Other than with bootc's lint, folders above what is made are made with it, StateDirectory= and its like count, lines that make nothing do not.",
		Source:   "bootc lint var-tmpfiles (which only runs inside of the build); filesystem of bootc's documentation",
		Hint:     "write a line in /usr/lib/tmpfiles.d (d for a folder, L for a link, C for a copy of /usr/share/factory), or remove it",
		Run:      checkVarTmpfiles,
	},
	{
		ID:       "var-links",
		Summary:  "where /opt, /usr/local and other links lead, machines have a folder",
		Severity: diag.Warning,
		Doc:      "The link leads to nothing: what writes there fails, and nobody can make a folder in its place, because the root file system is read-only.",
		Source:   "filesystem of bootc's documentation; tmpfiles.d(5)",
		Hint:     "write a line in /usr/lib/tmpfiles.d: d /var/opt 0755 root root -",
		Run:      checkVarLinks,
	},
}

func checkVarTmpfiles(ctx context.Context, t *Target) ([]Finding, error) {
	if fi, err := t.lstat("var"); err != nil {
		return nil, err
	} else if fi == nil || !fi.IsDir() {
		return nil, NotApplicable("no /var: see rule api-directories")
	}
	made, err := t.tmpfiles()
	if err != nil {
		return nil, err
	}
	var out []Finding
	err = fs.WalkDir(t.Root, "var", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case name == "var":
			return nil
		case name == "var/run" && d.IsDir():
			return fs.SkipDir // rule var-run says so
		case name == "var/run":
			return nil
		case slices.Contains(caches, name), made.coversTree(name) && d.IsDir():
			return fs.SkipDir // rule package-caches says so
		case made.covers(name), strings.HasPrefix(name, "var/log/") && d.Type().IsRegular(), otherRules(name):
			return nil // of logs, rule var-log speaks
		case d.IsDir():
			out = append(out, finding(name, "no line of tmpfiles.d makes the folder%s", t.inside(ctx, name)))
			return fs.SkipDir
		case d.Type() == fs.ModeSymlink:
			out = append(out, finding(name, "no line of tmpfiles.d makes the link"))
		case d.Type().IsRegular():
			out = append(out, finding(name, "a file that updates will not change"))
		}
		return nil
	})
	return out, err
}

// otherRules reports whether a file of /var is one of those that have a rule of
// their own.
func otherRules(name string) bool {
	_, leftover := leftovers[name]
	for _, i := range identities {
		leftover = leftover || i.name == name
	}
	return leftover || name == "var/lib/dbus/machine-id"
}

// inside says how much is in a folder; what cannot be read, the walk of the
// others tells.
func (t *Target) inside(ctx context.Context, dir string) string {
	files, size, err := t.content(ctx, dir)
	if err != nil || files == 0 {
		return ""
	}
	return fmt.Sprintf(", nor what is in it (%s of %d bytes)", plural(files, "file"), size)
}

// linksToVar are where systems have links to folders of /var.
var linksToVar = []string{"home", "media", "mnt", "opt", "root", "srv", "usr/local"}

func checkVarLinks(_ context.Context, t *Target) ([]Finding, error) {
	made, err := t.tmpfiles()
	if err != nil {
		return nil, err
	}
	names := slices.Clone(linksToVar)
	for _, dir := range []string{"opt", "usr/local"} {
		if fi, err := t.lstat(dir); err != nil {
			return nil, err
		} else if fi == nil || !fi.IsDir() {
			continue
		}
		entries, err := t.Root.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	var out []Finding
	for _, name := range names {
		fi, err := t.lstat(name)
		if err != nil {
			return nil, err
		}
		if fi == nil || fi.Mode().Type() != fs.ModeSymlink {
			continue
		}
		link, err := t.Root.ReadLink(name)
		if err != nil {
			return nil, err
		}
		target := fromRoot(link, path.Dir(name))
		if !strings.HasPrefix(target, "var/") || made.covers(target) {
			continue
		}
		// Where the folder is in the image, rule var-tmpfiles says that old
		// machines do not get it.
		if _, err := t.Root.Stat(target); err == nil {
			continue
		} else if !isAbsent(err) {
			return nil, err
		}
		out = append(out, finding(name, "it leads to /%s, which no line of tmpfiles.d makes", target))
	}
	return out, nil
}
