package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// kernelFixtures are those of kernels, their modules and initramfs images.
var kernelFixtures = []fixture{
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
}
