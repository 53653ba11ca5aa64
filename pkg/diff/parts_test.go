package diff

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

func rpm(name, version, arch string) packagedb.Owner {
	return packagedb.Owner{Package: packagedb.Package{Name: name, Version: version, Arch: arch, Source: name, Format: "rpm"}}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	rebuilt := rpm("tool", "1-1", "x86_64")
	rebuilt.BuildTime = time.Unix(1, 0)
	before := []packagedb.Owner{
		rpm("bash", "5-1", "x86_64"), rpm("gpg-pubkey", "a-1", ""), rpm("kernel", "1-1", "x86_64"), rpm("kernel", "2-1", "x86_64"),
		rpm("lib", "1-1", "i686"), rpm("lib", "1-1", "x86_64"), rpm("script", "1-1", "x86_64"), rpm("tool", "1-1", "x86_64"),
	}
	after := []packagedb.Owner{
		rpm("bash", "5-1", "x86_64"), rpm("gpg-pubkey", "b-1", ""), rpm("kernel", "2-1", "x86_64"), rpm("kernel", "3-1", "x86_64"),
		rpm("lib", "2-1", "x86_64"), rpm("script", "1-2", "noarch"), rebuilt,
	}
	got, settled := packageChanges(before, after)
	want := Packages{
		Added:   []Package{{"gpg-pubkey", "b-1", "", "gpg-pubkey"}},
		Removed: []Package{{"gpg-pubkey", "a-1", "", "gpg-pubkey"}, {"lib", "1-1", "i686", "lib"}},
		Changed: []PackageChange{
			{"kernel", "kernel", "1-1", "3-1", "x86_64", "x86_64"},
			{"lib", "lib", "1-1", "2-1", "x86_64", "x86_64"},
			{"script", "script", "1-1", "1-2", "x86_64", "noarch"},
			{"tool", "tool", "1-1", "1-1", "x86_64", "x86_64"},
		},
	}
	got.Sources = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([2][]bool{{0: true, 3: true, 7: false}, {0: true, 2: true, 6: false}}, settled); diff != "" {
		t.Error(diff)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	for attr, want := range map[string]string{
		netRaw:      "cap_net_raw=ep",
		netBindOnly: "cap_net_bind_service=ip",
		"\x01\x00\x00\x02" + "\x03\x00\x00\x00\x00\x00\x00\x00" + "\x00\x01\x00\x80\x00\x00\x00\x00":                      "cap_chown,cap_dac_override,cap_checkpoint_restore,cap_63=ep",
		"\x01\x00\x00\x03" + "\x00\x20\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\xe8\x03\x00\x00": "cap_net_raw=ep [rootid=1000]",
		"\x00\x00\x00\x01" + "\x00\x20\x00\x00\x00\x00\x00\x00":                                                           "cap_net_raw=p",
		"\x01\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00":                      "=",
		netRaw[:19]: "unknown (0100000200200000000000000000000000000000)"[:47] + ")",
		"\x01":      "unknown (01)",
		"":          "unknown ()",
	} {
		if got := capabilities([]byte(attr)); got != want {
			t.Errorf("%x: %q, want %q", attr, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	const etc, usr, user = "etc/systemd/system/", "usr/lib/systemd/system/", "usr/lib/systemd/user/"
	root, err := fake.New(t, config("1"), fake.Files{
		usr + "a.service":                                fake.Text("[Unit]\n"),
		usr + "b.service":                                fake.Text("[Unit]\n"),
		usr + "c.service":                                fake.Text("[Unit]\n"),
		usr + "d.service":                                fake.Text("[Unit]\n"),
		usr + "g@.service":                               fake.Text("[Unit]\n"),
		usr + "alias.service":                            fake.Link("a.service"),
		usr + "sysinit.target.wants/d.service":           fake.Link("../d.service"),
		etc + "multi-user.target.wants/b.service":        fake.Link("/" + usr + "b.service"),
		etc + "multi-user.target.wants/g@one.service":    fake.Link("/" + usr + "g@.service"),
		etc + "multi-user.target.wants/dangling.service": fake.Link("/nowhere"),
		usr + "x.target.wants/a.service":                 fake.Link("../a.service"),
		etc + "x.target.wants/a.service":                 fake.Link("/dev/null"),
		etc + "x.target.wants/e.service":                 fake.Text("no link"),
		etc + "x.target.upholds/u.service":               fake.Link("/" + usr + "u.service"),
		usr + "u.service":                                fake.Text("[Unit]\n"),
		etc + "c.service":                                fake.Link("/dev/null"),
		etc + "d.service":                                fake.Text(""),
		etc + "display-manager.service":                  fake.Link("/" + usr + "e.service"),
		usr + "e.service":                                fake.Text("[Unit]\n"),
		user + "p.service":                               fake.Text("[Unit]\n"),
		user + "default.target.wants/p.service":          fake.Link("../p.service"),
	}).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got, err := units(root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[unitKey]UnitState{
		{false, "a.service"}: UnitDisabled, {false, "alias.service"}: UnitDisabled,
		{false, "b.service"}: UnitEnabled, {false, "c.service"}: UnitMasked, {false, "d.service"}: UnitMasked,
		{false, "e.service"}: UnitEnabled, {false, "g@.service"}: UnitDisabled, {false, "g@one.service"}: UnitEnabled,
		{false, "u.service"}: UnitEnabled,
		{true, "p.service"}:  UnitEnabled,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(unitKey{})); diff != "" {
		t.Error(diff)
	}
}

func TestKernels(t *testing.T) {
	t.Parallel()
	root, err := fake.New(t, config("1"), fake.Files{
		"usr/lib/modules/1.0/vmlinuz":     fake.Text(fake.Kernel("1.0.real", "amd64")),
		"usr/lib/modules/broken/vmlinuz":  fake.Text("nonsense"),
		"usr/lib/modules/folder/vmlinuz":  fake.Dir(),
		"usr/lib/modules/stale/modules":   fake.Text(""),
		"usr/lib/modules/readme":          fake.Text(""),
		"boot/EFI/Linux/u.efi":            fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel("2.0", "amd64"), ".uname": "2.0.uki"})),
		"boot/EFI/Linux/without-name.EFI": fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel("3.0", "amd64")})),
	}).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got, err := kernels(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.real", "2.0.uki", "3.0", "broken", "folder"}, got); diff != "" {
		t.Error(diff)
	}
}

