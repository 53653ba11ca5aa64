//go:build e2e

package test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/diff"
)

// rebuilt is a package of the base that is built anew as another version.
type rebuilt struct {
	name string
	// change is what is different in its folder.
	change string
}

// e2eVersion is what the versions of rebuilt packages end in.
const e2eVersion = "+e2e1"

// updated are small packages of several layers. The shell that changes them is in
// the folder of the package, with those of the others beside it.
var updated = []rebuilt{
	// Files change, one is gone, and one goes to another package.
	{"sysvinit-utils", `
		printf '# changed\n' >>lib/lsb/init-functions
		chmod 0700 sbin/fstab-decode
		rm lib/lsb/init-functions.d/00-verbose
		mkdir -p ../hostname/lib/init
		mv lib/init/init-d-script ../hostname/lib/init/`},
	{"hostname", `printf '\n' >>usr/share/doc/hostname/copyright`},
	{"libnpth0", `printf '\n' >>usr/share/doc/libnpth0/copyright`},
	// A directory becomes a link, as dpkg has it done.
	{"readline-common", `
		mv usr/share/readline usr/share/readline-e2e
		ln -s readline-e2e usr/share/readline
		for script in preinst postinst postrm; do
			printf '#!/bin/sh\ndpkg-maintscript-helper dir_to_symlink /usr/share/readline readline-e2e %s readline-common -- "$@"\n' "$2" >DEBIAN/$script
			chmod 0755 DEBIAN/$script
		done`},
}

// removed is a package that goes, and gone is what the update has no longer: folders
// and files.
const removed = "pinentry-curses"

var gone = []string{"usr/lib/lsb/init-functions.d/00-verbose", "usr/bin/pinentry-curses", "usr/share/doc/pinentry-curses"}

// TestChunkStale updates a few packages of the base, as a user gets them. Layers of
// which little changed stay as they are: the update is smaller for it, and Debian's
// own tools find the very image in it.
func TestChunkStale(t *testing.T) {
	t.Parallel()
	source := updateOfTheBase(t)
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	// So few layers that small packages share them, as they do on a desktop.
	before := chunkTo(t, first, "", debianBase, "--layers", "24")
	report := chunkTo(t, second, "", source, "--layers", "24", "--previous", "oci:"+first)
	assertStale(t, second, before, report)

	machine := "localhost/bootkiln-test/stale-" + strings.ToLower(rand.Text())
	for tag, from := range map[string]string{":1": first, ":2": second} {
		if out, err := exec.Command("skopeo", "copy", "--quiet", "oci:"+from, "containers-storage:"+machine+tag).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() { removeImage(t, machine+tag) })
	}

	// The store has no layers that could stay.
	none := chunkTo(t, filepath.Join(dir, "none"), "", source, "--layers", "24", "--previous", "containers-storage:"+machine+":1")
	if none.Dead != 0 || none.Update.Bytes <= report.Update.Bytes {
		t.Errorf("an update of %d bytes where layers stay, and of %d where none does", report.Update.Bytes, none.Update.Bytes)
	}
	t.Logf("%d of %d bytes, %d where no layer stays; notes %q", report.Update.Bytes, report.Size, none.Update.Bytes, report.Notes)

	assertUpdated(t, source, machine+":2")
	if diff := cmp.Diff(foundIn(t, source), foundIn(t, "oci:"+second)); diff != "" {
		t.Errorf("findings (-built +chunked):\n%s", diff)
	}
	assertNoDifference(t, source, "oci:"+second)

	// Once more, from what was built and from what was cut.
	for place, name := range map[string]string{"built": source, "chunked": "oci:" + second} {
		to := filepath.Join(dir, place)
		again := chunkTo(t, to, "", name, "--layers", "24", "--previous", "oci:"+second)
		if !bytes.Equal(contentOf(t, filepath.Join(to, "index.json")), contentOf(t, filepath.Join(second, "index.json"))) || again.Update.Bytes != 0 {
			t.Errorf("%s: another manifest, an update of %d bytes", place, again.Update.Bytes)
		}
	}
}

// updateOfTheBase installs the packages in the base, and returns the image's name.
func updateOfTheBase(t *testing.T) string {
	t.Helper()
	name := "localhost/bootkiln-test/updated-" + strings.ToLower(rand.Text()) + ":1"
	debs := rebuild(t, mounted(t, debianBase))
	container := "e2e-" + strings.ToLower(rand.Text())
	tool(t, nil, "buildah", "from", "--pull-never", "--name", container, debianBase)
	defer tool(t, nil, "buildah", "rm", container)
	install := "dpkg --install /debs/*.deb && dpkg --purge --force-depends " + removed
	tool(t, nil, "buildah", "run", "--isolation", "chroot", "--volume", debs+":/debs:ro", container, "/bin/sh", "-c", install)
	tool(t, nil, "buildah", "commit", "--quiet", container, name)
	t.Cleanup(func() { removeImage(t, name) })
	return name
}

