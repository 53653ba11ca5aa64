//go:build e2e

package test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
)

// boots is the class of a boot that goes well.
const boots boot.Class = ""

// Which ways every run takes.
var (
	both       = []disk.Mode{disk.Direct, disk.OSTree}
	directOnly = []disk.Mode{disk.Direct}
	ostreeOnly = []disk.Mode{disk.OSTree}
)

// specimen is the base with a change, and what becomes of it.
type specimen struct {
	name   string
	mutate func(m *mutant)
	// rules are all those of the checks that find an error in it.
	rules []string
	// direct and ostree are how it boots in those ways. An image that does not
	// boot as bootc would deploy it is unbootable, whatever else it does.
	direct, ostree boot.Class
	// quick are the ways that every run takes; the others are for those who have
	// more time.
	quick []disk.Mode
}

// bootable reports whether the image is one that a machine can be given.
func (s *specimen) bootable() bool { return s.ostree == boots }

const (
	systemd = "usr/lib/systemd/systemd"
	linker  = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
)

// corpus are images that do not boot, each for a reason of its own, and images
// that do although something about them is unusual.
var corpus = []specimen{
	{name: "the base", mutate: func(*mutant) {}},
	{name: "an empty /etc/machine-id", mutate: func(m *mutant) { m.write("etc/machine-id", "") }, quick: ostreeOnly},
	{name: "a damaged /etc/machine-id", mutate: func(m *mutant) { m.write("etc/machine-id", "not of 32 digits\n") }},
	{name: "kernel arguments of its own", mutate: func(m *mutant) {
		m.write(kargsConf, "kargs = [\"quiet\", \"audit=0\", \"console=tty1\"]\n")
	}},
	{name: "a mount that may be missing", mutate: func(m *mutant) {
		m.add("etc/fstab", "/dev/disk/by-label/usb /var/usb ext4 nofail,x-systemd.device-timeout=2s 0 2\n")
	}},
	{name: "a unit that restarts the system once", mutate: func(m *mutant) {
		// As systemd's, of SELinux, and of firmware updates do.
		m.service("/bin/sh -c 'test -e /var/lib/kiln || { touch /var/lib/kiln; systemctl --no-block reboot; sleep infinity; }'")
	}},
	{
		name: "no kernel", mutate: func(m *mutant) { m.remove(m.of("vmlinuz"), m.initramfs()) },
		rules: []string{"kernel"}, direct: boot.Unbootable, ostree: boot.Unbootable, quick: both,
	},
	{
		name: "no initramfs", mutate: func(m *mutant) { m.remove(m.initramfs()) },
		rules: []string{"initramfs-missing"}, direct: boot.Unbootable, ostree: boot.Unbootable, quick: both,
	},
	{name: "a truncated initramfs", mutate: func(m *mutant) {
		content := m.read(m.initramfs())
		m.write(m.initramfs(), content[:len(content)/2])
	}, rules: []string{"initramfs-decodes"}, direct: boot.BadInitramfs, ostree: boot.BadInitramfs, quick: both},
	{name: "an initramfs of another kernel", mutate: func(m *mutant) {
		// Of the same length, so that the archive stays one.
		other := m.kver[:len(m.kver)-1] + "x"
		m.rewriteInitramfs(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(m.kver), []byte(other)) })
	}, rules: []string{"initramfs-kernel"}, direct: boot.NoRoot, ostree: boot.NoRoot},
	{
		name: "no driver of the disk", mutate: func(m *mutant) { m.cutInitramfs("/virtio_blk.ko") },
		direct: boot.NoRoot, ostree: boot.NoRoot,
	},
	{name: "no driver of a disk that systemd alone waits for", mutate: func(m *mutant) { // as with dracut 104 and later
		m.cutInitramfs("/virtio_blk.ko")
		m.write(kargsConf, "kargs = [\"rd.systemd.mask=dracut-initqueue.service\"]\n")
	}, direct: boot.NoRoot, ostree: boot.NoRoot},
	{name: "no driver of the root file system", mutate: func(m *mutant) {
		m.edit(m.of("modules.builtin"), "kernel/fs/ext4/ext4.ko\n", "") // of a kernel that has it as a module
		m.cutInitramfs("/xfs.ko", "/btrfs.ko")
	}, rules: []string{"initramfs-root-driver"}, direct: boot.Unbootable, ostree: boot.Unbootable, quick: both},
	{name: "no ostree-prepare-root", mutate: func(m *mutant) {
		m.cutInitramfs("/ostree-prepare-root.service", "/usr/lib/ostree/ostree-prepare-root")
	}, rules: []string{"initramfs-prepare-root"}, ostree: boot.Unbootable, quick: ostreeOnly},
	{
		name: "no systemd", mutate: func(m *mutant) { m.remove(systemd) },
		rules: []string{"init"}, direct: boot.NoInit, ostree: boot.NoInit,
	},
	{
		name: "an init that is not executable", mutate: func(m *mutant) { m.chmod(systemd, 0o644) },
		rules: []string{"init"}, direct: boot.NoInit, ostree: boot.NoInit, quick: directOnly,
	},
	{
		name: "an init for another processor", mutate: func(m *mutant) { m.patch(systemd, 18, "\xb7\x00") },
		rules: []string{"architecture"}, direct: boot.NoInit, ostree: boot.NoInit,
	},
	{
		name: "no dynamic linker", mutate: func(m *mutant) { m.remove(linker) },
		direct: boot.NoInit, ostree: boot.NoInit,
	},
	{name: "a file system that nobody knows in /etc/fstab", mutate: func(m *mutant) {
		m.add("etc/fstab", "tmpfs /var/data kilnfs defaults 0 0\n")
	}, direct: boot.Emergency, ostree: boot.Emergency},
	{name: "a disk of the building machine in /etc/fstab", mutate: func(m *mutant) {
		m.add("etc/fstab", "UUID=0a1b2c3d-0000-4000-8000-000000000000 /var/data ext4 defaults 0 2\n")
	}, direct: boot.Emergency, ostree: boot.Emergency},
	{
		name: "no default target", mutate: func(m *mutant) { m.remove(systemUnits + "default.target") },
		rules: []string{"default-target"}, direct: boot.NoTarget, ostree: boot.NoTarget,
	},
	{
		name: "a unit that fails", mutate: func(m *mutant) { m.service("/usr/bin/false") },
		direct: boot.UnitFailed, ostree: boot.UnitFailed,
	},
	{
		name: "a unit that blocks the target", mutate: func(m *mutant) { m.service("/usr/bin/sleep infinity") },
		direct: boot.Blocked, ostree: boot.Blocked,
	},
	{
		name: "a unit that restarts the system each time", mutate: func(m *mutant) { m.service("/usr/bin/systemctl reboot") },
		direct: boot.Reboots, ostree: boot.Reboots,
	},
	{name: "a kernel argument without which there is no initramfs", mutate: func(m *mutant) {
		m.write(kargsConf, "kargs = [\"rdinit=/nowhere\"]\n")
	}, direct: boot.NoRoot, ostree: boot.NoRoot, quick: directOnly},
	{
		name: "a folder /etc/machine-id", mutate: func(m *mutant) { m.remove("etc/machine-id"); m.folder("etc/machine-id") },
		direct: boot.UnitFailed, ostree: boot.UnitFailed,
	},
	{name: "SELinux enforcing without a policy", mutate: func(m *mutant) {
		m.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
		m.write(kargsConf, "kargs = [\"security=selinux\", \"selinux=1\"]\n")
	}, rules: []string{"selinux-policy"}, direct: boot.SELinux, ostree: boot.Unbootable, quick: ostreeOnly},
	{
		name: "a unit that writes to /usr", mutate: func(m *mutant) { m.service("/usr/bin/touch /usr/lib/written") },
		ostree: boot.UnitFailed, quick: ostreeOnly,
	},
}

