package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

const (
	installDir = "usr/lib/bootc/install/"
	prepare    = "usr/lib/ostree/prepare-root.conf"
)

// withPrepareRoot changes prepare-root.conf in the image and in its initramfs.
func withPrepareRoot(text string) fake.Files {
	return withInitramfs(goodInitramfs.With(fake.Files{prepare: fake.Text(text)})).With(fake.Files{prepare: fake.Text(text)})
}

// withSELinux is an image with a policy called x.
func withSELinux(config string) fake.Files {
	return fake.Files{
		"etc/selinux/config":                         fake.Text(config),
		"etc/selinux/x/policy/policy.33":             fake.Text("policy"),
		"etc/selinux/x/contexts/files/file_contexts": fake.Text("/ x"),
	}
}

// configFixtures are those of configRules.
var configFixtures = []fixture{
	{name: "every key of the installation's configuration", add: fake.Files{
		installDir + "10-all.toml": fake.Text(`install.kargs = ["a=1"]
[install]
root-fs-type = "xfs"
block = ["direct", "tpm2-luks"]
karg-deletes = []
match-architectures = ["x86_64", "aarch64"]
stateroot = "x"
root-mount-spec = "LABEL=root"
boot-mount-spec = ""
bootloader = "grub-cc"
discoverable-partitions = true
enforce-container-sigpolicy = false
filesystem.root.type = "btrfs"
ostree = {bls-append-except-default = "x", not-known = 1}
bootupd.skip-boot-uuid = true
`),
		installDir + "20-empty.toml":               fake.Text(""),
		installDir + ".hidden.toml":                fake.Text("="),
		installDir + "readme":                      fake.Text("="),
		installDir + "30-masked.toml":              fake.Text("="),
		"etc/bootc/install/30-masked.toml":         fake.Link("/dev/null"),
		"usr/lib/bootc/install/00-kiln.toml":       fake.Text("=, and hidden by the one in /etc"),
		"etc/bootc/install/00-kiln.toml":           fake.Text("[install]\nroot-fs-type = \"ext4\"\n"),
		modules + "modules.builtin":                fake.Text(builtin + "kernel/fs/btrfs.ko\n"),
		"usr/lib/bootc/bound-images.d/a.image":     fake.Link("/usr/share/containers/systemd/a.image"),
		"usr/share/containers/systemd/a.image":     fake.Text("[Image]\nImage=registry.example/a%%b\n"),
		"usr/lib/bootc/bound-images.d/b.container": fake.Link("../../../share/containers/systemd/b.container"),
		"usr/share/containers/systemd/b.container": fake.Text("[Container]\nImage=registry.example/b\nAuthFile=/x\n"),
	}},
	{name: "bootc without a boot loader of its own", remove: []string{"usr/bin/bootupctl", "usr/lib/bootupd/updates/EFI.json", "usr/lib/bootupd/updates/EFI/BOOT/x"}, add: fake.Files{
		installDir + "10.toml": fake.Text("install.bootloader = \"none\"\n"),
	}},
	{name: "boot loaders in the new place", remove: []string{"usr/lib/bootupd/updates/EFI/BOOT/x"}, add: fake.Files{
		"usr/lib/efi/shim/15.8/EFI/BOOT/x": fake.Text("loader"), "usr/lib/bootupd/updates/BIOS.json": fake.Text(`{"version": "grub2"}`),
	}},
	{name: "no bootc, and nothing for it", remove: []string{"usr/bin/bootc", "usr/bin/bootupctl", installDir + "00-kiln.toml"}},
	{name: "verity and comments", add: withPrepareRoot("# x\n\n [composefs] \r\n enabled =verity\r\nkeypath[de]=x\n[sysroot]\nreadonly = 1 \n")},
	{name: "a transient root that is read-only", add: withPrepareRoot("[root]\ntransient-ro=true\n[composefs]\nenabled=no\n")},
	{name: "prepare-root.conf in /etc", add: withInitramfs(goodInitramfs).With(fake.Files{
		"etc/ostree/prepare-root.conf": fake.Text(prepareRootConf), prepare: fake.Text("hidden"),
	})},
	{name: "SELinux", add: withSELinux("# SELINUX=x\nSELINUX=enforcing\nSELINUXTYPE=x \n")},
	{name: "SELinux off", add: fake.Files{"etc/selinux/config": fake.Text("SELINUX=disabled\nSELINUXTYPE=targeted\n")}},

	{
		rule: "install-config", add: fake.Files{
			installDir + "10.toml":            fake.Text("[install]\nmatch_architectures = []\nfilesystem = \"xfs\"\nroot-fs-type = \"ext3\"\nbootupd.skip = true\nblock = \"direct\"\nstateroot = 1\ndiscoverable-partitions = \"yes\"\nbootloader = \"lilo\"\n"),
			installDir + "20.toml":            fake.Text("[instal]\n[other]\n"),
			"etc/bootc/install/30.toml":       fake.Text("[install"),
			"etc/bootc/install/40.toml":       fake.Text("install = 1\n"),
			"etc/bootc/install/folder.toml/x": fake.Text(""),
		},
		want: []string{
			"/etc/bootc/install/30.toml: toml: line 1: …",
			"/etc/bootc/install/40.toml: install is no table",
			`/usr/lib/bootc/install/10.toml: install.block is "direct"; it takes a list of direct and tpm2-luks`,
			`/usr/lib/bootc/install/10.toml: install.bootloader is "lilo"; it takes one of grub, grub-cc, systemd, none`,
			`/usr/lib/bootc/install/10.toml: install.discoverable-partitions is "yes"; it takes true or false`,
			"/usr/lib/bootc/install/10.toml: install.filesystem is no table",
			`/usr/lib/bootc/install/10.toml: install.root-fs-type is "ext3"; it takes one of xfs, ext4, btrfs`,
			"/usr/lib/bootc/install/10.toml: install.stateroot is 1; it takes a string",
			`/usr/lib/bootc/install/10.toml: unknown key "install.bootupd.skip"`,
			`/usr/lib/bootc/install/10.toml: unknown key "install.match_architectures"; did you mean "match-architectures"?`,
			`/usr/lib/bootc/install/20.toml: unknown key "instal"; did you mean "install"?`,
			`/usr/lib/bootc/install/20.toml: unknown key "other"`,
		},
	},
	{
		rule: "install-architectures", add: fake.Files{installDir + "10.toml": fake.Text("install.match-architectures = [\"amd64\", \"s390x\"]\n")},
		want: []string{`/usr/lib/bootc/install/10.toml: match-architectures has "amd64", which no machine is called`},
	},
	{
		rule: "install-filesystem", add: fake.Files{installDir + "00-kiln.toml": fake.Text("install.match-architectures = [\"s390x\"]\ninstall.root-fs-type = \"xfs\"\n")},
		want: []string{"/usr/lib/bootc/install: no file here names a root file system"},
	},
	{
		rule: "bound-images", add: fake.Files{
			"usr/lib/bootc/bound-images.d/a.image":     fake.Text(""),
			"usr/lib/bootc/bound-images.d/b.network":   fake.Link("a.image"),
			"usr/lib/bootc/bound-images.d/c.image":     fake.Link("nowhere"),
			"usr/lib/bootc/bound-images.d/d.image":     fake.Link("../../systemd"),
			"usr/lib/bootc/bound-images.d/e.image":     fake.Link("../e"),
			"usr/lib/bootc/e":                          fake.Text("[Container]\nImage=x\n"),
			"usr/lib/bootc/bound-images.d/f.image":     fake.Link("../f"),
			"usr/lib/bootc/f":                          fake.Text("[Image]\nImage=x\nAuthFile=y\n"),
			"usr/lib/bootc/bound-images.d/g.container": fake.Link("../g"),
			"usr/lib/bootc/g":                          fake.Text("[Container]\nImage=x:%i\n"),
		},
		want: []string{
			"/usr/lib/bootc/bound-images.d/a.image: it is a regular file instead of a symbolic link",
			"/usr/lib/bootc/bound-images.d/b.network: its name ends in neither .image nor .container",
			"/usr/lib/bootc/bound-images.d/c.image: the link leads nowhere",
			"/usr/lib/bootc/bound-images.d/d.image: the link leads to a directory",
			"/usr/lib/bootc/bound-images.d/e.image: no Image= in section [Image]",
			"/usr/lib/bootc/bound-images.d/f.image: bootc refuses AuthFile= in images that belong to another",
			"/usr/lib/bootc/bound-images.d/g.container: bootc does not replace specifiers of systemd: Image=x:%i",
		},
	},
	{
		rule: "prepare-root", name: "missing", remove: []string{prepare},
		want: []string{"/usr/lib/ostree/prepare-root.conf: neither this file nor /etc/ostree/prepare-root.conf is there"},
	},
	{
		rule: "prepare-root", name: "no key file", add: withPrepareRoot("[composefs]\nenabled\n"),
		want: []string{`/usr/lib/ostree/prepare-root.conf: line 2 is neither a group, a key with its value nor a comment: "enabled"`},
	},
	{
		rule: "prepare-root", name: "a word that ostree does not know", add: withPrepareRoot("[composefs]\nenabled = on\n"),
		want: []string{`/usr/lib/ostree/prepare-root.conf: composefs.enabled is "on"; it can be yes, no, maybe, verity or signed`},
	},
	{
		rule: "prepare-root", name: "both kinds of transient", add: withPrepareRoot("[root]\ntransient=1\ntransient-ro=1\n"),
		want: []string{"/usr/lib/ostree/prepare-root.conf: root.transient and root.transient-ro are both true"},
	},
	{
		rule: "composefs", add: withPrepareRoot("[sysroot]\nreadonly = true\n").With(fake.Files{
			baseimageRef + "/usr/lib/ostree/prepare-root.conf": fake.Text("[composefs]\nenabled = no\n"),
			baseimageRef + "/sysroot":                          fake.Dir(), baseimageRef + "/ostree": fake.Link("sysroot/ostree"),
		}),
		want: []string{
			"/usr/lib/ostree/prepare-root.conf: neither composefs.enabled nor root.transient is on",
			"/usr/share/doc/bootc/baseimage/base/usr/lib/ostree/prepare-root.conf: neither composefs.enabled nor root.transient is on",
		},
	},
	{
		rule: "composefs", name: "not in the example", add: fake.Files{baseimageRef + "/sysroot": fake.Dir(), baseimageRef + "/ostree": fake.Link("sysroot/ostree")},
		want: []string{"/usr/share/doc/bootc/baseimage/base: the example of a base image has no prepare-root.conf"},
	},
	{
		rule: "ostree-layout", name: "of the example", add: fake.Files{baseimageRef + "/usr/lib/ostree/prepare-root.conf": fake.Text(prepareRootConf)},
		want: []string{
			"/usr/share/doc/bootc/baseimage/base/ostree: it is missing",
			"/usr/share/doc/bootc/baseimage/base/sysroot: it is missing",
		},
	},
	{
		rule: "bootupd", name: "no program", remove: []string{"usr/bin/bootupctl"},
		want: []string{"/usr/lib/bootupd/updates: it is there, and no program bootupctl to install it"},
	},
	{
		rule: "bootupd", name: "no metadata", add: fake.Files{"usr/lib/bootupd/updates/EFI.json": fake.Dir()},
		want: []string{"/usr/lib/bootupd/updates: it has neither EFI.json nor BIOS.json: bootupd installs nothing"},
	},
	{
		rule: "bootupd", name: "nothing to install", remove: []string{"usr/lib/bootupd/updates/EFI/BOOT/x"}, add: fake.Files{
			"usr/lib/bootupd/updates/EFI.json": fake.Text("{}"), "usr/lib/bootupd/updates/BIOS.json": fake.Text("{"), "usr/lib/efi/shim/1": fake.Dir(),
		},
		want: []string{
			"/usr/lib/bootupd/updates/BIOS.json: bootupd cannot read it: unexpected end of JSON input",
			"/usr/lib/bootupd/updates/EFI.json: it names no version",
			"/usr/lib/bootupd/updates/EFI.json: it speaks of a boot loader that is neither in /usr/lib/bootupd/updates/EFI nor in /usr/lib/efi/<name>/<version>/EFI",
		},
	},
	{
		rule: "bootupd", name: "the program alone", remove: []string{"usr/lib/bootupd/updates/EFI.json", "usr/lib/bootupd/updates/EFI/BOOT/x"},
		want: []string{"/usr/lib/bootupd/updates: bootupctl is there, and no such folder with what it installs"},
	},
	{
		rule: "bootupd", name: "nothing at all", remove: []string{"usr/bin/bootupctl", "usr/lib/bootupd/updates/EFI.json", "usr/lib/bootupd/updates/EFI/BOOT/x"},
		want: []string{"/usr/lib/bootupd/updates: bootupd is not in the image"},
	},
	{
		rule: "selinux-policy", add: withSELinux("SELINUX=Permissive\nSELINUXTYPE=x\n").With(fake.Files{
			"etc/selinux/x/policy/policy.33": fake.Link("policy.32"), "etc/selinux/x/contexts/files/file_contexts": fake.Dir(),
		}),
		want: []string{"/etc/selinux/x/policy: no policy.<number> in it, and /etc/selinux/config switches SELinux on"},
	},
	{
		rule: "selinux-policy", name: "another one", add: withSELinux("SELINUX=enforcing\nSELINUXTYPE=y\n"),
		want: []string{
			"/etc/selinux/y/contexts/files/file_contexts: it is missing, and /etc/selinux/config switches SELinux on",
			"/etc/selinux/y/policy: no policy.<number> in it, and /etc/selinux/config switches SELinux on",
		},
	},
	{
		rule: "selinux-policy", name: "no name", add: withSELinux("SELINUX=enforcing\n"),
		want: []string{"/etc/selinux/config: SELinux is switched on, and no SELINUXTYPE= names its policy"},
	},
	{
		rule: "selinux-policy", name: "a path", add: withSELinux("SELINUX=enforcing\nSELINUXTYPE=../x\n"),
		want: []string{"/etc/selinux/config: SELINUXTYPE=../x is no name of a folder in /etc/selinux"},
	},
	{
		rule: "kargs-reserved", add: fake.Files{
			"usr/lib/bootc/kargs.d/20.toml": fake.Text("kargs = [\"rootflags=x root=/dev/sda\", \"ostree=/x\", \"rw\"]\n"),
		},
		want: []string{
			`/usr/lib/bootc/kargs.d/20.toml: kernel argument "ostree=/x" is bootc's to set`,
			`/usr/lib/bootc/kargs.d/20.toml: kernel argument "root=/dev/sda" is bootc's to set`,
		},
	},
	{
		rule: "kargs-d", name: "keys in another case", add: fake.Files{
			"usr/lib/bootc/kargs.d/20.toml": fake.Text("kargs = []\nMatch-Architectures = [\"x86_64\"]\n"), "usr/lib/bootc/kargs.d/.toml": fake.Text("="),
		},
		want: []string{`/usr/lib/bootc/kargs.d/20.toml: unknown key "Match-Architectures"; bootc knows kargs and match-architectures`},
	},
}