// rebuild makes the packages out of what the base has of them, and returns their
// folder. dpkg takes them in the order of their names, so that a file is gone from
// one before it comes with another.
func rebuild(t *testing.T, base string) string {
	t.Helper()
	work, debs := t.TempDir(), t.TempDir()
	admin := filepath.Join(base, "var/lib/dpkg")
	for _, p := range updated {
		folder := filepath.Join(work, p.name)
		for _, file := range filesOf(t, admin, p.name) {
			info, err := os.Stat(base + file)
			if os.IsNotExist(err) || err == nil && info.IsDir() {
				continue // the base leaves documentation out
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(folder+file), 0o755); err != nil {
				t.Fatal(err)
			}
			tool(t, nil, "cp", "--archive", base+file, folder+file)
		}
		status, err := exec.CommandContext(t.Context(), "dpkg-query", "--admindir", admin, "--status", p.name).Output()
		if err != nil {
			t.Fatal(err)
		}
		control, version := "", ""
		for line := range strings.Lines(string(status)) {
			switch v, is := strings.CutPrefix(line, "Version: "); {
			case is:
				version = strings.TrimSpace(v) + e2eVersion
				control += "Version: " + version + "\n"
			case !strings.HasPrefix(line, "Status: "):
				control += line
			}
		}
		write(t, filepath.Join(folder, "DEBIAN/control"), []byte(control))
		tool(t, nil, "sh", "-euc", `cd "$1"; chmod 0755 DEBIAN; chmod 0644 DEBIAN/control; `+p.change, "sh", folder, version)
	}
	for i, p := range updated {
		tool(t, nil, "dpkg-deb", "--root-owner-group", "-Znone", "--build", filepath.Join(work, p.name), filepath.Join(debs, string(rune('a'+i))+".deb"))
	}
	return debs
}

// filesOf lists the files of a package.
func filesOf(t *testing.T, admin, name string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "--admindir", admin, "--listfiles", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// assertStale finds in the reports that layers stayed, that they are the very ones
// that there were, and that clients fetch what the report says; and in the layout
// that the highest layer removes files.
func assertStale(t *testing.T, dir string, before, report *chunk.Report) {
	t.Helper()
	had := map[string]bool{}
	for _, l := range before.Layers {
		had[l.Digest.String()] = true
	}
	stale, fetched := 0, int64(0)
	for _, l := range report.Layers {
		if !had[l.Digest.String()] {
			fetched += l.Size
		}
		if l.Dead > 0 {
			stale++
			if !had[l.Digest.String()] || !l.Reused || l.Dead > l.Size/2 {
				t.Errorf("a layer that was to stay: %+v", l)
			}
		}
	}
	if stale == 0 || report.Dead == 0 || report.Dead > report.Size/40 {
		t.Errorf("%d layers stay, with %d dead bytes of %d", stale, report.Dead, report.Size)
	}
	if fetched != report.Update.Bytes {
		t.Errorf("clients fetch %d bytes, and the report says %d", fetched, report.Update.Bytes)
	}
	highest := filepath.Join(dir, "blobs/sha256", report.Layers[len(report.Layers)-1].Digest.Encoded())
	names, err := exec.CommandContext(t.Context(), "tar", "--list", "--zstd", "--file", highest).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(gone, func(name string) bool {
		folder, file := filepath.Split(name)
		return strings.Contains(string(names), folder+".wh."+file+"\n")
	}) {
		t.Errorf("the highest layer removes none of %q:\n%s", gone, names)
	}
	notes := strings.Join(report.Notes, "\n")
	for _, words := range []string{"that nobody sees any more", "could not stay, and is made anew: ", `"usr/share/readline": it is a directory there`} {
		if !strings.Contains(notes, words) {
			t.Errorf("no note says %q:\n%s", words, notes)
		}
	}
}

// assertUpdated has podman mount an image, and dpkg look at it: it is the source, in
// the new versions and without what was removed.
func assertUpdated(t *testing.T, source, name string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "podman", "image", "mount", name).Output()
	if err != nil {
		t.Fatalf("podman image mount: %v", err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("podman", "image", "unmount", name).CombinedOutput(); err != nil {
			t.Errorf("podman image unmount: %v: %s", err, out)
		}
	})
	root := strings.TrimSpace(string(out))
	if diff := cmp.Diff(filesBelow(t, mounted(t, source)), filesBelow(t, root)); diff != "" {
		t.Errorf("files (-built +chunked):\n%.4000s", diff)
	}
	for _, name := range gone {
		if _, err := os.Lstat(filepath.Join(root, name)); !os.IsNotExist(err) {
			t.Errorf("%s is there still: %v", name, err)
		}
	}
	query := []string{"--root", root, "--show", "--showformat", "${Version}\n"}
	verify := []string{"--root", root, "--verify"}
	for _, p := range updated {
		query, verify = append(query, p.name), append(verify, p.name)
	}
	out, err = exec.CommandContext(t.Context(), "dpkg-query", query...).CombinedOutput()
	if versions := strings.Fields(string(out)); err != nil || slices.ContainsFunc(versions, func(v string) bool { return !strings.HasSuffix(v, e2eVersion) }) {
		t.Errorf("versions: %v\n%s", err, out)
	}
	if out, err = exec.CommandContext(t.Context(), "dpkg", verify...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("dpkg --verify: %v\n%s", err, out)
	}
	if out, err = exec.CommandContext(t.Context(), "dpkg-query", "--root", root, "--status", removed).CombinedOutput(); err == nil {
		t.Errorf("the package that was removed:\n%s", out)
	}
}

// assertNoDifference has the program compare two images.
func assertNoDifference(t *testing.T, before, after string) {
	t.Helper()
	o := bootkiln(t, "diff", "--exact", "--format", "json", before, after)
	o.want(t, 0)
	var r diff.Report
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Files.List)+len(r.Packages.Sources)+len(r.Privileges)+len(r.Units)+r.Files.Unread > 0 || r.Old.Files != r.New.Files || r.Old.Files == 0 {
		t.Errorf("diff of what was built with what was cut:\n%.4000s", o.stdout)
	}
}
