package check

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/diag"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

const (
	kver    = "6.12.0-55.el10.x86_64"
	modules = "usr/lib/modules/" + kver + "/"
	vmlinuz = modules + "vmlinuz"
	initrd  = modules + "initramfs.img"

	amd64Machine, arm64Machine = 62, 183
)

const (
	prepareRootConf = "[composefs]\nenabled = yes\n"
	// builtin is what the kernel has built in: all that it needs to start.
	builtin = "kernel/fs/ext4/ext4.ko\nkernel/fs/erofs/erofs.ko\nkernel/fs/overlayfs/overlay.ko\nkernel/drivers/nvme/host/nvme.ko\n"
	magic   = "SMP preempt mod_unload modversions"
)

var goodInitramfs = fake.Files{
	"init":                    fake.Link("usr/lib/systemd/systemd"),
	"lib":                     fake.Link("usr/lib"),
	"usr/lib/systemd/systemd": fake.Program(fake.ELF(amd64Machine)),
	"usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz":                              fake.Text("module"),
	"usr/lib/ostree/prepare-root.conf":                                               fake.Text(prepareRootConf),
	"usr/lib/ostree/ostree-prepare-root":                                             fake.Program(fake.ELF(amd64Machine)),
	"usr/lib/systemd/system/ostree-prepare-root.service":                             fake.Text("[Unit]\n"),
	"usr/lib/systemd/system/initrd-root-fs.target.wants/ostree-prepare-root.service": fake.Link("../ostree-prepare-root.service"),
}

// withInitramfs is the change of an image to another initramfs.
func withInitramfs(files fake.Files) fake.Files {
	return fake.Files{initrd: secret(fake.Zstd(fake.Initramfs(files)))}
}

// secret is a file that only root can read.
func secret(content string) fake.File { return fake.File{Mode: 0o600, Content: content} }

// misplaced puts two archives one after the other, the second at an offset that
// is no multiple of four, where the kernel does not look for one.
func misplaced(first, second string) string {
	return first + strings.Repeat("\x00", 4-len(first)%4+1) + second
}

// goodFiles are an image that no rule has anything to say about.
var goodFiles = fake.Files{
	"dev": fake.Dir(), "proc": fake.Dir(), "run": fake.Dir(), "sys": fake.Dir(), "tmp": fake.Dir(), "sysroot": fake.Dir(), "boot": fake.Dir(),
	"ostree":                                fake.Link("sysroot/ostree"),
	"sbin":                                  fake.Link("usr/sbin"),
	"etc/hostname":                          fake.Text("kiln\n"),
	"etc/yum.repos.d/centos.repo":           fake.Text(centosRepo),
	"etc/os-release":                        fake.Link("../usr/lib/os-release"),
	"usr/lib/os-release":                    fake.Text("NAME=x\nPRETTY_NAME=\"Kiln 1\"\nID=centos\nID_LIKE=\"rhel fedora\"\n"),
	"usr/lib/bootc/kargs.d/10-console.toml": fake.Text("kargs = [\"quiet\"]\nmatch-architectures = [\"x86_64\"]\n"),
	"usr/lib/systemd/systemd":               fake.Program(fake.ELF(amd64Machine)),
	"usr/sbin/init":                         fake.Link("../lib/systemd/systemd"),
	"var/run":                               fake.Link("../run"),
	"var/log/empty":                         fake.Text(""),
	"usr/lib/modules/kabi-1":                fake.Dir(),
	modules + "kernel/fs/fuse.ko.xz":        fake.Text(fake.Module(kver, magic, true)),
	modules + "modules.builtin":             fake.Text(builtin),
	modules + "modules.dep":                 fake.Text("kernel/fs/fuse.ko.xz:\n"),
	modules + "modules.dep.bin":             fake.Text("index"),
	"usr/lib/ostree/prepare-root.conf":      fake.Text(prepareRootConf),
	"usr/bin/bootc":                         fake.Program(fake.ELF(amd64Machine)),
	"usr/bin/bootupctl":                     fake.Program(fake.ELF(amd64Machine)),
	"usr/lib/bootupd/updates/EFI.json":      fake.Text(`{"timestamp": "2026-01-01T00:00:00Z", "version": "shim-15.8"}`),
	"usr/lib/bootupd/updates/EFI/BOOT/x":    fake.Text("loader"),
	"usr/lib/bootc/install/00-kiln.toml":    fake.Text("[install.filesystem.root]\ntype = \"ext4\"\n"),
	vmlinuz:                                 fake.Text(fake.Kernel(kver, "amd64")),
	// An early microcode archive, then a compressed one, as dracut writes them.
	initrd: secret(fake.Initramfs(fake.Files{"kernel/x86/microcode/GenuineIntel.bin": fake.Text("ucode")}) + fake.Zstd(fake.Initramfs(goodInitramfs))),
}.With(seenFiles)

