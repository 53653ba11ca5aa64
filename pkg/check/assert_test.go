package check

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// words are values of a recipe at lines of their own from line on.
func words(line int, values ...string) []recipe.String {
	var out []recipe.String
	for i, v := range values {
		out = append(out, recipe.String{Value: v, Pos: diag.Pos{File: "recipe.yaml", Line: line + i, Col: 5}})
	}
	return out
}

// dpkgStatus is a database of dpkg with packages of given names and versions.
func dpkgStatus(namesAndVersions ...string) string {
	var b strings.Builder
	for i := 0; i < len(namesAndVersions); i += 2 {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nVersion: %s\n\n", namesAndVersions[i], namesAndVersions[i+1])
	}
	return b.String()
}

var tested = fake.Files{
	"var/lib/dpkg/status": fake.Text(dpkgStatus(
		"wine", "10.0-1", "vim", "2:9.1.0-3", "plasma-desktop", "4:6.3.4-1", "plasma-workspace", "4:6.3.4-2", "kwin", "4:6.3.5-1", "base-files", "12.4", "linux-image", "6.11-1", "linux-image", "6.12-1",
	)),
	"usr/bin/bash":                                                  fake.Program(strings.Repeat("b", 3000)),
	"usr/bin/sh":                                                    {HardLink: "usr/bin/bash"},
	"usr/share/big":                                                 fake.Text(strings.Repeat("x", 5000)),
	"bin":                                                           fake.Link("usr/bin"),
	"etc/resolv.conf":                                               fake.Link("../run/resolv.conf"),
	"usr/lib/systemd/system/a.service":                              fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/b.timer":                                fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/gdm.service":                            fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/getty@.service":                         fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/off.service":                            fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/alias.service":                          fake.Link("off.service"),
	"usr/lib/systemd/system/no.service":                             fake.Text("[Unit]\n"),
	"etc/systemd/system/no.service":                                 fake.Link("/dev/null"),
	"etc/systemd/system/empty.service":                              fake.Text(""),
	"etc/systemd/system/display-manager.service":                    fake.Link("/usr/lib/systemd/system/gdm.service"),
	"etc/systemd/system/multi-user.target.wants/a.service":          fake.Link("/usr/lib/systemd/system/a.service"),
	"etc/systemd/system/multi-user.target.wants/no.service":         fake.Link("/usr/lib/systemd/system/no.service"),
	"etc/systemd/system/multi-user.target.wants/gone.service":       fake.Link("/usr/lib/systemd/system/gone.service"),
	"etc/systemd/system/getty.target.wants/getty@tty1.service":      fake.Link("/usr/lib/systemd/system/getty@.service"),
	"usr/lib/systemd/system/timers.target.requires/b.timer":         fake.Link("../b.timer"),
	"etc/systemd/system/multi-user.target.wants/not-a-link/ignored": fake.Text(""),

	"usr/lib/systemd/user/podman.socket":                        fake.Text("[Unit]\n"),
	"usr/lib/systemd/user/podman.service":                       fake.Text("[Unit]\n"),
	"etc/systemd/user/sockets.target.wants/podman.socket":       fake.Link("/usr/lib/systemd/user/podman.socket"),
	"etc/systemd/user/quiet.service":                            fake.Link("/dev/null"),
	"usr/lib/systemd/user/default.target.wants/a.service":       fake.Link("../a.service"),
	"usr/lib/systemd/system/multi-user.target.wants/gdm.socket": fake.Link("../gdm.socket"),
	"usr/lib/systemd/system/gdm.socket":                         fake.Text("[Unit]\n"),

	// As Debian enables ssh, with links in /usr that name units too.
	"usr/lib/systemd/system/ssh.service":                          fake.Text("[Unit]\n"),
	"etc/systemd/system/sshd.service":                             fake.Link("/usr/lib/systemd/system/ssh.service"),
	"etc/systemd/system/multi-user.target.wants/ssh.service":      fake.Link("/usr/lib/systemd/system/ssh.service"),
	"usr/lib/systemd/system/time.service":                         fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/ntp.service":                          fake.Link("time.service"),
	"usr/lib/systemd/system/multi-user.target.wants/ntp.service":  fake.Link("../ntp.service"),
	"usr/lib/systemd/system/round.service":                        fake.Link("about.service"),
	"usr/lib/systemd/system/about.service":                        fake.Link("round.service"),
	"usr/local/lib/systemd/system/site.timer":                     fake.Text("[Unit]\n"),
	"usr/local/lib/systemd/system/timers.target.wants/site.timer": fake.Link("../site.timer"),
	"usr/share/systemd/user/shared.service":                       fake.Text("[Unit]\n"),
	"etc/systemd/user/default.target.wants/shared.service":        fake.Link("/usr/share/systemd/user/shared.service"),

	"etc/motd":                          {Mode: 0o644, UID: 1000, GID: 39, Content: "one\ntwo\n"},
	"etc/sudoers":                       {Mode: 0o440, Content: "root ALL\n"},
	"usr/bin/su":                        {Mode: fs.ModeSetuid | 0o755},
	"etc/passwd":                        fake.Text("root:x:0:0:root:/root:/bin/bash\nbroken\n"),
	"etc/group":                         fake.Text("root:x:0:\n"),
	"usr/lib/passwd":                    fake.Text("tss:x:59:59::/:/sbin/nologin\n"),
	"usr/lib/group":                     fake.Text("video:x:39:\n"),
	"usr/lib/sysusers.d/kiosk.conf":     fake.Text("#Type Name ID\nu kiosk 1000 \"Kiosk\" /home/kiosk\nu! later - -\nm helper wheel\ng printers 7\n"),
	"usr/lib/sysusers.d/off.conf":       fake.Text("u hidden 5\n"),
	"etc/sysusers.d/off.conf":           fake.Link("/dev/null"),
	"usr/lib/bootc/kargs.d/10-all.toml": fake.Text("kargs = [\"quiet\", \"console=tty0 console=ttyS0\", \"audit=0\"]\n"),
	"usr/lib/bootc/kargs.d/20-arm.toml": fake.Text("kargs = [\"debug\"]\nmatch-architectures = [\"aarch64\"]\n"),
	"usr/lib/bootc/kargs.d/30-amd.toml": fake.Text("kargs = [\"kvm_amd.nested=1\"]\nmatch-architectures = [\"x86_64\"]\n"),
	"usr/lib/bootc/kargs.d/40-bad.toml": fake.Text("kargs = 1\n"),
}

