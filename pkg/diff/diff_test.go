package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

const (
	setuid = fs.ModeSetuid | 0o755
	// Capabilities as the kernel keeps them, revision 2.
	netRaw      = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	netBindOnly = "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// dpkg is a database of packages, each "NAME VERSION [SOURCE]", and the files
// of each.
func dpkg(packages map[string][]string) fake.Files {
	files := fake.Files{"bin": fake.Link("usr/bin")}
	var status strings.Builder
	for p, owned := range packages {
		words := append(strings.Fields(p), "")
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: amd64\n", words[0], words[1])
		if words[2] != "" {
			fmt.Fprintf(&status, "Source: %s\n", words[2])
		}
		status.WriteString("\n")
		files["var/lib/dpkg/info/"+words[0]+".list"] = fake.Text("/.\n" + strings.Join(owned, "\n") + "\n")
	}
	files["var/lib/dpkg/status"] = fake.Text(status.String())
	return files
}

func oldFiles() fake.Files {
	return dpkg(map[string][]string{
		"bash 5.2-1":           {"/bin/bash", "/etc/bash.bashrc"},
		"iputils 1":            {"/bin/ping"},
		"libc6 2.36-9 glibc":   {"/usr/lib/libc.so.6"},
		"locales 2.36-9 glibc": {"/usr/share/locale"},
		"telnet 0.17":          {"/usr/bin/telnet"},
		"openssh 9":            {"/usr/lib/systemd/system/sshd.service", "/usr/lib/systemd/system/cups.service"},
	}).With(fake.Files{
		"usr/lib/os-release":                    fake.Text("PRETTY_NAME=\"Kiln 1\"\n"),
		"usr/bin/bash":                          fake.Program("bash"),
		"usr/bin/ping":                          {Mode: setuid, Content: "ping"},
		"usr/bin/telnet":                        fake.Program("telnet"),
		"usr/lib/libc.so.6":                     fake.Program("libc"),
		"etc/bash.bashrc":                       fake.Text("PS1"),
		"etc/shadow":                            {Mode: 0o640, GID: 42, Content: "root:*"},
		"etc/localtime":                         fake.Link("../usr/share/zoneinfo/UTC"),
		"etc/old.d":                             fake.Dir(),
		"etc/old.d/a":                           fake.Text("a"),
		"etc/old.d/b/c":                         fake.Text("bc"),
		"etc/unit":                              fake.Text("one"),
		"usr/lib/modules/6.1.0-1/vmlinuz":       fake.Text(fake.Kernel("6.1.0-1", "amd64")),
		"usr/lib/systemd/system/sshd.service":   fake.Text("[Unit]\n"),
		"usr/lib/systemd/system/cups.service":   fake.Text("[Unit]\n"),
		"usr/lib/systemd/system/getty@.service": fake.Text("[Unit]\n"),
		"etc/systemd/system/multi-user.target.wants/cups.service": fake.Link("/usr/lib/systemd/system/cups.service"),
	})
}

func newFiles() fake.Files {
	f := dpkg(map[string][]string{
		"bash 5.2-1":            {"/bin/bash", "/etc/bash.bashrc"},
		"iputils 1":             {"/bin/ping"},
		"libc6 2.36-10 glibc":   {"/usr/lib/libc.so.6"},
		"locales 2.36-10 glibc": {"/usr/share/locale"},
		"curl 8.0":              {"/usr/bin/curl"},
		"openssh 9":             {"/usr/lib/systemd/system/sshd.service", "/usr/lib/systemd/system/cups.service"},
	})
	return oldFiles().Without("usr/bin/telnet", "etc/old.d", "etc/old.d/a", "etc/old.d/b/c", "var/lib/dpkg/info/telnet.list",
		"usr/lib/modules/6.1.0-1/vmlinuz", "etc/systemd/system/multi-user.target.wants/cups.service",
	).With(f).With(fake.Files{
		"usr/lib/os-release":              fake.Text("PRETTY_NAME=\"Kiln 2\"\n"),
		"usr/bin/ping":                    {Mode: 0o755, Content: "ping", Xattrs: map[string]string{"security.capability": netRaw}},
		"usr/bin/curl":                    fake.Program("curl!"),
		"usr/lib/libc.so.6":               fake.Program("libc, larger"),
		"etc/bash.bashrc":                 fake.Text("PS1=much larger"),
		"etc/shadow":                      {Mode: 0o600, Content: "root:*"},
		"etc/localtime":                   fake.Link("../usr/share/zoneinfo/Asia/Seoul"),
		"etc/unit":                        {Mode: 0o644, UID: 7, Content: "two"},
		"opt/tool":                        fake.Dir(),
		"opt/tool/bin/run":                {Mode: setuid, Content: "run"},
		"opt/tool/\x1b[31m|`":             fake.Text("red"),
		"opt/tool/\xff":                   fake.Text("no UTF-8"),
		"usr/lib/modules/6.1.0-2/vmlinuz": fake.Text(fake.Kernel("6.1.0-2", "amd64")),
		"etc/systemd/system/multi-user.target.wants/sshd.service":  fake.Link("/usr/lib/systemd/system/sshd.service"),
		"etc/systemd/system/getty.target.wants/getty@tty1.service": fake.Link("/usr/lib/systemd/system/getty@.service"),
		"etc/systemd/system/cups.service":                          fake.Link("/dev/null"),
	})
}

func config(version string, env ...string) imgspecv1.Image {
	return imgspecv1.Image{
		Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
		Config:   imgspecv1.ImageConfig{Env: env, Labels: map[string]string{"org.opencontainers.image.version": version}},
	}
}

func diffOf(t testing.TB, a, b image.Image, o Options) *Report {
	t.Helper()
	r, err := Images(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// One pair of images with a difference of every sort, in every format.
func TestFormats(t *testing.T) {
	t.Parallel()
	r := diffOf(t, fake.New(t, config("1", "PATH=/bin"), oldFiles()), fake.New(t, config("2\x1b[2J"), newFiles()), Options{})
	var text, markdown bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "report.txt"), text.Bytes())
	if err := r.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "report.md"), markdown.Bytes())
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "report.json"), append(encoded, '\n'))
	if bytes.Contains(encoded, []byte(": null")) {
		t.Error("the JSON has a null")
	}
	for name, out := range map[string][]byte{"text": text.Bytes(), "Markdown": markdown.Bytes()} {
		if bytes.ContainsAny(out, "\x1b\xff") {
			t.Errorf("the %s has what is not to be shown", name)
		}
	}
}

