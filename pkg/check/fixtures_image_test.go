package check

import (
	"io/fs"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// imageFixtures are those of the first process, the configuration, and of what
// is where in the image.
var imageFixtures = []fixture{
	{
		rule: "init", remove: []string{"usr/lib/systemd/systemd"},
		want: []string{"/sbin/init: no first process: neither /usr/lib/systemd/systemd nor /sbin/init leads to a program"},
	},
	{
		rule: "init", name: "a script", add: fake.Files{"usr/lib/systemd/systemd": fake.Program("#!/bin/sh\n")},
		want: []string{"/usr/lib/systemd/systemd: not an ELF program"},
	},
	{
		rule: "init", name: "no right to execute it", add: fake.Files{"usr/lib/systemd/systemd": fake.Text(fake.ELF(amd64Machine))},
		want: []string{"/usr/lib/systemd/systemd: it may not be executed (mode -rw-r--r--)"},
	},
	{
		// systemd's switch_root goes on to it, and it is what the kernel looks for.
		name: "another init behind one without the right", add: fake.Files{
			"usr/lib/systemd/systemd": fake.Text(fake.ELF(amd64Machine)), "usr/sbin/init": fake.Program(fake.ELF(amd64Machine)),
		},
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
}
