package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// escapes are names that a terminal, a CI service's log or a page would obey.
var escapes = []string{
	"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "new\nline", "back\rwards", "bell\x07", "\u202etxt.exe", "::error::fooled", "caf\xe9",
	"%0A::error::fooled", "</testcase>", "tab\there", "\x7f", "zero\u200bwidth", "]]>",
}

// hostileNames puts each of those wherever rules look, so that it gets into
// paths, messages and reasons.
func hostileNames() fake.Files {
	files := fake.Files{}
	for i, e := range escapes {
		for _, dir := range []string{
			"usr/share/", "usr/lib/modules/", modules + "updates/", "boot/", "run/", "tmp/", "var/log/", "var/lib/", "usr/lib/bootc/kargs.d/", "usr/lib/bootc/bound-images.d/",
			"usr/lib/bootc/install/", enabledIn, "etc/systemd/system/", system, "etc/ssh/ssh_host_", "usr/lib/sysusers.d/", "usr/lib/tmpfiles.d/", "etc/yum.repos.d/", "etc/apt/sources.list.d/",
			storesFiles, "usr/lib/bootupd/updates/", "usr/lib/sysimage/dpkg/updates/",
		} {
			for _, suffix := range []string{"", ".toml", ".service", ".conf", ".repo", ".list", ".yaml", ".image", "_key", ".ko", ".dpkg-new"} {
				files[dir+e+suffix] = fake.File{Mode: 0o666 | fs.ModeSetuid, UID: 4242, GID: 4242, Content: "[x]\n" + e + "=" + e + "\nExecStart=" + e}
			}
		}
		files[fmt.Sprintf("usr/link%d", i)] = fake.Link(e)
		files[fmt.Sprintf("etc/link%d", i)] = fake.Link("/usr/etc/" + e)
		files[fmt.Sprintf("var/link%d", i)] = fake.Link(e)
	}
	all := strings.Join(escapes, "\n")
	lines := func(format string) string {
		var b strings.Builder
		for _, e := range escapes {
			b.WriteString(strings.ReplaceAll(format, "@", e))
		}
		return b.String()
	}
	return files.With(fake.Files{
		"etc/passwd":                            fake.Text(lines("@:x:0:0:@:/:@\n")),
		"etc/group":                             fake.Text(lines("@:x:0:@\n")),
		"etc/shadow":                            fake.Text(lines("@:!:::::::\n")),
		"etc/selinux/config":                    fake.Text("SELINUX=enforcing\nSELINUXTYPE=" + escapes[0] + "\n"),
		dpkgFile:                                fake.Text(lines("Package: @\nStatus: install ok @\nVersion: @\n\n")),
		policyFile:                              fake.Text(fmt.Sprintf("{\"default\": [{\"type\": %q}]}", all)),
		"etc/yum.repos.d/escape.repo":           fake.Text(lines("[@]\nname=@\nbaseurl=https://@/\nenabled=1\n")),
		"etc/apt/sources.list.d/escape.list":    fake.Text(lines("deb https://@/ @ main\n")),
		"usr/lib/bootc/kargs.d/escape.toml":     fake.Text("kargs = [\"root=\\u001b[31m\"]\nmatch-architectures = [\"\\u001b[31m\"]\n\"\\u001b[31m\" = 1\n"),
		"usr/lib/bootc/install/escape.toml":     fake.Text("\"\\u001b[31m\" = 1\n[install]\nmatch-architectures = [\"\\u001b[31m\"]\n"),
		"usr/lib/ostree/prepare-root.conf":      fake.Text("[composefs]\nenabled = " + escapes[0] + "\n" + all),
		modules + "modules.dep":                 fake.Text(lines("kernel/@.ko: @.ko\n")),
		"usr/lib/os-release":                    fake.Text(lines("ID=@\n@=@\n")),
		"usr/lib/systemd/system/default.target": fake.Text("[Unit]\n" + lines("Requires=@.service\n")),
		"usr/lib/sysimage/rpm/rpmdb.sqlite":     fake.Text("\x1b[31m"),
		initrd:                                  secret(fake.Initramfs(fake.Files{"etc/initrd-release": fake.Text("BUILD_ID=\x1b[31mred\n"), "init": fake.Link("\x1b[31m"), "usr/lib/modules/\x1b[31m/a.ko": fake.Text("")})),
	})
}

