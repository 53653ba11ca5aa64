package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// allButErofs is a kernel that has all built in but erofs.
const allButErofs = "kernel/fs/ext4/ext4.ko\nkernel/fs/overlayfs/overlay.ko\n"

// inInitramfs are modules of the good initramfs and of the image, with a
// modules.dep that names them.
func inInitramfs(builtin, dep string, loaded ...string) fake.Files {
	early := goodInitramfs
	for _, file := range loaded {
		early = early.With(fake.Files{"usr/lib/modules/" + kver + "/" + file: fake.Text("module")})
	}
	return withInitramfs(early).With(fake.Files{modules + "modules.builtin": fake.Text(builtin), modules + "modules.dep": fake.Text(dep)})
}

// ofKernel are module files of the image.
func ofKernel(files ...string) fake.Files {
	out := fake.Files{}
	for _, f := range files {
		out[modules+f] = fake.Text(fake.Module(kver, magic, true))
	}
	return out
}

const fuseDep = "kernel/fs/fuse.ko.xz:\n"

// driverFixtures are those of driverRules.
var driverFixtures = []fixture{
	{name: "drivers in the initramfs", add: inInitramfs(allButErofs, fuseDep+"kernel/erofs.ko.zst: kernel/lz4.ko.zst\nkernel/lz4.ko.zst:\n", "kernel/erofs.ko.zst", "kernel/lz4.ko.zst").
		With(ofKernel("kernel/erofs.ko.zst", "kernel/lz4.ko.zst"))},
	{
		rule: "initramfs-kernel", name: "another's, and with it no driver",
		add: withInitramfs(goodInitramfs.Without("usr/lib/modules/" + kver + "/kernel/fs/fuse.ko.xz").With(fake.Files{"usr/lib/modules/6.1.0/a.ko": fake.Text("")})).
			With(fake.Files{modules + "modules.builtin": fake.Text("kernel/fs/nothing.ko\n")}),
		want: []string{"/" + initrd + `: it has modules of kernel "6.1.0", and the kernel is "6.12.0-55.el10.x86_64"`},
	},
	{name: "what is built in is not known", remove: []string{modules + "modules.builtin"}},
	{
		name: "any root file system", remove: []string{installDir + "00-kiln.toml", "usr/bin/bootc"},
		add: inInitramfs("kernel/fs/erofs.ko\nkernel/fs/overlay.ko\n", fuseDep+"kernel/xfs.ko:\n", "kernel/xfs.ko").With(ofKernel("kernel/xfs.ko")),
	},
	{
		rule: "initramfs-root-driver", name: "of the one that is configured",
		add:  inInitramfs("kernel/fs/erofs.ko\nkernel/fs/overlay.ko\nkernel/fs/xfs.ko\n", fuseDep+"kernel/ext4.ko: kernel/jbd2.ko\nkernel/jbd2.ko:\n", "kernel/ext4.ko").With(ofKernel("kernel/ext4.ko", "kernel/jbd2.ko")),
		want: []string{"/" + initrd + ": the image is installed on ext4, and the initramfs lacks jbd2"},
	},
	{
		rule: "initramfs-root-driver", name: "of none", remove: []string{installDir + "00-kiln.toml", "usr/bin/bootc"},
		add:  inInitramfs("kernel/fs/erofs.ko\nkernel/fs/overlay.ko\n", fuseDep),
		want: []string{"/" + initrd + ": it can mount none of the root file systems that bootc makes: xfs, ext4, btrfs"},
	},
	{
		rule: "initramfs-composefs-drivers", add: inInitramfs("kernel/fs/ext4/ext4.ko\n", fuseDep+"kernel/overlay.ko:\n").With(ofKernel("kernel/overlay.ko")),
		want: []string{
			"/" + initrd + ": driver erofs is needed for the root file system, and the initramfs lacks erofs",
			"/" + initrd + ": driver overlay is needed for the root file system, and the initramfs lacks overlay",
		},
	},
	{
		rule: "initramfs-composefs-drivers", name: "of a transient root",
		add: withPrepareRoot("[root]\ntransient = true\n").With(fake.Files{modules + "modules.builtin": fake.Text("kernel/fs/ext4/ext4.ko\n")}),
		want: []string{
			"/" + initrd + ": driver overlay is needed for the root file system, and the initramfs lacks overlay",
		},
	},
	{
		rule: "initramfs-disk-drivers",
		add: inInitramfs(builtin, fuseDep+"kernel/virtio_blk.ko: kernel/virtio.ko\nkernel/virtio.ko:\nkernel/sd_mod.ko:\nkernel/ahci.ko:\n", "kernel/virtio_blk.ko", "kernel/ahci.ko").
			With(ofKernel("kernel/virtio_blk.ko", "kernel/virtio.ko", "kernel/sd_mod.ko", "kernel/ahci.ko")),
		want: []string{
			"/" + initrd + ": disks of QEMU and KVM are not found: it lacks virtio",
			"/" + initrd + ": disks of SCSI, SATA and USB are not found: it lacks sd_mod",
		},
	},
	{
		rule: "initramfs-prepare-root-conf", name: "another", add: fake.Files{prepare: fake.Text(prepareRootConf + "\n")},
		want: []string{"/" + initrd + ": /usr/lib/ostree/prepare-root.conf in it is not what /usr/lib/ostree/prepare-root.conf is"},
	},
	{
		rule: "initramfs-prepare-root-conf", name: "none", add: withInitramfs(goodInitramfs.Without(prepare)),
		want: []string{"/" + initrd + ": it has no prepare-root.conf, and the image has /usr/lib/ostree/prepare-root.conf"},
	},
	{
		rule: "initramfs-mode", add: fake.Files{initrd: fake.Text(goodFiles[initrd].Content)},
		want: []string{"/" + initrd + ": every user can read it (mode 0644)"},
	},
	{
		rule: "initramfs-volatile", add: withInitramfs(goodInitramfs.With(fake.Files{
			"etc/os-release": fake.Link("initrd-release"), "etc/initrd-release": fake.Text("ID=x\nBUILD_ID=\nOSTREE_VERSION='41.2'\n"),
			"usr/lib/os-release": fake.Text("BUILD_ID=7\n"),
		})),
		want: []string{"/" + initrd + ": /etc/initrd-release in it has OSTREE_VERSION='41.2'", "/" + initrd + ": /usr/lib/os-release in it has BUILD_ID=7"},
	},
}

