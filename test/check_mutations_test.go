//go:build e2e

package test

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// warned is what is found in the base: the rule and path of each finding, and
// why it stays.
var warned = map[string]string{
	"initramfs-mode " + anyInitramfs: "it is for all to read, as Debian has its own, and holds nothing secret",
}

// anyInitramfs stands for the initramfs of the base's kernel.
const anyInitramfs = "/usr/lib/modules/<release>/initramfs.img"

// mended mends what is found in the base, so that all that is found in a
// mutant is the mutation's.
func mended(m *mutant) { m.chmod(m.initramfs(), 0o600) }

// mutation breaks one rule.
type mutation struct {
	rule, name string
	mutate     func(m *mutant)
}

// notMutated are the rules that no mutation breaks, each with the reason.
var notMutated = map[string]string{}

const (
	tmpfilesConf = "usr/lib/tmpfiles.d/debian-packages.conf"
	dpkgStatus   = "usr/lib/sysimage/dpkg/status"
	prepareConf  = "usr/lib/ostree/prepare-root.conf"
	kargsConf    = "usr/lib/bootc/kargs.d/10-kiln.toml"
	installConf  = "usr/lib/bootc/install/10-kiln.toml"
	wants        = "etc/systemd/system/multi-user.target.wants/"
	systemUnits  = "usr/lib/systemd/system/"
	policyConf   = "etc/containers/policy.json"
	rpmDatabase  = "usr/lib/sysimage/rpm/rpmdb.sqlite"
	published    = "registry.example/me/kiln"
)

