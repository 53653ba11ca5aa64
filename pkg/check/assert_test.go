package check

import (
	"strings"
	"testing"

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

const dpkgStatus = `Package: wine
Status: install ok installed
Architecture: amd64
Version: 10.0-1
`

var tested = fake.Files{
	"var/lib/dpkg/status":                                           fake.Text(dpkgStatus),
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
			UnitsEnabled: words(3, "a", "a.service", "b.timer", "gdm.service", "getty@tty1.service"),
			FilesPresent: fileTests(10, "/usr/bin/bash", "/bin/sh", "/bin", "/"),
			FilesAbsent:  words(20, "/root/.ssh", "/usr/bin/bash/x"),
			Size:         9000,
		}},
		"packages": {
			tests: recipe.Tests{PackagesPresent: words(1, "wien", "kernel"), PackagesAbsent: words(3, "wine")},
			want: []string{
				`recipe.yaml:1:5: package "wien" is not in the image (package-absent) add it to packages.install, or did you mean "wine", which is installed?`,
				`recipe.yaml:2:5: package "kernel" is not in the image (package-absent) add it to packages.install`,
				`recipe.yaml:3:5: package "wine" is in the image (10.0-1) (package-present) add it to packages.remove; another package may need it`,
			},
		},
		"units": {
			tests: recipe.Tests{UnitsEnabled: words(1, "off", "no.service", "gone.service", "empty", "getty@tty2.service")},
			want: []string{
				`recipe.yaml:1:5: unit "off.service" is not enabled (unit-disabled) add it to systemd.enable`,
				`recipe.yaml:2:5: unit "no.service" is masked (unit-masked) take it off systemd.mask`,
				`recipe.yaml:3:5: unit "gone.service" is not in the image (unit-absent) install the package that has it`,
				`recipe.yaml:4:5: unit "empty.service" is masked (unit-masked) take it off systemd.mask`,
				`recipe.yaml:5:5: unit "getty@tty2.service" is not enabled (unit-disabled) add it to systemd.enable`,
			},
		},
		"files": {
			tests: recipe.Tests{FilesPresent: fileTests(1, "/usr/bin/zsh", "/etc/resolv.conf"), FilesAbsent: words(3, "/bin/sh", "/etc/resolv.conf")},
			want: []string{
				`recipe.yaml:1:5: "/usr/bin/zsh" is not in the image (file-absent) install the package that has it, or add it to files`,
				`recipe.yaml:2:5: "/etc/resolv.conf" is a link to "../run/resolv.conf", which is not in the image (file-absent) install the package that has it, or add it to files`,
				`recipe.yaml:3:5: "/bin/sh" is in the image (file-present) remove it in a run step, or the package that has it`,
				`recipe.yaml:4:5: "/etc/resolv.conf" is in the image (file-present) remove it in a run step, or the package that has it`,
			},
		},
		"size": {
			tests: recipe.Tests{Size: 8000, SizePos: diag.Pos{File: "recipe.yaml", Line: 9, Col: 3}},
			want:  []string{"recipe.yaml:9:3: the root file system has 7.9 KiB, and may have 7.8 KiB (too-large) the largest folders are /usr/share (4.9 KiB), /usr/bin (2.9 KiB), /var/lib (79 bytes)"},
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
