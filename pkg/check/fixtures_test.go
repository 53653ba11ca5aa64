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
}, kernelFixtures, imageFixtures, repoFixtures, seenFixtures, configFixtures, deployFixtures, driverFixtures, moduleFixtures, sysusersFixtures, fstabFixtures)

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
