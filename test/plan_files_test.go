//go:build e2e

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inImage builds the recipe of p with the lines as its last step, and returns
// what that step prints into /usr/lib/said.
func (p *project) inImage(t testing.TB, shell string, more ...string) string {
	t.Helper()
	step := "run: [{name: look, network: false, shell: " + quoteYAML("{\n"+shell+"\n} >/usr/lib/said") + "}]"
	p.write(t, append(more, step)...)
	bootkiln(t, p.args("build")...).want(t, 0)
	return p.imageFile(t, "usr/lib/said")
}

// quoteYAML writes text as a YAML scalar in double quotes.
func quoteYAML(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// imageFile reads a file of the image that was built.
func (p *project) imageFile(t testing.TB, name string) (content string) {
	t.Helper()
	p.inFolder(t, func(root string) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		content = string(b)
	})
	return content
}

// inFolder calls look with the root of the image that was built, mounted.
func (p *project) inFolder(t testing.TB, look func(root string)) {
	t.Helper()
	store := machineStore(t)
	img, err := store.Image(p.tag)
	if err != nil {
		t.Fatal(err)
	}
	root, err := store.MountImage(img.ID, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := store.UnmountImage(img.ID, false); err != nil {
			t.Error(err)
		}
	}()
	look(root)
}

// TestFolderOverTheImage copies a folder to "/": what the image has keeps its
// modes and links, and the rest arrives.
func TestFolderOverTheImage(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	tree := filepath.Join(p.dir, "tree")
	for name, mode := range map[string]os.FileMode{
		"root/.profile-of-test":  0o600,
		"var/tmp/in-tmp":         0o644,
		"bin/-tool":              0o755,
		"usr/lib/bk 한글/new/file": 0o644,
		"etc/motd":               0o640,
	} {
		write(t, filepath.Join(tree, name), []byte("of the project\n"))
		if err := os.Chmod(filepath.Join(tree, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(tree, "usr/lib/bk 한글/empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A link in the place of a link, and not in the folder it leads to.
	if err := os.Symlink("../etc", filepath.Join(tree, "usr/lib/bk 한글/link")); err != nil {
		t.Fatal(err)
	}
	got := p.inImage(t,
		`stat -c '%A %U:%G %N' /var/tmp /root /root/.profile-of-test /var/tmp/in-tmp /bin /usr/bin/-tool /etc/motd
		cd /usr/lib/bk*; stat -c '%A %U:%G %N' . empty link new/file; cd /usr/lib/owned; stat -c '%A %U:%G %N' . bin bin/-tool link`,
		"  - {source: tree, destination: /}",
		"  - {source: tree, destination: /usr/lib/owned, owner: \"daemon:mail\", mode: \"0604\"}",
		"  - {source: \"tree/usr/lib/bk 한글\", destination: /usr/lib/owned}",
		"  - {source: \"tree/usr/lib/bk 한글\", destination: /usr/lib/bk 한글}",
	)
	want := `drwxrwxrwt root:root '/var/tmp'
lrwxrwxrwx root:root '/root' -> 'var/roothome'
-rw------- root:root '/root/.profile-of-test'
-rw-r--r-- root:root '/var/tmp/in-tmp'
lrwxrwxrwx root:root '/bin' -> 'usr/bin'
-rwxr-xr-x root:root '/usr/bin/-tool'
-rw-r----- root:root '/etc/motd'
drwxr-xr-x root:root '.'
drwxr-xr-x root:root 'empty'
lrwxrwxrwx root:root 'link' -> '../etc'
-rw-r--r-- root:root 'new/file'
drwxr-xr-x daemon:mail '.'
drwxr-xr-x daemon:mail 'bin'
-rw----r-- daemon:mail 'bin/-tool'
lrwxrwxrwx root:root 'link' -> '../etc'
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