// assertHarmless writes a report in every format: nothing in them is more than
// text to a terminal.
func assertHarmless(t *testing.T, rep *Report) {
	t.Helper()
	for format := range formats {
		formatted(t, rep, format)
	}
	document, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	document = diag.VisibleJSON(document) // as the program prints it
	if !utf8.Valid(document) {
		t.Error("json is not UTF-8")
	}
	for _, c := range string(document) {
		if c != '\n' && (diag.Hidden(c) || !unicode.IsPrint(c)) {
			t.Errorf("%q is in json", c)
		}
	}
	// What GitHub's runner obeys stands at the beginning of a line.
	for line := range strings.Lines(string(formatted(t, rep, "github"))) {
		if strings.HasPrefix(strings.TrimSpace(line), "::error::fooled") {
			t.Errorf("a name became an annotation: %q", line)
		}
	}
	for _, o := range rep.Rules {
		if strings.Contains(o.Reason, "panicked") {
			t.Errorf("%s: %s", o.ID, o.Reason)
		}
	}
}

func TestHostileImageNames(t *testing.T) {
	t.Parallel()
	config := goodConfig()
	config.Architecture = escapes[0]
	for _, name := range []string{"containers.bootc", "ostree.final-diffid", "ostree.commit"} {
		config.Config.Labels[name] = strings.Join(escapes, "\n")
	}
	rep, err := Run(t.Context(), fake.New(t, config, goodFiles, hostileNames()), Options{Repositories: []string{published}, Base: fake.New(t, goodConfig(), goodFiles)})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Findings) < 100*len(escapes) {
		t.Errorf("%d findings: the names were not looked at", len(rep.Findings))
	}
	assertHarmless(t, rep)
}

