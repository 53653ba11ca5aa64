package recipe

import "github.com/bootkiln/bootkiln/pkg/diag"

// The rows of what goes into the image.

var fileRecord = record[File]{
	pos:   func(f *File) *diag.Pos { return &f.Pos },
	oneOf: []string{"source", "content"},
	words: []word[File]{
		{
			key:      "source",
			doc:      "A file or folder of the project, relative to the folder of this file. Of a folder, what is in it is copied.",
			examples: []string{"files/etc"},
			value:    pathTo(sourceRule, func(f *File) *Path { return &f.Source }),
		},
		{
			key:      "content",
			doc:      "The text that the file shall have. Nothing in it is expanded.",
			examples: []string{"\"hello\\n\""},
			value:    text(contentRule, func(f *File) *String { return &f.Content }),
		},
		{
			key: "destination", required: true,
			doc:      "Where it goes, as an absolute path; folders on the way are made.",
			examples: []string{"/etc/motd"},
			value:    text(destinationRule, func(f *File) *String { return &f.Destination }),
		},
		{
			key: "mode",
			doc: "Permissions in octal, in quotes because YAML takes them for a number otherwise. " +
				"Without it, those of the source, or 0644.",
			examples: []string{"\"0644\"", "\"0755\""},
			value:    text(modeRule, func(f *File) *String { return &f.Mode }),
		},
		{
			key:      "owner",
			doc:      "User and group, as names or numbers of the image. Without it, root:root.",
			examples: []string{"\"root:root\""},
			value:    text(ownerRule, func(f *File) *String { return &f.Owner }),
		},
	},
}

var systemdRecord = record[Systemd]{words: []word[Systemd]{
	{
		key:      "enable",
		doc:      "Units to start at boot.",
		examples: []string{"[sshd.service]"},
		value:    texts(unitRule, func(s *Systemd) *[]String { return &s.Enable }),
	},
	{
		key:      "disable",
		doc:      "Units not to start at boot.",
		examples: []string{"[cups.service]"},
		value:    texts(unitRule, func(s *Systemd) *[]String { return &s.Disable }),
	},
	{
		key:      "mask",
		doc:      "Units that nothing can start.",
		examples: []string{"[packagekit.service]"},
		value:    texts(unitRule, func(s *Systemd) *[]String { return &s.Mask }),
	},
	{
		key:      "default-target",
		doc:      "The target to boot into.",
		examples: []string{"graphical.target", "multi-user.target"},
		value:    text(targetUnitRule, func(s *Systemd) *String { return &s.DefaultTarget }),
	},
	{
		key:      "user",
		doc:      "The same for what the systemd of every user starts.",
		examples: []string{"{enable: [podman.socket]}"},
		value:    section(userUnitsRecord, func(s *Systemd) *UserUnits { return &s.User }),
	},
}}

var userUnitsRecord = record[UserUnits]{words: []word[UserUnits]{
	{
		key:      "enable",
		doc:      "User units to start when someone logs in.",
		examples: []string{"[podman.socket]"},
		value:    texts(unitRule, func(u *UserUnits) *[]String { return &u.Enable }),
	},
	{
		key:      "disable",
		doc:      "User units not to start.",
		examples: []string{"[tracker-miner-fs-3.service]"},
		value:    texts(unitRule, func(u *UserUnits) *[]String { return &u.Disable }),
	},
	{
		key:      "mask",
		doc:      "User units that nothing can start.",
		examples: []string{"[tracker-miner-fs-3.service]"},
		value:    texts(unitRule, func(u *UserUnits) *[]String { return &u.Mask }),
	},
}}

var kernelRecord = record[Kernel]{words: []word[Kernel]{
	{
		key:      "args",
		doc:      "Arguments for the kernel, written to /usr/lib/bootc/kargs.d.",
		examples: []string{"[quiet, {arg: \"console=ttyS0\", architectures: [amd64]}]"},
		value:    entries(kernelArgRecord, func(k *Kernel) *[]KernelArg { return &k.Args }),
	},
	{
		key: "initramfs",
		doc: "Whether to build the initramfs anew: auto does when the kernel, its modules or the configuration of dracut changed. " +
			"Without it, auto.",
		examples: []string{"auto"},
		value:    text(initramfsRule, func(k *Kernel) *String { return &k.Initramfs }),
	},
	{
		key:      "dracut",
		doc:      "What the initramfs has in it, beside what dracut and the base put there.",
		examples: []string{"{add: [crypt], omit: [pcsc], drivers: [nvme]}"},
		value:    section(dracutRecord, func(k *Kernel) *Dracut { return &k.Dracut }),
	},
}}