// The images may be in different places; what is there is what counts.
func TestFolders(t *testing.T) {
	t.Parallel()
	files := oldFiles()
	empty, err := image.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := diffOf(t, empty, fake.New(t, config("1"), files), Options{})
	if r.Config == nil || len(r.Config) != 0 {
		t.Errorf("a folder has no configuration, and these differ: %v", r.Config)
	}
	if r.Old.Packages != 0 || len(r.Packages.Added) != 6 || r.Files.Removed.Files != 0 {
		t.Errorf("against an empty folder: %+v, %+v", r.Packages, r.Files)
	}
}

// What is read, and what is taken to be equal.
func TestContent(t *testing.T) {
	t.Parallel()
	database := dpkg(map[string][]string{"app 1": {"/usr/bin/app"}})
	newer := dpkg(map[string][]string{"app 2": {"/usr/bin/app"}})
	app := func(database fake.Files, name, content string) fake.Files {
		return database.With(fake.Files{name: fake.Program(content)})
	}
	large := strings.Repeat("16 bytes of text", 32<<10)
	for _, c := range []struct {
		name     string
		old, new fake.Files
		options  Options
		changed  bool
		unread   int
	}{
		// fakeimage gives all files one time.
		{"of a package", app(database, "usr/bin/app", "one"), app(database, "usr/bin/app", "two"), Options{}, false, 1},
		{"of a package, exactly", app(database, "usr/bin/app", "one"), app(database, "usr/bin/app", "two"), Options{Exact: true}, true, 0},
		{"of no package", app(database, "usr/bin/own", "one"), app(database, "usr/bin/own", "two"), Options{}, true, 0},
		{"of another build", app(database, "usr/bin/app", "one"), app(newer, "usr/bin/app", "two"), Options{}, true, 0},
		{"of another size", app(database, "usr/bin/app", "one"), app(database, "usr/bin/app", "three"), Options{}, true, 0},
		{"late in a large file", app(database, "usr/bin/own", large+"1"), app(database, "usr/bin/own", large+"2"), Options{}, true, 0},
		{"the same large file", app(database, "usr/bin/own", large), app(database, "usr/bin/own", large), Options{}, false, 0},
		{"the same", app(database, "usr/bin/own", "one"), app(database, "usr/bin/own", "one"), Options{}, false, 0},
	} {
		// A layer more, so that the layers are not the same ones.
		extra := fake.Files{"etc/x": fake.Text("x")}
		r := diffOf(t, fake.New(t, config("1"), c.old), fake.New(t, config("1"), c.new, extra), c.options)
		changed := false
		for _, f := range r.Files.List {
			changed = changed || strings.HasPrefix(f.Path, "usr/bin/") && f.Change == Changed
		}
		unread := r.Files.Unread
		if c.name != "of another build" {
			// The database and the list are no package's, and so are read.
			if changed != c.changed || unread != c.unread {
				t.Errorf("%s: changed %v, unread %d", c.name, changed, unread)
			}
		} else if !changed {
			t.Errorf("%s: not found", c.name)
		}
	}
}