func goodConfig() imgspecv1.Image {
	return imgspecv1.Image{
		Platform: imgspecv1.Platform{OS: "linux", Architecture: "amd64"},
		Config:   imgspecv1.ImageConfig{Labels: map[string]string{"containers.bootc": "1", "org.opencontainers.image.version": "1"}},
		History:  []imgspecv1.History{{CreatedBy: "kiln"}},
	}
}

// fixture is an image that differs from the good one.
type fixture struct {
	// rule is the one that it breaks; "" for an image that is good too.
	rule   string
	name   string
	add    fake.Files
	remove []string
	config func(*imgspecv1.Image)
	repos  []recipe.Repo
	// want are the paths and messages of the findings: "path: message". "…" at
	// the end stands for what package kernel says.
	want []string
}

var fixtures = slices.Concat([]fixture{
	{name: "good as it is"},
	{name: "UKI alone", remove: []string{vmlinuz, initrd}, add: fake.Files{
		"boot/EFI/Linux/kiln.efi": fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel(kver, "amd64"), ".initrd": fake.Initramfs(goodInitramfs), ".uname": kver, ".cmdline": "quiet composefs=abc"})),
	}},
	{name: "UKI beside its kernel", add: fake.Files{
		modules + "kiln.efi":       fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel(kver, "amd64"), ".initrd": fake.Initramfs(goodInitramfs)})),
		modules + "kiln.addon.efi": fake.Text("not looked at"),
	}},
	{name: "bootc's own root setup", add: withInitramfs(goodInitramfs.Without("usr/lib/ostree/ostree-prepare-root").With(fake.Files{
		"usr/lib/bootc/initramfs-setup":                                               fake.Program("x"),
		"usr/lib/systemd/system/bootc-root-setup.service":                             fake.Text("[Unit]\n"),
		"usr/lib/systemd/system/initrd-root-fs.target.wants/bootc-root-setup.service": fake.Link("../bootc-root-setup.service"),
	}))},
	{
		name: "no module at all", remove: []string{modules + "kernel/fs/fuse.ko.xz"},
		add: withInitramfs(goodInitramfs.Without("usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz")).With(fake.Files{modules + "modules.dep": fake.Text("")}),
	},
	{name: "what a container engine leaves in /run", add: fake.Files{"run/systemd/resolve/stub-resolv.conf": fake.Text("x")}},
	{name: "devices where they are left out", add: fake.Files{"dev/null": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3}}},
	{name: "ostree label", config: func(c *imgspecv1.Image) {
		c.Config.Labels = map[string]string{"ostree.bootable": "true", "version": "1"}
	}},

	{
		rule: "kernel", name: "none", remove: []string{vmlinuz, initrd},
		want: []string{"/usr/lib/modules: no kernel: neither /usr/lib/modules/<release>/vmlinuz nor /boot/EFI/Linux/*.efi"},
	},
	{
		rule: "kernel", name: "two", add: fake.Files{
			"usr/lib/modules/6.1.0/modules.builtin": fake.Text(builtin),
			"usr/lib/modules/6.1.0/vmlinuz":         fake.Text(fake.Kernel("6.1.0", "amd64")),
			"usr/lib/modules/6.1.0/initramfs.img":   secret(fake.Initramfs(goodInitramfs.With(fake.Files{"usr/lib/modules/6.1.0/a.ko": fake.Text("")}).Without("usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz"))),
		},
		want: []string{"/usr/lib/modules/6.12.0-55.el10.x86_64/vmlinuz: one of 2 kernels, beside /usr/lib/modules/6.1.0/vmlinuz; which of them would start is left to chance"},
	},
	{
		rule: "kernel", name: "cut off", add: fake.Files{vmlinuz: fake.Text(fake.Kernel(kver, "amd64")[:1000])},
		want: []string{"/" + vmlinuz + ": not a kernel: …"},
	},
	{
		rule: "kernel", name: "a link", add: fake.Files{vmlinuz: fake.Link("/usr/lib/os-release")},
		want: []string{"/" + vmlinuz + ": not a kernel: it is a symbolic link, and bootc looks for a regular file"},
	},
	{
		rule: "kernel-release", name: "another kernel's", add: fake.Files{vmlinuz: fake.Text(fake.Kernel("6.1.0", "amd64"))},
		want: []string{"/" + vmlinuz + `: the kernel is release "6.1.0", and its modules are in the folder of "6.12.0-55.el10.x86_64"`},
	},
	{
		rule: "kernel-release", name: "of the UKI", add: fake.Files{
			"boot/EFI/Linux/kiln.efi": fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel("6.1.0", "amd64"), ".initrd": fake.Initramfs(goodInitramfs), ".uname": kver, ".cmdline": "composefs=?abc"})),
		},
		want: []string{`/boot/EFI/Linux/kiln.efi: the UKI says release "6.12.0-55.el10.x86_64", and the kernel in it "6.1.0"`},
	},
	{
		rule: "kernel-architecture", add: fake.Files{vmlinuz: fake.Text(fake.Kernel(kver, "386"))},
		want: []string{"/" + vmlinuz + ": the kernel is for 386, and the image for amd64"},
	},
	{
		rule: "kernel-modules", name: "not indexed", remove: []string{modules + "modules.dep"},
		want: []string{"/" + modules + "modules.dep: it is missing or empty: modprobe finds none of the 1 modules"},
	},
	{
		rule: "kernel-modules", name: "purged", remove: []string{modules + "modules.dep", modules + "modules.builtin", modules + "kernel/fs/fuse.ko.xz", modules + "kernel/fs", modules + "kernel"},
		want: []string{"/usr/lib/modules/" + kver + ": it holds the kernel, and none of its modules"},
	},
	{
		rule: "kernel-modules", name: "indexed and gone", remove: []string{modules + "kernel/fs/fuse.ko.xz", modules + "kernel/fs", modules + "kernel"},
		want: []string{"/usr/lib/modules/" + kver + ": modules.dep names 1 modules, and none is there"},
	},
	{
		rule: "kernel-modules", name: "compressed after they were indexed", add: fake.Files{modules + "modules.dep": fake.Text("kernel/fs/fuse.ko:\n")},
		want: []string{"/" + modules + "modules.dep: it names none of the 1 modules that are there, but kernel/fs/fuse.ko"},
	},
	{
		rule: "kernel-modules", name: "no binary index", remove: []string{modules + "modules.dep.bin"},
		want: []string{"/" + modules + "modules.dep.bin: it is missing, and modprobe reads no other"},
	},
	{
		rule: "kernel-modules", name: "broken index", add: fake.Files{modules + "modules.dep": fake.Text("nonsense\n")},
		want: []string{"/" + modules + "modules.dep: …"},
	},
	{
		rule: "stale-modules", add: fake.Files{"usr/lib/modules/6.1.0/modules.dep": fake.Text("")},
		want: []string{"/usr/lib/modules/6.1.0: modules of a kernel that is not in the image"},
	},
	{
		rule: "initramfs-missing", remove: []string{initrd},
		want: []string{"/" + initrd + ": no initramfs beside the kernel /" + vmlinuz},
	},
	{
		rule: "initramfs-missing", name: "in a UKI", remove: []string{vmlinuz, initrd}, add: fake.Files{
			"boot/EFI/Linux/kiln.efi": fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel(kver, "amd64"), ".uname": kver, ".cmdline": "composefs=?abc"})),
		},
		want: []string{"/boot/EFI/Linux/kiln.efi: the UKI has no initramfs (no .initrd section)"},
	},
	{
		rule: "initramfs-decodes", name: "empty", add: fake.Files{initrd: secret("")},
		want: []string{"/" + initrd + ": it cannot be unpacked to its end: archive 0 at offset 0: empty: no cpio archive"},
	},
	{
		rule: "initramfs-decodes", name: "garbage behind it", add: fake.Files{initrd: secret(fake.Initramfs(goodInitramfs) + "garbage!")},
		want: []string{"/" + initrd + ": it cannot be unpacked to its end: archive 1 at offset …"},
	},
	{
		rule: "initramfs-decodes", name: "not where the kernel looks", add: fake.Files{initrd: secret(misplaced(fake.Zstd(fake.Initramfs(goodInitramfs)), fake.Initramfs(fake.Files{"etc/x": fake.Text("")})))},
		want: []string{"/" + initrd + ": archive 1 at offset …"},
	},
	{
		rule: "initramfs-init", add: withInitramfs(goodInitramfs.Without("init")),
		want: []string{"/" + initrd + ": no /init in it"},
	},
	{
		rule: "initramfs-init", name: "leads nowhere", add: withInitramfs(goodInitramfs.With(fake.Files{"init": fake.Link("lib/systemd/systemd-x")})),
		want: []string{"/" + initrd + `: /init in it is a link to "lib/systemd/systemd-x", which is not there`},
	},
	{
		rule: "initramfs-init", name: "is a folder", add: withInitramfs(goodInitramfs.With(fake.Files{"init": fake.Dir()})),
		want: []string{"/" + initrd + ": /init in it is a directory"},
	},
	{
		rule: "initramfs-init", name: "is empty", add: withInitramfs(goodInitramfs.With(fake.Files{"init": fake.Program("")})),
		want: []string{"/" + initrd + ": /init in it is empty"},
	},
	{
		rule: "initramfs-init", name: "is no program", add: withInitramfs(goodInitramfs.With(fake.Files{"init": fake.Text("x")})),
		want: []string{"/" + initrd + ": /init in it may not be executed (mode -rw-r--r--)"},
	},
	{
		rule: "initramfs-kernel", name: "another's", add: withInitramfs(goodInitramfs.Without("usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz").With(fake.Files{"usr/lib/modules/6.1.0/a.ko": fake.Text("")})),
		want: []string{"/" + initrd + `: it has modules of kernel "6.1.0", and the kernel is "6.12.0-55.el10.x86_64"`},
	},
	{
		rule: "initramfs-kernel", name: "another's too", add: withInitramfs(goodInitramfs.With(fake.Files{"usr/lib/modules/6.1.0/a.ko": fake.Text("")})),
		want: []string{"/" + initrd + `: it has modules of kernel "6.1.0", and the kernel is "6.12.0-55.el10.x86_64"`},
	},
	{
		rule: "initramfs-kernel", name: "none", add: withInitramfs(goodInitramfs.Without("usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz")),
		want: []string{"/" + initrd + `: it has no modules of kernel "6.12.0-55.el10.x86_64" (lib/modules/6.12.0-55.el10.x86_64)`},
	},
	{
		rule: "initramfs-prepare-root", name: "without the program", add: withInitramfs(goodInitramfs.Without("usr/lib/ostree/ostree-prepare-root")),
		want: []string{"/" + initrd + ": nothing in it can mount the deployed root file system; it lacks /usr/lib/ostree/ostree-prepare-root"},
	},
	{
		rule: "initramfs-prepare-root", name: "without the unit", add: withInitramfs(goodInitramfs.Without("usr/lib/systemd/system/ostree-prepare-root.service")),
		want: []string{"/" + initrd + ": nothing in it can mount the deployed root file system; it lacks the unit ostree-prepare-root.service"},
	},
	{
		rule: "initramfs-prepare-root", name: "without the link", add: withInitramfs(goodInitramfs.Without("usr/lib/systemd/system/initrd-root-fs.target.wants/ostree-prepare-root.service")),
		want: []string{"/" + initrd + ": nothing in it can mount the deployed root file system; it lacks its link in initrd-root-fs.target.wants"},
	},
	{
		rule: "init", remove: []string{"usr/lib/systemd/systemd"},
		want: []string{"/sbin/init: no first process: neither /usr/lib/systemd/systemd nor /sbin/init leads to a program"},
	},
	{
		rule: "init", name: "a script", add: fake.Files{"usr/lib/systemd/systemd": fake.Program("#!/bin/sh\n")},
		want: []string{"/usr/lib/systemd/systemd: not an ELF program"},
	},
	{
		rule: "architecture", add: fake.Files{"usr/lib/systemd/systemd": fake.Program(fake.ELF(arm64Machine))},
		want: []string{"/usr/lib/systemd/systemd: the program is for arm64, and the image's configuration says amd64"},
	},
	{
		rule: "architecture", name: "not said", config: func(c *imgspecv1.Image) { c.Architecture = "" },
		want: []string{"the image's configuration names no architecture"},
	},
	{
		rule: "label-bootc", config: func(c *imgspecv1.Image) { delete(c.Config.Labels, "containers.bootc") },
		want: []string{"the image has neither label containers.bootc nor ostree.bootable"},
	},
	{
		rule: "os-release", name: "missing", remove: []string{"usr/lib/os-release"},
		want: []string{"/usr/lib/os-release: neither this file nor /etc/os-release is there"},
	},
	{
		rule: "os-release", name: "nameless", add: fake.Files{"usr/lib/os-release": fake.Text("NAME=x\nID=\"\"\n")},
		want: []string{"/usr/lib/os-release: neither PRETTY_NAME nor ID is set in it"},
	},
	{
		rule: "etc-usretc", add: fake.Files{"usr/etc/passwd": fake.Text("")},
		want: []string{"/usr/etc: both /etc and /usr/etc are in the image"},
	},
	{
		rule: "api-directories", remove: []string{"proc"}, add: fake.Files{"sys": fake.Link("/proc")},
		want: []string{"/proc: it is missing", "/sys: it is a symbolic link instead of a directory"},
	},
	{
		rule: "var-run", add: fake.Files{"var/run": fake.Dir()},
		want: []string{"/var/run: it is a directory instead of a symbolic link to ../run"},
	},
	{
		rule: "ostree-layout", remove: []string{"sysroot"}, add: fake.Files{"ostree": fake.Link("/sysroot/ostree")},
		want: []string{`/ostree: it leads to "/sysroot/ostree" instead of "sysroot/ostree"`, "/sysroot: it is missing"},
	},
	{
		rule: "ostree-layout", name: "other types", add: fake.Files{"sysroot": fake.Text(""), "ostree": fake.Dir()},
		want: []string{"/ostree: it is a directory instead of a symbolic link", "/sysroot: it is a regular file instead of a directory"},
	},
	{
		rule: "utf8-names", add: fake.Files{"usr/caf\xe9/inside": fake.Text(""), "usr/share/na\xefve": fake.Text(""), "usr/link": fake.Link("caf\xe9")},
		want: []string{"/usr/caf\xe9: the name is not UTF-8", `/usr/link: the target of the link is not UTF-8: "caf\xe9"`, "/usr/share/na\xefve: the name is not UTF-8"},
	},
	{
		rule: "special-files", add: fake.Files{
			"usr/pipe": {Mode: fs.ModeNamedPipe | 0o600}, "etc/sda": {Mode: fs.ModeDevice | 0o600, Major: 8},
			"usr/share/.ostree-wh.x": fake.Text(""), "var/lib/containers/gone": {Mode: fs.ModeDevice | fs.ModeCharDevice}, "var/tty": {Mode: fs.ModeDevice | fs.ModeCharDevice, Major: 4, Minor: 1},
		},
		want: []string{
			"/etc/sda: it is a block device", "/usr/pipe: it is a FIFO",
			`/usr/share/.ostree-wh.x: a whiteout of a container inside the build: where the image is unpacked, it removes "x"`,
			"/var/lib/containers/gone: a whiteout of overlayfs, left by a container inside the build", "/var/tty: it is a character device",
		},
	},
	{
		rule: "var-log", add: fake.Files{"var/log/apt/history.log": fake.Text("12345")},
		want: []string{"/var/log/apt/history.log: a log of 5 bytes"},
	},
	{rule: "nonempty-boot", add: fake.Files{"boot/grub/grub.cfg": fake.Text("")}, want: []string{"/boot/grub: it will not be seen"}},
	{rule: "nonempty-boot", name: "missing", remove: []string{"boot"}, want: []string{"/boot: there is no such directory"}},
	{
		rule: "nonempty-run-tmp", add: fake.Files{"run/a/b": fake.Text(""), "run/empty": fake.Dir(), "tmp/x": fake.Text(""), "run/systemd/resolve/stub-resolv.conf": fake.Text("")},
		want: []string{"/run/a/b: it will not be there", "/run/empty: it will not be there", "/tmp/x: it will not be there"},
	},
	{
		rule: "injected-files", add: fake.Files{"etc/hostname": fake.Text(""), "etc/resolv.conf": fake.Text("")},
		want: []string{"/etc/hostname: it is empty, as container engines leave it behind", "/etc/resolv.conf: it is empty, as container engines leave it behind"},
	},
	{
		rule: "kargs-d", add: fake.Files{
			"usr/lib/bootc/kargs.d/20.toml": fake.Text("kargs = [\"a\"]\narch = []\n"), "usr/lib/bootc/kargs.d/30.toml": fake.Text(""),
			"usr/lib/bootc/kargs.d/40.toml": fake.Text("kargs = \"a\"\n"), "usr/lib/bootc/kargs.d/readme": fake.Text("="),
		},
		want: []string{
			`/usr/lib/bootc/kargs.d/20.toml: unknown key "arch"; bootc knows kargs and match-architectures`,
			"/usr/lib/bootc/kargs.d/30.toml: the key kargs is missing",
			"/usr/lib/bootc/kargs.d/40.toml: toml: line 1 (last key \"kargs\"): incompatible types: TOML value has type string; destination has type slice",
		},
	},
	{
		rule: "kargs-architectures", add: fake.Files{"usr/lib/bootc/kargs.d/20.toml": fake.Text("kargs = []\nmatch-architectures = [\"amd64\", \"riscv64\"]\n")},
		want: []string{`/usr/lib/bootc/kargs.d/20.toml: match-architectures has "amd64", which no machine is called`},
	},
}, repoFixtures, seenFixtures, configFixtures, deployFixtures, driverFixtures, moduleFixtures, sysusersFixtures)