var dracutRecord = record[Dracut]{words: []word[Dracut]{
	{
		key:      "add",
		doc:      "Modules of dracut to add.",
		examples: []string{"[crypt, lvm]"},
		value:    texts(dracutModuleRule, func(d *Dracut) *[]String { return &d.Add }),
	},
	{
		key:      "omit",
		doc:      "Modules of dracut to leave out.",
		examples: []string{"[pcsc, bluetooth]"},
		value:    texts(dracutModuleRule, func(d *Dracut) *[]String { return &d.Omit }),
	},
	{
		key:      "drivers",
		doc:      "Kernel modules to add.",
		examples: []string{"[nvme, vmw_pvscsi]"},
		value:    texts(dracutModuleRule, func(d *Dracut) *[]String { return &d.Drivers }),
	},
}}

var kernelArgRecord = record[KernelArg]{
	bare: "arg",
	words: []word[KernelArg]{
		{
			key: "arg", required: true,
			doc:      "The argument.",
			examples: []string{"quiet", "\"console=ttyS0,115200n8\""},
			value:    text(kernelArgumentRule, func(k *KernelArg) *String { return &k.Arg }),
		},
		{
			key:      "architectures",
			doc:      "The architectures that it is for, in the names of OCI. Without it, all.",
			examples: []string{"[amd64]"},
			value:    texts(architectureRule, func(k *KernelArg) *[]String { return &k.Architectures }),
		},
	},
}

var runRecord = record[Run]{
	pos:   func(r *Run) *diag.Pos { return &r.Pos },
	oneOf: []string{"script", "shell"},
	words: []word[Run]{
		{
			key: "name", required: true,
			doc:      "What reports call the step; each step has a name of its own.",
			examples: []string{"theme"},
			value:    text(stepNameRule, func(r *Run) *String { return &r.Name }),
		},
		{
			key:      "script",
			doc:      "A script of the project, relative to the folder of this file.",
			examples: []string{"scripts/theme.sh"},
			value:    pathTo(sourceRule, func(r *Run) *Path { return &r.Script }),
		},
		{
			key:      "shell",
			doc:      "Commands for the shell. The recipe's variables are not expanded in them; the shell's own are.",
			examples: []string{"\"echo hi > /etc/motd\""},
			value:    text(shellRule, func(r *Run) *String { return &r.Shell }),
		},
		{
			key:      "secrets",
			doc:      "The secrets that the step may read, as the files /run/secrets/ID.",
			examples: []string{"[token]", "[{id: token, env: SITE_TOKEN}]"},
			value:    entries(runSecretRecord, func(r *Run) *[]RunSecret { return &r.Secrets }),
		},
		{
			key:      "network",
			doc:      "Whether the step may use the network. Without it, true.",
			examples: []string{"false"},
			value:    boolean(func(r *Run) *String { return &r.Network }),
		},
	},
}

var runSecretRecord = record[RunSecret]{
	bare: "id",
	words: []word[RunSecret]{
		{
			key: "id", required: true,
			doc:      "The ID of the secret.",
			examples: []string{"token"},
			value:    text(secretIDRule, func(s *RunSecret) *String { return &s.ID }),
		},
		{
			key: "env",
			doc: "An environment variable that the step sees the secret in as well. A newline at its end is left out; " +
				"a secret with NUL bytes, as an archive has them, fits in no variable.",
			examples: []string{"SITE_TOKEN"},
			value:    text(stepVariableRule, func(s *RunSecret) *String { return &s.Env }),
		},
	},
}

var secretRecord = record[Secret]{
	pos:   func(s *Secret) *diag.Pos { return &s.Pos },
	oneOf: []string{"env", "file"},
	words: []word[Secret]{
		{
			key: "id", required: true,
			doc: "What steps call the secret. On RHEL, the one that is called rhsm has the certificates of a subscription, " +
				"and every step that installs packages has it without naming it; a host that is registered itself needs none.",
			examples: []string{"token"},
			value:    text(secretIDRule, func(s *Secret) *String { return &s.ID }),
		},
		{
			key:      "env",
			doc:      "The environment variable that holds it, where the image is built.",
			examples: []string{"SITE_TOKEN"},
			value:    text(environmentRule, func(s *Secret) *String { return &s.Env }),
		},
		{
			key: "file",
			doc: "The file that holds it, where the image is built: absolute, or relative to the folder of this file. " +
				"Of a folder, steps get a tar archive of the *.pem files in it.",
			examples: []string{"/etc/pki/entitlement"},
			value:    pathTo(secretFileRule, func(s *Secret) *Path { return &s.File }),
		},
	},
}