// service adds a service that multi-user.target waits for.
func (m *mutant) service(command string) {
	m.t.Helper()
	m.write(systemUnits+"kiln.service", "[Unit]\nBefore=multi-user.target\n"+
		"[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart="+command+"\n")
	m.link(wants+"kiln.service", "/"+systemUnits+"kiln.service")
}

// rewriteInitramfs changes the archive inside the initramfs, which is then not
// compressed any more.
func (m *mutant) rewriteInitramfs(change func([]byte) []byte) {
	m.t.Helper()
	r, err := zstd.NewReader(strings.NewReader(m.read(m.initramfs())))
	m.must(err)
	defer r.Close()
	var archive bytes.Buffer
	_, err = archive.ReadFrom(r)
	m.must(err)
	m.write(m.initramfs(), string(change(archive.Bytes())))
}

// Most of the corpus is unbootable, and some of it passes the checks, or the
// boots would show nothing.
func TestCorpus(t *testing.T) {
	good, bad, byBootAlone := 0, 0, 0
	for _, s := range corpus {
		switch {
		case s.bootable():
			good++
		case len(s.rules) == 0:
			byBootAlone++
			bad++
		default:
			bad++
		}
	}
	if good < 5 || bad < 21 || byBootAlone < 5 {
		t.Errorf("%d bootable and %d unbootable images, %d of these for the boot alone", good, bad, byBootAlone)
	}
}
