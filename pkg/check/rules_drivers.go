package check

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// driverRules ask whether the initramfs finds the root file system and mounts
// it as the image says.
var driverRules = []Rule{
	{
		ID:       "initramfs-root-driver",
		Summary:  "the driver of the root file system is in the initramfs or built in",
		Severity: diag.Error,
		Doc:      "The machine starts, finds the disk, cannot mount what is on it, and ends in the emergency shell.",
		Source:   "mount(8) in the initramfs; modules.builtin(5), modules.dep(5); the root file systems of bootc's install/config.rs",
		Hint:     `make the initramfs for any machine: hostonly=no in /usr/lib/dracut/dracut.conf.d, or add_drivers+=" xfs "`,
		Run:      checkInitramfsRootDriver,
	},
	{
		ID:       "initramfs-composefs-drivers",
		Summary:  "what prepare-root.conf turns on has its drivers in the initramfs or built in",
		Severity: diag.Error,
		Doc:      `composefs is an EROFS image below an overlay, a transient root an overlay: the machine ends in the emergency shell with "composefs: failed to mount".`,
		Source:   "installkernel in ostree's src/boot/dracut/module-setup.sh; otcore_mount_rootfs of ostree; bootc issue 1030",
		Hint:     `add_drivers+=" erofs overlay " in /usr/lib/dracut/dracut.conf.d, and make the initramfs anew; or install the kernel's package that has them`,
		Run:      checkInitramfsComposefs,
	},
	{
		ID:       "initramfs-disk-drivers",
		Summary:  "drivers of common disks are in the initramfs or built in",
		Severity: diag.Warning,
		Doc:      "A machine with such a disk does not find its root file system, although its kernel has the driver: the initramfs was made for the machine that built it, or with drivers left out. Drivers that the kernel does not have at all are not asked for.",
		Source:   "tunaOS issue 1679, which is why drivers that are built in count",
		Hint:     "make the initramfs for any machine: hostonly=no in /usr/lib/dracut/dracut.conf.d",
		Run:      checkInitramfsDisks,
	},
	{
		ID:       "initramfs-prepare-root-conf",
		Summary:  "prepare-root.conf is the same in the initramfs",
		Severity: diag.Warning,
		Doc:      "The root file system is mounted as the initramfs says: what the image says is not done until the initramfs is made anew.",
		Source:   "ostree-prepare-root.c and dracut/module-setup.sh of ostree; bootc issue 1505",
		Hint:     "make the initramfs anew after the last change of prepare-root.conf; dracut's module ostree copies it",
		Run:      checkInitramfsPrepareRootConf,
	},
	{
		ID:       "initramfs-mode",
		Summary:  "only root can read the initramfs",
		Severity: diag.Note,
		Doc:      "Keys and passwords that are in an initramfs, or get into it, are for every user of the machine to read. dracut itself writes it with mode 0600.",
		Source:   "dracut(8)",
		Hint:     "chmod 0600 it where it is made",
		Run:      checkInitramfsMode,
	},
	{
		ID:       "initramfs-volatile",
		Summary:  "the initramfs does not name the build it is of",
		Severity: diag.Note,
		Doc:      "The initramfs is another one after each build, although nothing in it changed, and every machine downloads it with each update.",
		Source:   "Aurora issue 2568",
		Hint:     "set BUILD_ID, IMAGE_VERSION and OSTREE_VERSION in os-release after the initramfs is made",
		Run:      checkInitramfsVolatile,
	},
}

// drivers are those that an initramfs can load.
type drivers struct {
	tree   *kernel.ModuleTree
	loaded map[string]bool     // in the initramfs, by name
	needs  map[string][]string // modules.dep by name
}

// eachDrivers calls f for each initramfs whose kernel's modules are known.
func eachDrivers(t *Target, f func(*bootKernel, *drivers) ([]Finding, error)) ([]Finding, error) {
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		if k.problem != "" {
			return nil, NotApplicable("no kernel that can be read: see rule kernel")
		}
		tree, err := k.tree()
		if malformed := (*kernel.ModulesError)(nil); errors.As(err, &malformed) || isAbsent(err) {
			return nil, NotApplicable("the modules cannot be read: see rule kernel-modules")
		}
		if err != nil {
			return nil, err
		}
		if len(tree.Files) > 0 && !slices.Contains(i.Versions(), tree.Release) {
			return nil, NotApplicable("the initramfs has no modules of the kernel: see rule initramfs-kernel")
		}
		d := &drivers{tree: tree, loaded: map[string]bool{}, needs: map[string][]string{}}
		for _, name := range i.Modules() {
			d.loaded[name] = true
		}
		for file, needs := range tree.Dep {
			for _, n := range needs {
				d.needs[kernel.ModuleName(file)] = append(d.needs[kernel.ModuleName(file)], kernel.ModuleName(n))
			}
		}
		return f(k, d)
	})
}