// hostileFolder is a root file system whose links lead out of it, in circles,
// and to files of the machine, and a folder beside it that none may reach.
func hostileFolder(t *testing.T) (root, sentinel string) {
	t.Helper()
	dir := t.TempDir()
	root, sentinel = filepath.Join(dir, "root"), filepath.Join(dir, "sentinel")
	for _, d := range []string{root, sentinel} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What a rule would say something about if it read it.
	for name, content := range map[string]string{"key": outsideKey, "status": "Package: outside\nStatus: install ok half-configured\n", "x.service": "[Service]\nExecStart=/outside\n", "x.toml": "outside = 1\n"} {
		if err := os.WriteFile(filepath.Join(sentinel, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, target string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	up := strings.Repeat("../", 30) + strings.TrimPrefix(sentinel, "/")
	for i, target := range []string{sentinel, up} {
		for _, name := range []string{
			"etc/kiln/key", "usr/lib/sysimage/dpkg/status", "etc/systemd/system/multi-user.target.wants/x.service",
			"usr/lib/bootc/kargs.d/x.toml", "usr/lib/bootc/install/x.toml", "var/lib/dpkg", "usr/lib/modules/6.1.0/vmlinuz", "boot/EFI/Linux/x.efi",
		} {
			if i == 1 {
				name += ".1"
			}
			link(name, target+"/"+strings.TrimSuffix(filepath.Base(name), ".1"))
		}
	}
	for name, target := range map[string]string{
		"etc/os-release": "os-release", "etc/passwd": "../etc/passwd", "sysroot": "ostree", "ostree": "sysroot", "usr/lib/systemd/systemd": "/sbin/init",
		"sbin": "sbin", "opt": "/opt/opt/opt", "home": "../../../../..", "root": sentinel, "srv": up, "usr/local": sentinel, "proc": "/proc", "dev": "/dev",
		"usr/lib/rpm": sentinel, "etc/ssh": sentinel, "etc/containers": "../etc/containers/containers", "usr/lib/ostree": "..", "usr/lib/tmpfiles.d": ".", "var": ".",
	} {
		if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
			if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		link(name, target)
	}
	for i := range 60 { // longer than a chain may be
		link(fmt.Sprintf("usr/lib/chain/%02d", i), fmt.Sprintf("%02d", (i+1)%60))
	}
	link("etc/machine-id", "/usr/lib/chain/00")
	return root, sentinel
}

const outsideKey = "-----BEGIN PRIVATE KEY-----\nQUJDREVGR0hJSktMTU5PUA==\n-----END PRIVATE KEY-----\n"

// listing is what is in a folder: names, modes, sizes and times.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, name, fi.Mode(), fi.Size(), fi.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHostileLinks(t *testing.T) {
	t.Parallel()
	root, sentinel := hostileFolder(t)
	before := listing(t, filepath.Dir(root))
	img, err := image.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Run(t.Context(), img, Options{Repositories: []string{published}, Base: img})
	if err != nil {
		t.Fatal(err)
	}
	assertHarmless(t, rep)
	for _, f := range rep.Findings {
		for _, word := range []string{"outside", "half-configured", "PRIVATE KEY"} {
			if strings.Contains(f.Message, word) {
				t.Errorf("it has read a file of the machine: %s %s: %s", f.Rule, f.Path, f.Message)
			}
		}
	}
	if after := listing(t, filepath.Dir(root)); after != before {
		t.Errorf("it has changed %q or %q:\n%s\n%s", root, sentinel, before, after)
	}
}

// The same links in a layer, whose reader could be told to write by them.
func TestHostileLayers(t *testing.T) {
	t.Parallel()
	root, sentinel := hostileFolder(t)
	before := listing(t, filepath.Dir(root))
	links := fake.Files{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return err
		}
		target, err := os.Readlink(name)
		rel, _ := filepath.Rel(root, name)
		links[rel] = fake.Link(target)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// A second layer writes through the links, and by names that lead out.
	through := fake.Files{"root/written": fake.Text("x"), "srv/written": fake.Text("x"), "home/written": fake.Text("x")}
	rep, err := Run(t.Context(), fake.New(t, goodConfig(), links, through), Options{})
	if err == nil {
		assertHarmless(t, rep)
	}
	for _, name := range []string{"../written", sentinel + "/written", "usr/../../../written"} {
		rep, err := Run(t.Context(), fake.New(t, goodConfig(), goodFiles, fake.Files{name: fake.Text("x")}), Options{})
		if err == nil {
			assertHarmless(t, rep)
		}
	}
	if after := listing(t, filepath.Dir(root)); after != before {
		t.Errorf("it has changed %q or %q:\n%s\n%s", root, sentinel, before, after)
	}
}

// bomb is an archive of one file with so many gigabytes of nothing, which
// compresses to little.
func bomb(t *testing.T, gigabytes int) string {
	t.Helper()
	one := fake.Initramfs(fake.Files{"init": fake.Program("")})
	// The first entry is that of init, with its size at 54.
	size := int64(gigabytes) << 30
	head := one[:54] + fmt.Sprintf("%08X", size) + one[62:]
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	const header = 110 + 6 // with the name, "init\0", and its padding
	if _, err := w.Write([]byte(head[:header])); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// What an initramfs unpacks to costs neither memory nor, past a limit, time.
func TestHostileInitramfs(t *testing.T) {
	t.Parallel()
	half := bomb(t, 3)
	for name, archive := range map[string]string{
		"of 3 GiB":       half,
		"beyond all":     half + strings.Repeat("\x00", -len(half)&3) + half,
		"many archives":  strings.Repeat(fake.Initramfs(fake.Files{"init": fake.Program("x")}), 10_000),
		"nested folders": fake.Initramfs(fake.Files{strings.Repeat("a/", 1500) + "b": fake.Text("x")}),
		"links in a circle": fake.Initramfs(fake.Files{
			"init": fake.Link("usr/init"), "usr/init": fake.Link("../init"), "lib": fake.Link("lib"), "etc": fake.Link("../../etc"), "usr/lib": fake.Link("/usr/lib/lib"),
		}),
		"names that lead out": strings.ReplaceAll(fake.Initramfs(fake.Files{"../written": fake.Text("x"), "@written": fake.Text("x"), "usr/../../written": fake.Text("x")}), "@", "/"),
	} {
		t.Run(name, func(t *testing.T) {
			if len(archive) > 16<<20 {
				t.Fatalf("an archive of %d bytes is no bomb", len(archive))
			}
			rep, err := Run(t.Context(), fake.New(t, goodConfig(), goodFiles.With(fake.Files{initrd: secret(archive)})), Options{})
			if err != nil {
				t.Fatal(err)
			}
			assertHarmless(t, rep)
			if rep.Err() == nil {
				t.Error("it passed")
			}
			if name == "beyond all" && !slices.ContainsFunc(rep.Findings, func(f Finding) bool { return f.Rule == "initramfs-decodes" }) {
				t.Error("nothing is said of a bomb")
			}
		})
	}
}

// So many files, each of which breaks several rules, are counted and not kept.
func TestHostileCount(t *testing.T) {
	t.Parallel()
	const files = 100_000
	many := fake.Files{}
	for i := range files {
		many[fmt.Sprintf("usr/share/%02d/\x1b[31m%d", i%100, i)] = fake.File{Mode: 0o666, UID: 4242}
	}
	rep, err := Run(t.Context(), fake.New(t, goodConfig(), goodFiles, many), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range rep.Rules {
		if (o.ID == "world-writable" || o.ID == "unnamed-owners") && o.Findings != files {
			t.Errorf("%s has found %d of %d", o.ID, o.Findings, files)
		}
	}
	if len(rep.Findings) > 3*maxFindings {
		t.Errorf("%d findings are kept", len(rep.Findings))
	}
	var text bytes.Buffer
	if err := rep.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if text.Len() > 100_000 {
		t.Errorf("a text of %d bytes is nothing to read", text.Len())
	}
}
