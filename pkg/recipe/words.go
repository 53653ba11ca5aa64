package recipe

import (
	"slices"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The rows of the language, in the order in which a recipe is best read.

var recipeRecord = record[Recipe]{words: slices.Concat(identity, content, []word[Recipe]{
	{
		key: "when",
		doc: "What to say on some distributions only. The entries apply in order, after the other words of this file; " +
			"what they are for is the distribution of the base.",
		examples: []string{"[{distro: [el-10], packages: {install: [epel-release]}}, {distro: [debian], unsupported: 'use el-10'}]"},
		value:    variants,
	},
	{
		key:      "secrets",
		doc:      "Secrets that steps may ask for. They are mounted while the step runs, and are in no layer.",
		examples: []string{"[{id: token, env: SITE_TOKEN}]", "[{id: rhsm, file: /etc/pki/entitlement/key.pem}]"},
		value:    entries(secretRecord, func(r *Recipe) *[]Secret { return &r.Secrets }),
	},
	{
		key:      "labels",
		doc:      "Labels of the image. ${NAME} in a value is replaced by that environment variable, and $${ stands for ${.",
		examples: []string{"{org.opencontainers.image.vendor: me}"},
		value:    pairs(labelKeyRule, labelValueRule, func(r *Recipe) *[]Label { return &r.Labels }),
	},
	{
		key:      "trust",
		doc:      "Whose images the booted machine accepts as updates: a containers-policy.json(5) that demands signatures by these keys.",
		examples: []string{"{keys: [cosign.pub], scope: ghcr.io/me}"},
		value:    section(trustRecord, func(r *Recipe) *Trust { return &r.Trust }),
	},
	{
		key:      "checks",
		doc:      "Exceptions from the built-in checks.",
		examples: []string{"{warn: [var-log]}"},
		value:    section(checksRecord, func(r *Recipe) *Checks { return &r.Checks }),
	},
	{
		key:      "boot",
		doc:      "How the image is booted in a virtual machine before it leaves this one, and what has to be so then. The word off alone does not boot it.",
		examples: []string{"{target: graphical.target, timeout: 5m, expect: {active: [sddm.service]}}", "off"},
		value:    section(bootRecord, func(r *Recipe) *Boot { return &r.Boot }),
	},
	{
		key:      "chunk",
		doc:      "How the image is cut into layers before it is published. The word off alone keeps the layers of the build.",
		examples: []string{"{layers: 128, largest: 512MiB}", "off"},
		value:    section(chunkRecord, func(r *Recipe) *Chunk { return &r.Chunk }),
	},
	{
		key:      "sign",
		doc:      "How the image is signed.",
		examples: []string{"{key: cosign.key}", "{key: \"env://COSIGN_PRIVATE_KEY\"}", "{keyless: true}"},
		value:    section(signRecord, func(r *Recipe) *Sign { return &r.Sign }),
	},
	{
		key:      "publish",
		doc:      "Where the image goes.",
		examples: []string{"[{to: ghcr.io/me/centos-kde, tags: [latest, \"{date}\"]}]"},
		value:    entries(targetRecord, func(r *Recipe) *[]Target { return &r.Publish }),
	},
})}

// identity are the words about the image as a whole.
var identity = []word[Recipe]{
	{
		key: "version", required: true,
		doc:      "The version of the recipe language. This is version 1.",
		examples: []string{"1"},
		value:    number(versionRule, func(r *Recipe) *String { return &r.Version }),
	},
	{
		key: "name", required: true,
		doc:      "The image's name: what it is called in the local store, and its title label.",
		examples: []string{"centos-kde"},
		value:    text(nameRule, func(r *Recipe) *String { return &r.Name }),
	},
	{
		key:      "description",
		doc:      "What the image is for, in one line; its description label.",
		examples: []string{"CentOS Stream 10 with KDE Plasma"},
		value:    text(proseRule, func(r *Recipe) *String { return &r.Description }),
	},
	{
		key: "include",
		doc: "What to begin with: bundles by name, and files by a path that begins with ./ or ../. " +
			"They apply in order, and this file last: lists append, mappings merge key by key, single values are replaced. " +
			"What is included more than once applies once, where it comes first.",
		examples: []string{"[auto-update, ./site.yaml]"},
		value:    texts(includeRule, func(r *Recipe) *[]String { return &r.Include }),
	},
	{
		key: "base", required: true,
		doc:      "The image to start from.",
		examples: []string{"{image: \"quay.io/centos-bootc/centos-bootc:stream10\"}"},
		value:    section(baseRecord, func(r *Recipe) *Base { return &r.Base }),
	},
	{
		key:      "platforms",
		doc:      "The platforms that the image is for. A build is for one, that of the machine that builds, which is the default; of several, each is published by a machine of its own, without tags, and the command index brings them together.",
		examples: []string{"[linux/amd64]", "[linux/amd64, linux/arm64]"},
		value:    texts(platformRule, func(r *Recipe) *[]String { return &r.Platforms }),
	},
}

// content are the words about what is in the image, which may depend on the
// distribution.
var content = []word[Recipe]{
	{
		key: "repos",
		doc: "Package repositories beside those of the base. They are there for this build only, unless they say keep: true.",
		examples: []string{
			"[epel, crb, {copr: owner/project}]",
			"[{name: vendor, baseurl: \"https://rpm.example.com/$basearch\", gpgkey: keys/vendor.asc}]",
		},
		value: entries(repoRecord, func(r *Recipe) *[]Repo { return &r.Repos }),
	},
	{
		key:      "packages",
		doc:      "The packages to have, in the names of the base's package manager.",
		examples: []string{"{install: [htop, tmux], remove: [nano]}"},
		value:    section(packagesRecord, func(r *Recipe) *Packages { return &r.Packages }),
	},
	{
		key:      "locale",
		doc:      "Language, keyboard and time zone.",
		examples: []string{"{language: ko_KR.UTF-8, extra: [en_US.UTF-8], keymap: kr, timezone: Asia/Seoul}"},
		value:    section(localeRecord, func(r *Recipe) *Locale { return &r.Locale }),
	},
	{
		key:      "desktop",
		doc:      "What makes a desktop of the packages: display manager, session, input method, fonts.",
		examples: []string{"{display-manager: sddm, session: plasma, input-method: fcitx5}"},
		value:    section(desktopRecord, func(r *Recipe) *Desktop { return &r.Desktop }),
	},
	{
		key:      "hostname",
		doc:      "The name that machines with this image have until they are given one of their own.",
		examples: []string{"kiln"},
		value:    text(hostnameRule, func(r *Recipe) *String { return &r.Hostname }),
	},
	{
		key: "files",
		doc: "Files and folders to put into the image.",
		examples: []string{
			"[{source: files/etc, destination: /etc}]",
			"[{content: \"hello\\n\", destination: /etc/motd, mode: \"0644\"}]",
		},
		value: entries(fileRecord, func(r *Recipe) *[]File { return &r.Files }),
	},
	{
		key: "users",
		doc: "Users that the system makes when it boots, by sysusers.d, so that updates of the image keep the machine's own. Homes begin as copies of " +
			"/etc/skel. None has a password: it takes one to log in to a desktop, and for sudo. Hand it in when the machine first boots, as systemd's " +
			"credential passwd.hashed-password.NAME, made by \"mkpasswd\" or \"openssl passwd -6\" (on the kernel's command line, by the virtual machine, " +
			"or as a file in /etc/credstore of the machine); or let root log in by ssh-keys and run \"passwd NAME\"; or let the installer make the user.",
		examples: []string{"[{name: kiosk, groups: [wheel], ssh-keys: [keys/me.pub]}]"},
		value:    entries(userRecord, func(r *Recipe) *[]User { return &r.Users }),
	},
	{
		key:      "systemd",
		doc:      "What systemd starts.",
		examples: []string{"{enable: [sshd.service], default-target: graphical.target}"},
		value:    section(systemdRecord, func(r *Recipe) *Systemd { return &r.Systemd }),
	},
	{
		key:      "kernel",
		doc:      "The kernel's arguments and its initramfs.",
		examples: []string{"{args: [quiet], initramfs: auto}"},
		value:    section(kernelRecord, func(r *Recipe) *Kernel { return &r.Kernel }),
	},
	{
		key:      "flatpak",
		doc:      "Flatpak remotes, and applications to install on first boot.",
		examples: []string{"{remotes: [flathub], install: [org.mozilla.firefox]}"},
		value:    section(flatpakRecord, func(r *Recipe) *Flatpak { return &r.Flatpak }),
	},
	{
		key:      "run",
		doc:      "Scripts to run in the image, after everything above.",
		examples: []string{"[{name: theme, script: scripts/theme.sh}]", "[{name: motd, shell: \"echo hi > /etc/motd\"}]"},
		value:    entries(runRecord, func(r *Recipe) *[]Run { return &r.Run }),
	},
	{
		key:      "tests",
		doc:      "What must be true of the finished image. An image that fails is not published.",
		examples: []string{"{packages: {present: [kernel]}, size: 12GiB}"},
		value:    section(testsRecord, func(r *Recipe) *Tests { return &r.Tests }),
	},
}

// language is the whole table.
var language = recipeRecord.spec()

var baseRecord = record[Base]{
	pos: func(b *Base) *diag.Pos { return &b.Pos },
	words: []word[Base]{
		{
			key: "image", required: true,
			doc: "The image, as a containers-transports(5) reference; without a transport it is in a registry, which has to be named. " +
				"${NAME} is replaced by that environment variable; the values of GITHUB_REPOSITORY_OWNER and GITHUB_REPOSITORY in lower case.",
			examples: []string{"quay.io/centos-bootc/centos-bootc:stream10", "containers-storage:localhost/debian-bootc:latest"},
			value:    text(imageRule, func(b *Base) *String { return &b.Image }),
		},
		{
			key:      "verify",
			doc:      "Refuse a base that is not signed, or not with this key. Without it, an unsigned base is accepted.",
			examples: []string{"{key: keys/base.pub}"},
			value:    section(verifyRecord, func(b *Base) *Base { return b }),
		},
		{
			key:      "distro",
			doc:      "The distribution and its major version, where it cannot be read from the base.",
			examples: []string{"centos-10", "debian-12"},
			value:    text(distroRule, func(b *Base) *String { return &b.Distro }),
		},
	},
}

var verifyRecord = record[Base]{words: []word[Base]{
	{
		key: "key", required: true,
		doc:      "A public key, as a file of the project.",
		examples: []string{"keys/base.pub"},
		value:    pathTo(publicKeyRule, func(b *Base) *Path { return &b.VerifyKey }),
	},
}}