// lacks lists what keeps a driver from being loaded: itself, or those that it
// needs.
func (d *drivers) lacks(name string) []string {
	if d.tree.Builtin[name] {
		return nil
	}
	var out []string
	for _, n := range append([]string{name}, d.needs[name]...) {
		if !d.loaded[n] && !d.tree.Builtin[n] {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// judge passes on what is missing, unless drivers may be built in that nothing
// names.
func (d *drivers) judge(findings []Finding) ([]Finding, error) {
	if len(findings) > 0 && d.tree.Builtin == nil {
		return nil, NotApplicable("no modules.builtin says which drivers the kernel has built in")
	}
	return findings, nil
}

func checkInitramfsRootDriver(_ context.Context, t *Target) ([]Finding, error) {
	rootFS, _, err := t.installSettings()
	if err != nil {
		return nil, err
	}
	return eachDrivers(t, func(k *bootKernel, d *drivers) ([]Finding, error) {
		if rootFS != "" {
			if lacks := d.lacks(rootFS); len(lacks) > 0 {
				return d.judge(found(k.initrdName, "the image is installed on %s, and the initramfs lacks %s", rootFS, strings.Join(lacks, ", ")))
			}
			return nil, nil
		}
		for _, name := range filesystem.words {
			if len(d.lacks(name)) == 0 {
				return nil, nil
			}
		}
		return d.judge(found(k.initrdName, "it can mount none of the root file systems that bootc makes: %s", strings.Join(filesystem.words, ", ")))
	})
}

func checkInitramfsComposefs(_ context.Context, t *Target) ([]Finding, error) {
	_, data, err := t.prepareRootIn("")
	if err != nil {
		return nil, err
	}
	var p prepareRoot
	if data != nil {
		if p, err = parsePrepareRoot(string(data)); err != nil {
			return nil, NotApplicable("no " + prepareRootFile + " that can be read: see rule prepare-root")
		}
	}
	return eachDrivers(t, func(k *bootKernel, d *drivers) ([]Finding, error) {
		var wanted []string
		switch {
		case p.usesComposefs() || k.unified():
			wanted = []string{"erofs", "overlay"}
		case p.transient:
			wanted = []string{"overlay"}
		}
		var out []Finding
		for _, name := range wanted {
			if lacks := d.lacks(name); len(lacks) > 0 {
				out = append(out, finding(k.initrdName, "driver %s is needed for the root file system, and the initramfs lacks %s", name, strings.Join(lacks, ", ")))
			}
		}
		return d.judge(out)
	})
}

// commonDisks are what disks of today's machines are attached to. Xen is left
// out: its clouds have given new machines NVMe since 2017.
var commonDisks = []struct{ driver, disk string }{
	{"ahci", "SATA"},
	{"dasd_eckd_mod", "DASD of IBM Z"},
	{"hv_storvsc", "Hyper-V and Azure"},
	{"nvme", "NVMe, and of EC2"},
	{"sd_mod", "SCSI, SATA and USB"},
	{"virtio_blk", "QEMU and KVM"},
	{"virtio_scsi", "QEMU, KVM and Google Cloud"},
	{"vmw_pvscsi", "VMware"},
}

func checkInitramfsDisks(_ context.Context, t *Target) ([]Finding, error) {
	return eachDrivers(t, func(k *bootKernel, d *drivers) ([]Finding, error) {
		var out []Finding
		for _, common := range commonDisks {
			if lacks := d.lacks(common.driver); len(lacks) > 0 && d.tree.Has(common.driver) {
				out = append(out, finding(k.initrdName, "disks of %s are not found: it lacks %s", common.disk, strings.Join(lacks, ", ")))
			}
		}
		return out, nil
	})
}

func checkInitramfsPrepareRootConf(_ context.Context, t *Target) ([]Finding, error) {
	outside, want, err := t.prepareRootIn("")
	if err != nil {
		return nil, err
	}
	if want == nil {
		return nil, NotApplicable("no " + prepareRootFile + ": see rule prepare-root")
	}
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		if _, ok := i.Lookup(rootSetups[0].program); !ok {
			return nil, NotApplicable("the initramfs does not set up the root file system by ostree-prepare-root")
		}
		for _, dir := range prepareRootDirs {
			name := path.Join(dir, prepareRootFile)
			e, ok := i.Lookup(name)
			if !ok {
				continue
			}
			if bytes.Equal(e.Content, want) {
				return nil, nil
			}
			return found(k.initrdName, "/%s in it is not what /%s is", name, outside), nil
		}
		return found(k.initrdName, "it has no %s, and the image has /%s", prepareRootFile, outside), nil
	})
}

func checkInitramfsMode(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, k := range kernels {
		if k.uki || k.initrd == nil {
			continue // a UKI is copied to a FAT file system, which has no owners
		}
		fi, err := t.Root.Stat(k.initrdName)
		if err != nil {
			return nil, err
		}
		if fi.Mode()&0o004 != 0 {
			out = append(out, finding(k.initrdName, "every user can read it (mode %04o)", image.StatOf(fi).Mode))
		}
	}
	return out, nil
}

// volatileKeys are those of os-release(5) and of ostree that change with each
// build.
var volatileKeys = []string{"BUILD_ID", "IMAGE_VERSION", "OSTREE_VERSION"}

func checkInitramfsVolatile(_ context.Context, t *Target) ([]Finding, error) {
	return eachDecoded(t, func(k *bootKernel, i *kernel.Initramfs) ([]Finding, error) {
		var out []Finding
		seen := map[string]bool{}
		for _, name := range []string{"etc/initrd-release", "etc/os-release", "usr/lib/initrd-release", "usr/lib/os-release"} {
			e, ok := i.Lookup(name)
			if !ok || seen[e.Name] {
				continue
			}
			seen[e.Name] = true
			for line := range strings.Lines(string(e.Content)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				if slices.Contains(volatileKeys, key) && strings.Trim(value, `"'`) != "" {
					out = append(out, finding(k.initrdName, "/%s in it has %s=%s", e.Name, key, value))
				}
			}
		}
		return out, nil
	})
}