// dpkg and rpm name files by ways that are links in the image.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	root, err := fake.New(t, config("1"), fake.Files{
		"usr/bin/ls": fake.Program(""), "bin": fake.Link("usr/bin"), "lib": fake.Link("/usr/lib"), "usr/sbin": fake.Link("bin"),
		"sbin": fake.Link("usr/sbin"), "loop": fake.Link("loop/x"), "up": fake.Link("../../usr"), "top": fake.Link("/"),
	}).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := folderNames{root: root, known: map[string]string{"": ""}}
	for dir, want := range map[string]string{
		"": "", "usr/bin": "usr/bin/", "bin": "usr/bin/", "lib/systemd": "usr/lib/systemd/", "sbin": "usr/bin/", "none/at/all": "none/at/all/",
		"up/bin": "usr/bin/", "top/bin": "usr/bin/",
	} {
		if got := f.real(dir); got != want {
			t.Errorf("%q is %q, want %q", dir, got, want)
		}
	}
	f.real("loop/y") // ends
}

func TestBytecodeHasAnOwner(t *testing.T) {
	t.Parallel()
	owned := ownership{"usr/p": {1, 1}, "usr/p/a.py": {2, 0}, "usr/p/__pycache__/own.cpython-311.pyc": {3, 3}}
	for name, want := range map[string][2]int32{
		"usr/p/a.py": {2, 0}, "usr/p/__pycache__": {1, 1}, "usr/p/__pycache__/a.cpython-311.pyc": {2, 0},
		"usr/p/__pycache__/a.cpython-311.opt-1.pyc": {2, 0}, "usr/p/__pycache__/own.cpython-311.pyc": {3, 3},
		"usr/p/__pycache__/b.cpython-311.pyc": {}, "usr/p/__pycache__/a.txt": {}, "a.pyc": {}, ".": {}, "__pycache__": {},
	} {
		if got := owned.of(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestMarkdownCode(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "a": "`a`", "a|b": "`a\\x7cb`", "a`b": "``a`b``", "`a``": "``` `a`` ```", " ": "`   `", "@me <b> www.x.org": "`@me <b> www.x.org`",
	} {
		if got := code(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