var mutations = []mutation{
	{"kernel", "no kernel", func(m *mutant) { m.remove(m.of("vmlinuz"), m.initramfs()) }},
	{"kernel", "half a kernel", func(m *mutant) { m.write(m.of("vmlinuz"), m.read(m.of("vmlinuz"))[:1<<20]) }},
	{"kernel-release", "of another update", func(m *mutant) {
		// The header says where the release is. (Documentation/arch/x86/boot.rst)
		content := m.read(m.of("vmlinuz"))
		offset := int(content[0x20e]) + int(content[0x20f])<<8 + 0x200
		if !strings.HasPrefix(content[offset:], m.kver) {
			m.t.Fatal("the kernel does not say its release")
		}
		m.patch(m.of("vmlinuz"), offset, "5")
	}},
	{"kernel-architecture", "for 32 bits", func(m *mutant) { m.patch(m.of("vmlinuz"), 0x236, "\x00\x00") }},
	{"kernel-modules", "no modules", func(m *mutant) { m.remove(m.of("kernel")) }},
	{"kernel-modules", "no index", func(m *mutant) { m.remove(m.of("modules.dep.bin")) }},
	{"modules-dep", "a module after depmod", func(m *mutant) {
		file := m.modules()[0]
		m.write(path.Join(path.Dir(file), "kiln.ko"), m.read(file))
	}},
	{"modules-dep", "a module is gone", func(m *mutant) { m.remove(m.modules()[1]) }},
	{"modules-vermagic", "of another update", func(m *mutant) { m.edit(m.modules()[0], "vermagic="+m.kver, "vermagic=5"+m.kver[1:]) }},
	{"out-of-tree-modules", "of another update", func(m *mutant) {
		file := m.modules()[0]
		m.write(m.of("updates/nvidia.ko"), strings.NewReplacer("vermagic="+m.kver, "vermagic=5"+m.kver[1:], "__versions", "__nothings").Replace(m.read(file)))
		m.add(m.of("modules.dep"), "updates/nvidia.ko:\n")
	}},
	{"stale-modules", "of an older kernel", func(m *mutant) { m.write("usr/lib/modules/5.10.0-1-amd64/modules.dep", "") }},
	{"initramfs-missing", "none", func(m *mutant) { m.remove(m.initramfs()) }},
	{"initramfs-decodes", "cut off by a full disk", func(m *mutant) {
		content := m.read(m.initramfs())
		m.must(m.root.WriteFile(m.initramfs(), []byte(content[:len(content)/2]), 0o600))
	}},
	{"initramfs-init", "no init", func(m *mutant) { m.cutInitramfs("/init") }},
	{"initramfs-kernel", "modules of another too", func(m *mutant) { m.layInitramfs("usr/lib/modules/5.10.0-1-amd64/kernel/fs/fuse.ko", "module") }},
	{"initramfs-prepare-root", "without the unit", func(m *mutant) { m.cutInitramfs("/ostree-prepare-root.service") }},
	{"initramfs-prepare-root", "without the program", func(m *mutant) { m.cutInitramfs("/usr/lib/ostree/ostree-prepare-root") }},
	{"initramfs-prepare-root-conf", "changed after dracut", func(m *mutant) { m.add(prepareConf, "\n[etc]\ntransient = true\n") }},
	{"initramfs-root-driver", "no file system", func(m *mutant) {
		m.edit(m.of("modules.builtin"), "kernel/fs/ext4/ext4.ko\n", "") // of a kernel that has it as a module
		m.cutInitramfs("/xfs.ko", "/btrfs.ko")
	}},
	{"initramfs-root-driver", "of another file system", func(m *mutant) {
		m.write(installConf, "[install.filesystem.root]\ntype = \"xfs\"\n")
		m.cutInitramfs("/xfs.ko")
	}},
	{"initramfs-composefs-drivers", "no erofs", func(m *mutant) { m.cutInitramfs("/erofs.ko") }},
	{"initramfs-disk-drivers", "no disk of QEMU", func(m *mutant) { m.cutInitramfs("/virtio_blk.ko") }},
	{"initramfs-mode", "for all to read", func(m *mutant) { m.chmod(m.initramfs(), 0o644) }},
	{"initramfs-volatile", "a build ID", func(m *mutant) {
		m.layInitramfs("usr/lib/initrd-release", "ID=debian\nBUILD_ID=20260101\n")
	}},
	{"init", "no systemd", func(m *mutant) { m.remove("usr/lib/systemd/systemd") }},
	{"init", "no right to execute it", func(m *mutant) { m.chmod("usr/lib/systemd/systemd", 0o644) }},
	{"architecture", "systemd of another", func(m *mutant) { m.patch("usr/lib/systemd/systemd", 18, "\xb7\x00") }},
	{"label-bootc", "no label", func(m *mutant) {
		delete(m.config.Config.Labels, "containers.bootc")
		delete(m.config.Config.Labels, "ostree.bootable")
	}},
	{"label-bootc-value", "true", func(m *mutant) { m.config.Config.Labels["containers.bootc"] = "true" }},
	{"label-version", "no version", func(m *mutant) { delete(m.config.Config.Labels, "org.opencontainers.image.version") }},
	{"label-ostree", "of layers that are gone", func(m *mutant) {
		m.config.Config.Labels["ostree.final-diffid"] = "sha256:" + strings.Repeat("0", 64)
	}},
	{"history", "none", func(m *mutant) { m.config.History = nil }},
	{"uki-composefs", "no digest", func(m *mutant) { m.unifiedKernel("boot/EFI/Linux/kiln.efi", "quiet") }},
	{"os-release", "nameless", func(m *mutant) {
		m.must(m.root.WriteFile("usr/lib/os-release", []byte("NAME=Debian\nVERSION_CODENAME=bookworm\n"), 0o644))
	}},
	{"etc-usretc", "both", func(m *mutant) { m.write("usr/etc/kiln.conf", "x") }},
	{"etc-links", "into itself", func(m *mutant) { m.link("etc/kiln.conf", "/usr/etc/kiln.conf") }},
	{"api-directories", "no /proc", func(m *mutant) { m.remove("proc") }},
	{"var-run", "a folder", func(m *mutant) { m.remove("var/run"); m.folder("var/run") }},
	{"ostree-layout", "no /sysroot", func(m *mutant) { m.remove("sysroot") }},
	{"ostree-layout", "no /ostree", func(m *mutant) { m.remove("ostree") }},
	{"utf8-names", "of a file", func(m *mutant) { m.write("usr/share/caf\xe9", "x") }},
	{"utf8-names", "of a link's target", func(m *mutant) { m.link("usr/share/coffee", "caf\xe9") }},
	{"special-files", "a FIFO", func(m *mutant) { m.must(unix.Mkfifo(m.dir+"/usr/lib/pipe", 0o600)) }},
	{"special-files", "a device", func(m *mutant) { m.must(unix.Mknod(m.dir+"/etc/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))) }},
	{"hard-links", "of 65001 names", func(m *mutant) {
		m.write("usr/share/kiln/0", "x")
		for i := range 65_000 {
			m.must(m.root.Link("usr/share/kiln/0", "usr/share/kiln/"+strconv.Itoa(i+1)))
		}
	}},
	{"nonempty-boot", "a configuration of GRUB", func(m *mutant) { m.write("boot/grub/grub.cfg", "x") }},
	{"nonempty-run-tmp", "of a step", func(m *mutant) { m.write("tmp/build.log", "x") }},
	{"nonempty-run-tmp", "a lock", func(m *mutant) { m.write("run/lock/kiln", "") }},
	{"injected-files", "an empty name", func(m *mutant) { m.write("etc/hostname", "") }},
	{"injected-files", "no resolvers", func(m *mutant) { m.write("etc/resolv.conf", "") }},
	{"kargs-d", "a misspelt key", func(m *mutant) { m.write(kargsConf, "args = [\"quiet\"]\n") }},
	{"kargs-architectures", "Debian's name", func(m *mutant) { m.write(kargsConf, "kargs = [\"quiet\"]\nmatch-architectures = [\"amd64\"]\n") }},
	{"kargs-reserved", "a root of its own", func(m *mutant) { m.write(kargsConf, "kargs = [\"root=/dev/vda2\"]\n") }},
	{"install-config", "a misspelt key", func(m *mutant) { m.write(installConf, "[install]\nkarg = [\"quiet\"]\n") }},
	{"install-architectures", "Debian's name", func(m *mutant) { m.write(installConf, "[install]\nmatch-architectures = [\"amd64\"]\n") }},
	{"install-filesystem", "none", func(m *mutant) {
		m.program("usr/bin/bootc")
		m.program("usr/bin/bootupctl")
		m.write("usr/lib/bootupd/updates/EFI.json", `{"timestamp": "2026-01-01T00:00:00Z", "version": "shim-15.8"}`)
		m.write("usr/lib/bootupd/updates/EFI/debian/shimx64.efi", "x")
	}},
	{"bootupd", "none", func(m *mutant) {
		m.program("usr/bin/bootc")
		m.write(installConf, "[install.filesystem.root]\ntype = \"ext4\"\n")
	}},
	{"bound-images", "leads nowhere", func(m *mutant) {
		m.link("usr/lib/bootc/bound-images.d/kiln.image", "/usr/share/containers/systemd/kiln.image")
	}},
	{"prepare-root", "no configuration", func(m *mutant) {
		m.write(prepareConf, "[composefs\n")
		m.layInitramfs(prepareConf, "[composefs\n")
	}},
	{"composefs", "off", func(m *mutant) {
		const off = "[composefs]\nenabled = no\n"
		m.write(prepareConf, off)
		m.layInitramfs(prepareConf, off)
	}},
	{"selinux-policy", "none", func(m *mutant) { m.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n") }},
	{"third-party-repos", "a vendor's", func(m *mutant) {
		m.write("etc/apt/sources.list.d/vendor.list", "deb [trusted=yes] https://vendor.example/apt stable main\n")
	}},
	{"sysusers", "a user by hand", func(m *mutant) {
		m.add("etc/passwd", "kiosk:x:4321:100::/var/home/kiosk:/bin/bash\n")
		m.add("etc/shadow", "kiosk:!:20000::::::\n")
	}},
	{"shadow-orphans", "of a user who left", func(m *mutant) { m.add("etc/shadow", "gone:!:20000::::::\n") }},
	{"duplicate-ids", "two users of one number", func(m *mutant) { m.edit("etc/passwd", "\nbin:x:2:", "\nbin:x:1:") }},
	{"unnamed-owners", "of the build's user", func(m *mutant) {
		m.write("usr/share/kiln", "x")
		m.must(m.root.Lchown("usr/share/kiln", 4321, 4321))
	}},
	{"usr-owners", "a daemon's", func(m *mutant) {
		m.write("usr/share/kiln", "x")
		m.must(m.root.Lchown("usr/share/kiln", 1, 1))
	}},
	{"world-writable", "a file", func(m *mutant) { m.write("usr/share/kiln", "x"); m.chmod("usr/share/kiln", 0o666) }},
	{"world-writable", "a folder", func(m *mutant) { m.folder("etc/kiln"); m.chmod("etc/kiln", 0o777) }},
	{"added-privileges", "setuid", func(m *mutant) { m.chmod("usr/bin/env", fs.ModeSetuid|0o755) }},
	{"added-privileges", "capabilities", func(m *mutant) {
		netRaw := []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		m.must(unix.Setxattr(m.dir+"/usr/bin/env", "security.capability", netRaw, 0))
	}},
	{"private-keys", "of a server", func(m *mutant) {
		m.write("etc/kiln/tls.key", "-----BEGIN PRIVATE KEY-----\n"+strings.Repeat("QUJDREVGR0hJSktMTU5PUA==", 4)+"\n-----END PRIVATE KEY-----\n")
	}},
	{"credentials", "of a registry", func(m *mutant) {
		m.write("etc/ostree/auth.json", `{"auths": {"registry.example": {"auth": "bWU6cGFzcw=="}}}`)
	}},
	{"shell-history", "of new users", func(m *mutant) { m.write("etc/skel/.bash_history", "login --password secret\n") }},
	{"ssh-host-keys", "made by the build", func(m *mutant) { m.write("etc/ssh/ssh_host_ed25519_key", "x") }},
	{"machine-id", "made by the build", func(m *mutant) { m.write("etc/machine-id", strings.Repeat("1", 32)+"\n") }},
	{"machine-id", "empty", func(m *mutant) { m.write("etc/machine-id", "") }},
	{"machine-identity", "for NVMe", func(m *mutant) { m.write("etc/nvme/hostid", "6c3c3f1e-2f6e-4a7e-9f5e-000000000000\n") }},
	{"package-caches", "lists of apt", func(m *mutant) {
		m.write("var/lib/apt/lists/deb.example_Packages", "x")
		m.add(tmpfilesConf, "d /var/lib/apt 0755 root root -\n")
	}},
	{"leftover-files", "a backup", func(m *mutant) { m.write("etc/passwd-", "x") }},
	{"leftover-files", "a question of dpkg", func(m *mutant) { m.write("etc/adduser.conf.dpkg-dist", "x") }},
	{"var-log", "of apt", func(m *mutant) { m.write("var/log/apt/history.log", "x") }},
	{"var-tmpfiles", "a folder of a service", func(m *mutant) { m.folder("var/lib/kiln") }},
	{"var-links", "/opt leads nowhere", func(m *mutant) {
		m.remove("var/opt")
		m.must(m.root.WriteFile(tmpfilesConf, []byte(withoutLines(m.read(tmpfilesConf), " /var/opt ")), 0o644))
	}},
	{"default-target", "not there", func(m *mutant) { m.remove(systemUnits + "default.target") }},
	{"default-target", "a name of nothing", func(m *mutant) {
		m.link("etc/systemd/system/default.target", "/"+systemUnits+"kiosk.target")
	}},
	{"default-target", "a service", func(m *mutant) {
		m.link("etc/systemd/system/default.target", "/"+systemUnits+"systemd-logind.service")
	}},
	{"default-target", "its requirement is masked", func(m *mutant) { m.link("etc/systemd/system/basic.target", "/dev/null") }},
	{"fstab", "of the machine that built it", func(m *mutant) {
		m.add("etc/fstab", "UUID=0a1b2c3d-0000-4000-8000-000000000000 /var/data ext4 defaults 0 2\n")
	}},
	{"masked-essentials", "no sessions", func(m *mutant) { m.link("etc/systemd/system/systemd-logind.service", "/dev/null") }},
	{"unit-links", "of a package that is gone", func(m *mutant) { m.link(wants+"gone.service", "/"+systemUnits+"gone.service") }},
	{"unit-programs", "of a package that is gone", func(m *mutant) {
		m.write(systemUnits+"kiln.service", "[Service]\nExecStart=/usr/bin/kiln --fire\n")
		m.link(wants+"kiln.service", "/"+systemUnits+"kiln.service")
	}},
	{"unit-programs", "of a timer's service", func(m *mutant) {
		m.write(systemUnits+"kiln.timer", "[Timer]\nOnBootSec=1h\n")
		m.write(systemUnits+"kiln.service", "[Service]\nExecStart=/usr/bin/kiln --fire\n")
		m.link(wants+"kiln.timer", "/"+systemUnits+"kiln.timer")
	}},
	{"dpkg-unfinished", "a script failed", func(m *mutant) {
		before, after, _ := strings.Cut(m.read(dpkgStatus), "Status: install ok installed")
		m.must(m.root.WriteFile(dpkgStatus, []byte(before+"Status: install ok half-configured"+after), 0o644))
	}},
	{"rpmdb-damaged", "cut off", func(m *mutant) {
		m.rpmDatabase(rpmDatabase, false)
		m.must(m.root.WriteFile(rpmDatabase, []byte(m.read(rpmDatabase)[:5000]), 0o644))
	}},
	{"rpmdb-log", "not written back", func(m *mutant) { m.rpmDatabase(rpmDatabase, true) }},
	{"rpmdb-copies", "two that differ", func(m *mutant) {
		m.rpmDatabase(rpmDatabase, false)
		m.rpmDatabase("usr/share/rpm/rpmdb.sqlite", false)
		m.must(m.root.WriteFile("usr/share/rpm/rpmdb.sqlite", []byte(strings.Replace(m.read("usr/share/rpm/rpmdb.sqlite"), "hnum", "HNUM", 1)), 0o644))
	}},
	{"rpmdb-base-copy", "a second file", func(m *mutant) {
		m.rpmDatabase(rpmDatabase, false)
		m.write("usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite", m.read(rpmDatabase))
	}},
	{"trust-policy", "broken", func(m *mutant) { m.write(policyConf, "{") }},
	{"trust-updates", "refuses its updates", func(m *mutant) {
		m.write(policyConf, `{"default": [{"type": "reject"}]}`)
		m.options.Repositories = []string{published}
	}},
	{"trust-keys", "no key", func(m *mutant) {
		m.write(policyConf, `{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"registry.example": [{"type": "sigstoreSigned", "keyPath": "/etc/pki/gone.pub"}]}}}`)
	}},
}

// withoutLines leaves out the lines that hold a text.
func withoutLines(text, holds string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, holds) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// The base passes, and all that is said of it is known.
func TestCheckOfTheBase(t *testing.T) {
	t.Parallel()
	img, _ := debian(t)
	report, err := check.Run(t.Context(), img, check.Options{Base: img})
	if err != nil {
		t.Fatal(err)
	}
	if report.Errors+report.CouldNotRun > 0 {
		t.Errorf("%d errors, and %d rules that could not run", report.Errors, report.CouldNotRun)
	}
	got := map[string]bool{}
	for _, f := range report.Findings {
		file := f.Path
		if strings.HasSuffix(file, "/initramfs.img") {
			file = anyInitramfs
		}
		got[f.Rule+" "+file] = true
		if warned[f.Rule+" "+file] == "" {
			t.Errorf("%v: %s %s: %s", f.Severity, f.Rule, f.Path, f.Message)
		}
	}
	for name := range warned {
		if !got[name] {
			t.Errorf("not found any more: %s", name)
		}
	}
}

// Each mutation of the base is found by its rule, and nothing else is found.
func TestCheckOfMutants(t *testing.T) {
	t.Parallel()
	_, config := debian(t)
	base := mounted(t, debianBase)
	folder, err := image.OpenDir(base)
	if err != nil {
		t.Fatal(err)
	}
	good := newMutant(t, config, base)
	mended(good)
	good.options.Base = folder
	if report := good.check(); len(report.Findings) > 0 || report.CouldNotRun > 0 {
		t.Fatalf("the mended base: %+v", report.Findings)
	}
	severities := map[string]diag.Severity{}
	for _, r := range check.Rules() {
		severities[r.ID] = r.Severity
	}
	for _, mutation := range mutations {
		t.Run(mutation.rule+"/"+mutation.name, func(t *testing.T) {
			// Lower folders must not change: the mended files are beside the base.
			m := newMutant(t, config, path.Dir(good.dir)+"/upper", base)
			m.options.Base = folder
			mutation.mutate(m)
			report := m.check()
			var found []string
			for _, f := range report.Findings {
				if found = append(found, f.Rule); f.Rule != mutation.rule {
					t.Errorf("found by %s: %s: %s", f.Rule, f.Path, f.Message)
				}
				if f.Severity != severities[f.Rule] {
					t.Errorf("%s is of severity %v", f.Rule, f.Severity)
				}
			}
			if diff := cmp.Diff([]string{mutation.rule}, slices.Compact(found)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			for _, o := range report.Rules {
				if o.Status == check.StatusCouldNotRun {
					t.Errorf("%s could not run: %s", o.ID, o.Reason)
				}
			}
		})
	}
}

// No rule is without a mutation, or a reason why it has none.
func TestEveryRuleHasAMutation(t *testing.T) {
	broken := map[string]bool{}
	for _, m := range mutations {
		broken[m.rule] = true
	}
	known := map[string]bool{}
	for _, r := range check.Rules() {
		known[r.ID] = true
		if broken[r.ID] == (notMutated[r.ID] != "") {
			t.Errorf("rule %s: want either a mutation or a reason why there is none", r.ID)
		}
	}
	for id := range notMutated {
		if !known[id] {
			t.Errorf("no rule %s, which is said to have no mutation", id)
		}
	}
}