func (f fixture) check(t *testing.T) *Report {
	t.Helper()
	config := goodConfig()
	if f.config != nil {
		f.config(&config)
	}
	rep, err := Run(t.Context(), fake.New(t, config, goodFiles.Without(f.remove...).With(f.add)), Options{Repos: f.repos, Repositories: []string{published}, Base: fake.New(t, goodConfig(), goodFiles)})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// Each fixture is found by its rule, and nothing else is found.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures {
		t.Run(strings.TrimSpace(f.rule+" "+f.name), func(t *testing.T) {
			t.Parallel()
			rep := f.check(t)
			var got []string
			for _, finding := range rep.Findings {
				if finding.Rule != f.rule {
					t.Errorf("found by rule %s: %s", finding.Rule, finding.Message)
					continue
				}
				if finding.Hint == "" {
					t.Errorf("%s has no hint", finding.Message)
				}
				text := strings.TrimPrefix(finding.Path+": "+finding.Message, ": ")
				if len(got) < len(f.want) {
					if begin, ok := strings.CutSuffix(f.want[len(got)], "…"); ok && strings.HasPrefix(text, begin) {
						text = begin + "…"
					}
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(f.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, o := range rep.Rules {
				if o.Status == StatusCouldNotRun {
					t.Errorf("%s could not run: %s", o.ID, o.Reason)
				}
			}
			i := slices.IndexFunc(table, func(r Rule) bool { return r.ID == f.rule })
			if failed := rep.Err() != nil; failed != (i >= 0 && table[i].Severity == diag.Error) {
				t.Errorf("Err() = %v", rep.Err())
			}
		})
	}
}

// Every rule has a bad fixture, and runs to a verdict on the good one.
func TestEveryRuleHasFixtures(t *testing.T) {
	t.Parallel()
	good := fixtures[0].check(t)
	for _, o := range good.Rules {
		if o.Status != StatusPassed {
			t.Errorf("%s on the good image: %s %s", o.ID, o.Status, o.Reason)
		}
		if !slices.ContainsFunc(fixtures, func(f fixture) bool { return f.rule == o.ID }) {
			t.Errorf("%s has no bad fixture", o.ID)
		}
	}
	if len(good.Rules) != len(Rules()) {
		t.Errorf("%d outcomes of %d rules", len(good.Rules), len(Rules()))
	}
}