const (
	wholeFile   = `the whole file is compared, the newline at its end too (write "text\n", or a block with |)`
	versionHint = "say which one with packages.install and packages.lock, or what the test expects is out of date"
	kargsHint   = "take it off kernel.args, or remove the file, which may be of the base"
)

// word is a value of a recipe at a line.
func word(line int, value string) recipe.String { return words(line, value)[0] }

// versions are tests for the versions of packages, on consecutive lines.
func versions(line int, namesAndVersions ...string) []recipe.Label {
	var tests []recipe.Label
	for i := 0; i < len(namesAndVersions); i += 2 {
		tests = append(tests, recipe.Label{Key: word(line+i/2, namesAndVersions[i]), Value: word(line+i/2, namesAndVersions[i+1])})
	}
	return tests
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tests recipe.Tests
		want  []string
	}{
		"nothing": {},
		"all hold": {tests: recipe.Tests{
			PackagesPresent: words(1, "wine"), PackagesAbsent: words(2, "PackageKit"),
			UnitsEnabled: append(words(3, "a", "a.service", "b.timer", "gdm.service", "getty@tty1.service"),
				words(100, "display-manager", "sshd", "ssh", "time", "ntp", "site.timer")...),
			FilesPresent: fileTests(10, "/usr/bin/bash", "/bin/sh", "/bin", "/"),
			FilesAbsent:  words(20, "/root/.ssh", "/usr/bin/bash/x"),
			Size:         12000,

			PackageVersions: versions(22, "wine", "10.*", "wine", "10.0-1", "vim", "9.1.?", "vim", "2:9.1.0", "vim", "2:9.*-3", "wine", "0:10.0-*", "base-files", "12.4"),
			SameVersion:     [][]recipe.String{words(30, "plasma-*"), words(31, "gnome-shell", "mutter"), words(32, "wine"), {}},
			UnitsDisabled:   words(33, "off.service", "no.service", "gone.service", "never.service", "podman.socket", "round"),
			UnitsMasked:     words(40, "no.service", "empty"), UserUnitsEnabled: words(42, "podman.socket", "shared"),
			Users:             words(50, "root", "tss", "kiosk", "later", "helper"),
			KernelArgsPresent: words(60, "quiet", "console=ttyS0", "console", "kvm-amd.nested=1"),
			KernelArgsAbsent:  words(70, "debug", "console=ttyS1", "audit=1"),
		}},
		"file content": {tests: recipe.Tests{FilesPresent: []recipe.FileTest{
			{Path: word(1, "/etc/motd"), Contains: word(2, "e\ntw"), Equals: word(3, "one\ntwo\n"), Mode: word(4, "0644"), Owner: word(5, "kiosk:video")},
			{Path: word(6, "/etc/motd"), Owner: word(7, "1000:39")},
			{Path: word(8, "/bin/su"), Mode: word(9, "4755"), Owner: word(10, "root:root"), Equals: word(11, "")},
			{Path: word(12, "/etc/sudoers"), Mode: word(13, "440"), Contains: word(14, "")},
			{Path: word(15, "/usr"), Mode: word(16, "755")},
		}}},
		"wrong file content": {
			tests: recipe.Tests{FilesPresent: []recipe.FileTest{
				{Path: word(1, "/etc/motd"), Contains: word(2, "three"), Equals: word(3, "one\nthree\n"), Mode: word(4, "0600"), Owner: word(5, "root:root")},
				{Path: word(6, "/etc/motd"), Equals: word(7, "one\ntwo\nthree\n"), Owner: word(8, "later:video")},
				{Path: word(9, "/etc/motd"), Equals: word(10, "one\n"), Owner: word(11, "kioks:hidden")},
				{Path: word(12, "/usr"), Contains: word(13, "x"), Equals: word(14, "x")},
				{Path: word(15, "/bin/su"), Mode: word(16, "0755")},
				{Path: word(17, "/etc/sudoers"), Equals: word(18, "root ALL"), Owner: word(19, "root:5")},
			}},
			want: []string{
				`recipe.yaml:2:5: "/etc/motd" does not contain "three" (wrong-content) it is compared as it is written, with case and blanks`,
				`recipe.yaml:3:5: "/etc/motd" is not what it has to be: line 2 is "two\n", not "three\n" (wrong-content) ` + wholeFile,
				`recipe.yaml:4:5: "/etc/motd" has mode 0644, not 0600 (wrong-mode) say the mode under files, or where the file comes from change it in a run step`,
				`recipe.yaml:5:5: "/etc/motd" belongs to kiosk:video (1000:39), not to root:root (0:0) (wrong-owner) say the owner under files, or where the file comes from change it in a run step`,
				`recipe.yaml:7:5: "/etc/motd" is not what it has to be: it ends before line 3, "three\n" (wrong-content) ` + wholeFile,
				`recipe.yaml:8:5: "/etc/motd" cannot belong to the user "later", whose number is only chosen at boot (wrong-owner) give its number, which the image must fix for a file to belong to it`,
				`recipe.yaml:10:5: "/etc/motd" is not what it has to be: it goes on after line 1 (wrong-content) ` + wholeFile,
				`recipe.yaml:11:5: "/etc/motd" cannot belong to the group "hidden", which the image does not have (wrong-owner) make it under users`,
				`recipe.yaml:11:5: "/etc/motd" cannot belong to the user "kioks", which the image does not have (wrong-owner) make it under users, or did you mean "kiosk", which the image has?`,
				`recipe.yaml:13:5: "/usr" is a directory, which has no text (wrong-content) name a file`,
				`recipe.yaml:14:5: "/usr" is a directory, which has no text (wrong-content) name a file`,
				`recipe.yaml:16:5: "/bin/su" has mode 4755, not 0755 (wrong-mode) say the mode under files, or where the file comes from change it in a run step`,
				`recipe.yaml:18:5: "/etc/sudoers" is not what it has to be: line 1 is "root ALL\n", not "root ALL" (wrong-content) ` + wholeFile,
				`recipe.yaml:19:5: "/etc/sudoers" belongs to root:root (0:0), not to root:5 (0:5) (wrong-owner) say the owner under files, or where the file comes from change it in a run step`,
			},
		},
		"versions": {
			tests: recipe.Tests{
				PackageVersions: versions(1, "wine", "10.1*", "vim", "9.1.0-4", "vim", "1:9.*", "wnie", "1", "wine", "10*1", "wine", "[0", "linux-image", "6.12", "linux-image", "6.13"),
				SameVersion:     [][]recipe.String{words(19, "plasma-*", "kwin", "kscreen")},
			},
			want: []string{
				`recipe.yaml:1:5: package "wine" is installed as 10.0-1, which is not "10.1*" (wrong-version) ` + versionHint,
				`recipe.yaml:2:5: package "vim" is installed as 2:9.1.0-3, which is not "9.1.0-4" (wrong-version) ` + versionHint,
				`recipe.yaml:3:5: package "vim" is installed as 2:9.1.0-3, which is not "1:9.*" (wrong-version) ` + versionHint,
				`recipe.yaml:4:5: package "wnie" is not in the image (package-absent) add it to packages.install, or did you mean "wine", which is installed?`,
				`recipe.yaml:5:5: package "wine" is installed as 10.0-1, which is not "10*1" (wrong-version) ` + versionHint,
				`recipe.yaml:6:5: package "wine" is installed as 10.0-1, which is not "[0" (wrong-version) ` + versionHint,
				`recipe.yaml:7:5: package "linux-image" is installed as 6.11-1, which is not "6.12" (wrong-version) ` + versionHint,
				`recipe.yaml:8:5: package "linux-image" is installed as 6.11-1 and 6.12-1, which is not "6.13" (wrong-version) ` + versionHint,
				`recipe.yaml:19:5: packages that must have one version have 2: 6.3.4 (plasma-desktop, plasma-workspace), 6.3.5 (kwin) (version-skew) ` +
					`their repositories disagree: build again when they agree, or enable the repository that has the others`,
			},
		},
		"states of units": {
			tests: recipe.Tests{
				UnitsDisabled: words(1, "a.service", "gdm.socket"), UnitsMasked: words(3, "a.service", "onf.service"),
				UserUnitsEnabled: words(5, "podman.service", "quiet.service", "podmna.socket", "a.service"),
			},
			want: []string{
				`recipe.yaml:1:5: unit "a.service" is enabled by "/etc/systemd/system/multi-user.target.wants/a.service" (unit-enabled) add it to systemd.disable`,
				`recipe.yaml:2:5: unit "gdm.socket" is enabled by "/usr/lib/systemd/system/multi-user.target.wants/gdm.socket" (unit-enabled) it is its package that enables it, and no preset: add it to systemd.mask`,
				`recipe.yaml:3:5: unit "a.service" is not masked (unit-not-masked) add it to systemd.mask`,
				`recipe.yaml:4:5: unit "onf.service" is neither masked nor in the image (unit-not-masked) add it to systemd.mask, or did you mean "off.service", which is in the image?`,
				`recipe.yaml:5:5: unit "podman.service" is not enabled (unit-disabled) add it to systemd.user.enable`,
				`recipe.yaml:6:5: unit "quiet.service" is masked (unit-masked) take it off systemd.user.mask`,
				`recipe.yaml:7:5: unit "podmna.socket" is not in the image (unit-absent) install the package that has it, or did you mean "podman.socket", which is in the image?`,
				`recipe.yaml:8:5: unit "a.service" is not in the image (unit-absent) install the package that has it`,
			},
		},
		"users": {
			tests: recipe.Tests{Users: words(1, "hidden", "kioks")},
			want: []string{
				`recipe.yaml:1:5: the image neither has the user "hidden" nor makes it at boot (user-absent) add it to users`,
				`recipe.yaml:2:5: the image neither has the user "kioks" nor makes it at boot (user-absent) add it to users, or did you mean "kiosk", which the image has?`,
			},
		},
		"kernel arguments": {
			tests: recipe.Tests{KernelArgsPresent: words(1, "debug", "quite", "audit=1"), KernelArgsAbsent: words(4, "quiet", "audit", "console=ttyS0", "kvm_amd.nested=1")},
			want: []string{
				`recipe.yaml:1:5: the image does not bring the kernel argument "debug" (kernel-arg-absent) "/usr/lib/bootc/kargs.d/20-arm.toml" has it for aarch64 alone`,
				`recipe.yaml:2:5: the image does not bring the kernel argument "quite" (kernel-arg-absent) add it to kernel.args, or did you mean "quiet", which is there?`,
				`recipe.yaml:3:5: the image does not bring the kernel argument "audit=1" (kernel-arg-absent) "/usr/lib/bootc/kargs.d/10-all.toml" has "audit=0"`,
				`recipe.yaml:4:5: the kernel argument "quiet" is in "/usr/lib/bootc/kargs.d/10-all.toml" (kernel-arg-present) ` + kargsHint,
				`recipe.yaml:5:5: the kernel argument "audit=0" is in "/usr/lib/bootc/kargs.d/10-all.toml" (kernel-arg-present) ` + kargsHint,
				`recipe.yaml:6:5: the kernel argument "console=ttyS0" is in "/usr/lib/bootc/kargs.d/10-all.toml" (kernel-arg-present) ` + kargsHint,
				`recipe.yaml:7:5: the kernel argument "kvm_amd.nested=1" is in "/usr/lib/bootc/kargs.d/30-amd.toml" (kernel-arg-present) ` + kargsHint,
			},
		},
		"packages": {
			tests: recipe.Tests{PackagesPresent: words(1, "wien", "kernel"), PackagesAbsent: words(3, "wine")},
			want: []string{
				`recipe.yaml:1:5: package "wien" is not in the image (package-absent) add it to packages.install, or did you mean "wine", which is installed?`,
				`recipe.yaml:2:5: package "kernel" is not in the image (package-absent) add it to packages.install`,
				`recipe.yaml:3:5: package "wine" is in the image (10.0-1) (package-present) add it to packages.remove; another package may need it`,
			},
		},
		"units": {
			tests: recipe.Tests{UnitsEnabled: words(1, "off", "no.service", "gone.service", "empty", "getty@tty2.service", "alias")},
			want: []string{
				`recipe.yaml:1:5: unit "off.service" is not enabled (unit-disabled) add it to systemd.enable`,
				`recipe.yaml:2:5: unit "no.service" is masked (unit-masked) take it off systemd.mask`,
				`recipe.yaml:3:5: unit "gone.service" is not in the image (unit-absent) install the package that has it`,
				`recipe.yaml:4:5: unit "empty.service" is masked (unit-masked) take it off systemd.mask`,
				`recipe.yaml:5:5: unit "getty@tty2.service" is not enabled (unit-disabled) add it to systemd.enable`,
				`recipe.yaml:6:5: unit "alias.service" is not enabled (unit-disabled) add it to systemd.enable`,
			},
		},
		"files": {
			tests: recipe.Tests{FilesPresent: fileTests(1, "/usr/bin/zsh", "/etc/resolv.conf"), FilesAbsent: words(3, "/bin/sh", "/etc/resolv.conf")},
			want: []string{
				`recipe.yaml:1:5: "/usr/bin/zsh" is not in the image (file-absent) install the package that has it, or add it to files, or did you mean "sh", which is in the same folder?`,
				`recipe.yaml:2:5: "/etc/resolv.conf" is a link to "../run/resolv.conf", which is not in the image (file-absent) install the package that has it, or add it to files`,
				`recipe.yaml:3:5: "/bin/sh" is in the image (file-present) remove it in a run step, or the package that has it`,
				`recipe.yaml:4:5: "/etc/resolv.conf" is in the image (file-present) remove it in a run step, or the package that has it`,
			},
		},
		"size": {
			tests: recipe.Tests{Size: 8000, SizePos: diag.Pos{File: "recipe.yaml", Line: 9, Col: 3}},
			want:  []string{"recipe.yaml:9:3: the root file system has 8.8 KiB, and may have 7.8 KiB (too-large) the largest folders are /usr/share (4.9 KiB), /usr/bin (2.9 KiB), /var/lib (531 bytes)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := Assertions(t.Context(), fake.New(t, goodConfig(), tested), c.tests)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range list {
				got = append(got, d.String()+" "+d.Hint)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A text is found wherever the pieces end that the file is read in, and not
// looked for beyond the limit.
func TestContains(t *testing.T) {
	t.Parallel()
	const text = "needle"
	for _, before := range []int{0, 1, 1<<16 - 3, 1 << 16, 1<<17 - 1, 1 << 17, searched - len(text)} {
		found, err := containsText(strings.NewReader(strings.Repeat("n", before)+text), text)
		if !found || err != nil {
			t.Errorf("after %d bytes: found %t, %v", before, found, err)
		}
	}
	if found, err := containsText(iotest.OneByteReader(strings.NewReader("needneedle")), text); !found || err != nil {
		t.Errorf("byte by byte: found %t, %v", found, err)
	}
	if found, err := containsText(iotest.ErrReader(errors.New("broken")), text); found || err == nil {
		t.Errorf("found %t, %v in what cannot be read", found, err)
	}
	img := fake.New(t, goodConfig(), fake.Files{"far": fake.Text(strings.Repeat("n", searched) + text)})
	list, err := Assertions(t.Context(), img, recipe.Tests{FilesPresent: []recipe.FileTest{{Path: word(1, "/far"), Contains: word(2, text)}}})
	if err != nil || len(list) != 1 || list[0].Message != `"/far" does not contain "needle" in its first 16.0 MiB` {
		t.Errorf("beyond the limit: %v, %v", list, err)
	}
}

// Without a package database nothing can be said to be absent.
func TestAssertionsWithoutDatabase(t *testing.T) {
	t.Parallel()
	tests := recipe.Tests{PackagesAbsent: words(1, "PackageKit")}
	if _, err := Assertions(t.Context(), fake.New(t, goodConfig(), fake.Files{}), tests); err == nil {
		t.Error("no error")
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 12 << 30: "12.0 GiB", 1<<63 - 1: "8.0 EiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}

// fileTests returns tests for files to be there, on consecutive lines.
func fileTests(line int, paths ...string) []recipe.FileTest {
	var tests []recipe.FileTest
	for _, p := range words(line, paths...) {
		tests = append(tests, recipe.FileTest{Path: p})
	}
	return tests
}