// The time that some tools give to every file says nothing.
func TestTimesOf1970(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int64]bool{0: true, 1: true, 1_700_000_000: false} {
		var images [2]image.Image
		for i, content := range []string{"one", "two"} {
			dir := t.TempDir()
			for name, text := range map[string]string{
				"var/lib/dpkg/status":        "Package: app\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
				"var/lib/dpkg/info/app.list": "/usr/app\n",
				"usr/app":                    content,
			} {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(file, time.Time{}, time.Unix(seconds, 0)); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if images[i], err = image.OpenDir(dir); err != nil {
				t.Fatal(err)
			}
		}
		if r := diffOf(t, images[0], images[1], Options{}); r.Empty() == want {
			t.Errorf("%d: changed %d, unread %d", seconds, r.Files.Changed.Files, r.Files.Unread)
		}
	}
}

// Content that has a second name in ostree's repository counts once, as what
// it is.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	old := dpkg(map[string][]string{"app 1": {"/usr/bin/app"}})
	object := "sysroot/ostree/repo/objects/aa/bb.file"
	withApp := old.With(fake.Files{"usr/bin/app": fake.Program("12345"), object: {HardLink: "usr/bin/app"}, "etc/app": {HardLink: "usr/bin/app"}})
	r := diffOf(t, fake.New(t, config("1"), old), fake.New(t, config("1"), withApp), Options{})
	if got, want := r.New.Bytes-r.Old.Bytes, int64(5); got != want {
		t.Errorf("grown by %d bytes, want %d", got, want)
	}
	if diff := cmp.Diff([]SizeChange{{"app", 0, 5}}, r.Sizes); diff != "" {
		t.Error(diff)
	}
	for _, f := range r.Files.List {
		if strings.HasPrefix(f.Path, "sysroot/ostree/repo/") {
			t.Errorf("%s is listed", f.Path)
		}
	}
}

// A package explains nothing about a file that it does not have there.
func TestOwnerOfAbsentFile(t *testing.T) {
	t.Parallel()
	old := dpkg(map[string][]string{"app 1": {"/usr/lost"}})
	found := dpkg(map[string][]string{"app 2": {"/usr/app"}}).With(fake.Files{"usr/lost": fake.Text("found")})
	r := diffOf(t, fake.New(t, config("1"), old), fake.New(t, config("1"), found), Options{})
	for _, f := range r.Files.List {
		if f.Path == "usr/lost" && !f.Explained && f.Package == "" {
			return
		}
	}
	t.Errorf("%+v", r.Files.List)
}

// counted counts its open roots.
type counted struct {
	image.Image
	open atomic.Int32
}

type countedRoot struct {
	image.Root
	open *atomic.Int32
}

func (c *counted) Root(ctx context.Context) (image.Root, error) {
	root, err := c.Image.Root(ctx)
	c.open.Add(1)
	return countedRoot{root, &c.open}, err
}

func (r countedRoot) Close() error {
	r.open.Add(-1)
	return r.Root.Close()
}

// Roots are mounts and temporary files: none is left, whatever goes wrong.
func TestRootsAreClosed(t *testing.T) {
	t.Parallel()
	good := func() *counted { return &counted{Image: fake.New(t, config("1"), oldFiles())} }
	broken := &counted{Image: fake.New(t, config("1"), oldFiles().With(fake.Files{"var/lib/dpkg/status": fake.Text("nonsense")}))}
	for name, images := range map[string][2]*counted{"good": {good(), good()}, "one broken": {good(), broken}} {
		_, err := Images(t.Context(), images[0], images[1], Options{})
		if (err == nil) != (name == "good") {
			t.Errorf("%s: err = %v", name, err)
		}
		for i, img := range images {
			if n := img.open.Load(); n != 0 {
				t.Errorf("%s: image %d has %d open roots", name, i, n)
			}
		}
	}
}

// Thousands of differences are counted, and listed up to a limit.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	many := fake.Files{}
	for i := range maxListed + 7 {
		many[fmt.Sprintf("etc/%06d", i)] = fake.Text("x")
	}
	r := diffOf(t, fake.New(t, config("1"), fake.Files{"etc": fake.Dir()}), fake.New(t, config("1"), many), Options{})
	if r.Files.Added.Files != maxListed+7 || len(r.Files.List) != maxListed || r.Files.Unexplained != maxListed+7 {
		t.Errorf("%+v, %d listed", r.Files.Added, len(r.Files.List))
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Not listed: 7 more differences", fmt.Sprintf("… and %s more", count(maxListed-shownRows))} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the text", want)
		}
	}
}

// A database that cannot be read is no image without packages.
func TestBrokenDatabase(t *testing.T) {
	t.Parallel()
	broken := maps.Clone(oldFiles())
	broken["usr/share/rpm/rpmdb.sqlite"] = fake.Text("nonsense")
	_, err := Images(t.Context(), fake.New(t, config("1"), oldFiles()), fake.New(t, config("1"), broken), Options{})
	if err == nil || !strings.Contains(err.Error(), `"usr/share/rpm/rpmdb.sqlite": not an sqlite database`) {
		t.Errorf("err = %v", err)
	}
}