// weakUpdates are a module for an older kernel, and the link by which the
// image's own takes it over.
var weakUpdates = fake.Files{
	"lib": fake.Link("usr/lib"),
	"usr/lib/modules/6.12.0-1.el10.x86_64/extra/mlx/mlx.ko": fake.Text(fake.Module("6.12.0-1.el10.x86_64", magic, true)),
	modules + "weak-updates/mlx/mlx.ko":                     fake.Link("/lib/modules/6.12.0-1.el10.x86_64/extra/mlx/mlx.ko"),
	modules + "modules.dep":                                 fake.Text(fuseDep + "weak-updates/mlx/mlx.ko:\n"),
}

// moduleFixtures are those of moduleRules.
var moduleFixtures = []fixture{
	{name: "modules of others", add: fake.Files{
		modules + "extra/same.ko":        fake.Text(fake.Module(kver, magic, false)),
		modules + "weak-updates/kmod.ko": fake.Link("/usr/lib/kmod/kmod.ko"),
		"usr/lib/kmod/kmod.ko":           fake.Text(fake.Module("6.12.0-1.el10.x86_64", magic, true)),
		modules + "modules.dep":          fake.Text(fuseDep + "extra/same.ko:\nweak-updates/kmod.ko:\n"),
	}},
	{name: "modules of an older kernel, taken over", add: weakUpdates},
	{
		rule: "stale-modules", name: "of which one is taken over", add: weakUpdates.With(fake.Files{
			"usr/lib/modules/6.12.0-1.el10.x86_64/kernel/fs/fuse.ko.xz": fake.Text("module"),
		}),
		want: []string{"/usr/lib/modules/6.12.0-1.el10.x86_64: modules of a kernel that is not in the image"},
	},
	{
		rule: "stale-modules", name: "of another kernel's packages",
		add:  weakUpdates.With(fake.Files{"usr/lib/modules/6.11.0-1.el10.x86_64/extra/mlx/mlx.ko": fake.Text("module")}),
		want: []string{"/usr/lib/modules/6.11.0-1.el10.x86_64: modules of a kernel that is not in the image"},
	},
	{
		rule: "modules-dep", add: fake.Files{
			modules + "modules.dep": fake.Text(fuseDep + "kernel/gone.ko: kernel/needed.ko\n"), modules + "kernel/new.ko": fake.Text(fake.Module(kver, magic, true)),
		},
		want: []string{
			"/" + modules + "kernel/new.ko: modules.dep does not name it",
			"/" + modules + "modules.dep: it names kernel/gone.ko, which is not there",
			"/" + modules + "modules.dep: it names kernel/needed.ko, which is not there",
		},
	},
	{
		rule: "modules-vermagic", add: fake.Files{modules + "kernel/fs/fuse.ko.xz": fake.Text(fake.Zstd(fake.Module("6.1.0", magic, true)))},
		want: []string{"/" + modules + `kernel/fs/fuse.ko.xz: it is of kernel "6.1.0", and the kernel is "6.12.0-55.el10.x86_64"`},
	},
	{
		rule: "modules-vermagic", name: "damaged", add: fake.Files{modules + "kernel/fs/fuse.ko.xz": fake.Text(fake.Zstd(fake.Module(kver, magic, true))[:30])},
		want: []string{"/" + modules + "kernel/fs/fuse.ko.xz: offset …"},
	},
	{
		rule: "out-of-tree-modules", add: fake.Files{
			modules + "extra/old.ko":          fake.Text(fake.Module("6.1.0", magic, false)),
			modules + "extra/silent.ko":       fake.Text(fake.ELF(amd64Machine)),
			modules + "extra/text.ko":         fake.Text("module"),
			modules + "updates/dkms/other.ko": fake.Text(fake.Module("6.1.0", "SMP preempt_rt mod_unload modversions", true)),
			modules + "weak-updates/gone.ko":  fake.Link("/lib/modules/6.1.0/extra/gone.ko"),
			modules + "modules.dep":           fake.Text(fuseDep + "extra/old.ko:\nextra/silent.ko:\nextra/text.ko:\nupdates/dkms/other.ko:\nweak-updates/gone.ko:\n"),
		},
		want: []string{
			"/" + modules + `extra/old.ko: it is for kernel "6.1.0", and the kernel is "6.12.0-55.el10.x86_64"`,
			"/" + modules + "extra/silent.ko: it does not say which kernel it is for (vermagic)",
			"/" + modules + "extra/text.ko: offset 0: no kernel module…",
			"/" + modules + `updates/dkms/other.ko: it is for a kernel made with "SMP preempt_rt mod_unload modversions", and this one was made with "SMP preempt mod_unload modversions"`,
			"/" + modules + "weak-updates/gone.ko: it is a link to nothing",
		},
	},
}
