package check

import (
	"fmt"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// withUKI is a change to an image that has only a UKI of a command line.
func withUKI(cmdline string) fixture {
	return fixture{remove: []string{vmlinuz, initrd}, add: fake.Files{
		"boot/EFI/Linux/kiln.efi": fake.Text(fake.UKI(map[string]string{".linux": fake.Kernel(kver, "amd64"), ".initrd": fake.Initramfs(goodInitramfs), ".uname": kver, ".cmdline": cmdline})),
	}}
}

// manyNames is a file with as many names as ext4 takes, and more.
func manyNames(n int) fake.Files {
	files := fake.Files{"usr/share/00000": fake.Text("x")}
	for i := 1; i < n; i++ {
		files[fmt.Sprintf("usr/share/%05d", i)] = fake.File{HardLink: "usr/share/00000"}
	}
	return files
}

// deployFixtures are those of deployRules.
var deployFixtures = []fixture{
	{name: "layers of ostree", add: fake.Files{"sysroot/ostree/repo/config": fake.Text("")}, config: func(c *imgspecv1.Image) {
		c.Config.Labels["ostree.commit"] = "abc"
	}},
	{name: "more history than layers", config: func(c *imgspecv1.Image) {
		c.History = append(c.History, imgspecv1.History{EmptyLayer: true})
	}},
	{name: "links about /usr", add: fake.Files{"etc/a": fake.Link("../usr/share/a"), "etc/b": fake.Link("/usr/etcetera"), "usr/c": fake.Link("etc/d")}},
	{
		rule: "uki-composefs", name: "no digest", remove: withUKI("").remove, add: withUKI("quiet composefs=").add,
		want: []string{`/boot/EFI/Linux/kiln.efi: its command line has no composefs=<digest>: "quiet composefs="`},
	},
	{
		rule: "uki-composefs", name: "installed as it cannot be", remove: withUKI("").remove, add: withUKI("composefs=abc").add.With(fake.Files{
			installDir + "10.toml": fake.Text("install.root-fs-type = \"xfs\"\ninstall.bootloader = \"none\"\n"), modules + "modules.builtin": fake.Text(builtin + "kernel/fs/xfs.ko\n"),
		}),
		want: []string{
			`/boot/EFI/Linux/kiln.efi: its command line asks for fs-verity, and the image is installed on xfs, which has none`,
			`/boot/EFI/Linux/kiln.efi: the image is installed with bootloader = "none", which the composefs back end refuses`,
		},
	},
	{
		rule: "bootupd", name: "for a UKI", add: withUKI("composefs=?abc").add,
		remove: append(withUKI("").remove, "usr/bin/bootupctl", "usr/lib/bootupd/updates/EFI.json", "usr/lib/bootupd/updates/EFI/BOOT/x"),
		want:   []string{"/usr/lib/systemd/boot/efi: neither systemd-boot nor bootupd is in the image"},
	},
	{
		name: "a UKI and systemd-boot", add: withUKI("composefs=?abc").add.With(fake.Files{"usr/lib/systemd/boot/efi/systemd-bootx64.efi": fake.Text("x")}),
		remove: append(withUKI("").remove, "usr/bin/bootupctl", "usr/lib/bootupd/updates/EFI.json", "usr/lib/bootupd/updates/EFI/BOOT/x"),
	},
	{
		rule: "label-bootc-value", config: func(c *imgspecv1.Image) { c.Config.Labels["containers.bootc"] = "true" },
		want: []string{`label containers.bootc is "true"`},
	},
	{
		rule: "label-version", config: func(c *imgspecv1.Image) { c.Config.Labels["org.opencontainers.image.version"] = "" },
		want: []string{"the image has neither label org.opencontainers.image.version nor version"},
	},
	{
		rule: "label-ostree", name: "of another image", config: func(c *imgspecv1.Image) {
			c.Config.Labels["ostree.final-diffid"], c.Config.Labels["ostree.commit"] = "sha256:abc", "abc"
		},
		want: []string{`label ostree.final-diffid names the layer "sha256:abc", which the image does not have`},
	},
	{
		rule: "label-ostree", name: "of plain layers", config: func(c *imgspecv1.Image) {
			c.Config.Labels["ostree.final-diffid"] = digest.FromBytes(goodFiles.Tar()).String()
		},
		want: []string{"label ostree.final-diffid says that there are layers of ostree, and the image has no /sysroot/ostree/repo"},
	},
	{
		rule: "history", config: func(c *imgspecv1.Image) { c.History = nil },
		want: []string{"the history has 0 entries, and the image 1 layers"},
	},
	{
		rule: "etc-links", add: fake.Files{"etc/podman": fake.Link("../usr/etc/podman"), "etc/x/all": fake.Link("/usr/../usr/etc")},
		want: []string{
			`/etc/podman: it leads to "../usr/etc/podman", and is in /usr/etc itself once it is imported`,
			`/etc/x/all: it leads to "/usr/../usr/etc", and is in /usr/etc itself once it is imported`,
		},
	},
	{rule: "hard-links", add: manyNames(maxNames + 1), want: []string{"/usr/share/00000: it has 65001 names"}},
}
