package recipe

import "github.com/bootkiln/bootkiln/pkg/diag"

// The rows of what the finished image has to be, and where it goes.

var trustRecord = record[Trust]{
	pos: func(t *Trust) *diag.Pos { return &t.Pos },
	words: []word[Trust]{
		{
			key: "keys", required: true,
			doc:      "Public keys, as files of the project. An image that one of them signed is accepted.",
			examples: []string{"[cosign.pub]"},
			value:    paths(publicKeyRule, func(t *Trust) *[]Path { return &t.Keys }),
		},
		{
			key: "scope", required: true,
			doc:      "The registry, or part of one, that it is about.",
			examples: []string{"ghcr.io/me"},
			value:    text(scopeRule, func(t *Trust) *String { return &t.Scope }),
		},
	},
}

var chunkRecord = record[Chunk]{
	pos:  func(c *Chunk) *diag.Pos { return &c.Pos },
	bare: "mode",
	words: []word[Chunk]{
		{
			key: "mode",
			doc: "Whether the image is cut anew: auto puts what is updated together into layers of its own, so that machines download what changed; " +
				"off keeps the layers of the build. Without it, auto.",
			examples: []string{"off"},
			value:    text(chunkModeRule, func(c *Chunk) *String { return &c.Mode }),
		},
		{
			key:      "layers",
			doc:      "The most layers. Docker reads no image of more than 128. Without it, 128.",
			examples: []string{"128"},
			value:    count(layersRule, func(c *Chunk) *int { return &c.Layers }),
		},
		{
			key:      "largest",
			doc:      "The most that one layer may hold, compressed, because registries end an upload after some minutes. Without it, 512MiB.",
			examples: []string{"512MiB"},
			value:    size(layerSizeRule, func(c *Chunk) (*int64, *diag.Pos) { return &c.Largest, &c.LargestPos }),
		},
	},
}

var testsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "packages",
		doc:      "Packages that have to be there, or not to be there.",
		examples: []string{"{present: [kernel, wine], absent: [PackageKit]}"},
		value:    section(packageTestsRecord, func(t *Tests) *Tests { return t }),
	},
	{
		key:      "units",
		doc:      "The state that units have to be in.",
		examples: []string{"{enabled: [sddm.service]}"},
		value:    section(unitTestsRecord, func(t *Tests) *Tests { return t }),
	},
	{
		key:      "files",
		doc:      "Files that have to be there, or not to be there.",
		examples: []string{"{present: [/usr/bin/plasmashell], absent: [/root/.ssh]}"},
		value:    section(fileTestsRecord, func(t *Tests) *Tests { return t }),
	},
	{
		key:      "users",
		doc:      "Users that the image has, or makes when it boots.",
		examples: []string{"[kiosk]"},
		value:    texts(userNameRule, func(t *Tests) *[]String { return &t.Users }),
	},
	{
		key:      "kernel-args",
		doc:      "Kernel arguments that the image brings along, or must not bring. One without a value stands for the parameter with any.",
		examples: []string{"{present: [quiet], absent: [debug]}"},
		value:    section(kernelArgTestsRecord, func(t *Tests) *Tests { return t }),
	},
	{
		key:      "size",
		doc:      "The most that the root file system may hold: a number with its unit, of 1000 (kB, MB, GB, TB) or 1024 (KiB, MiB, GiB, TiB).",
		examples: []string{"12GiB", "500MB"},
		value:    size(sizeRule, func(t *Tests) (*int64, *diag.Pos) { return &t.Size, &t.SizePos }),
	},
}}

var packageTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "present",
		doc:      "Packages that have to be installed.",
		examples: []string{"[kernel]"},
		value:    texts(plainPackageRule, func(t *Tests) *[]String { return &t.PackagesPresent }),
	},
	{
		key:      "absent",
		doc:      "Packages that must not be installed.",
		examples: []string{"[PackageKit]"},
		value:    texts(plainPackageRule, func(t *Tests) *[]String { return &t.PackagesAbsent }),
	},
	{
		key:      "version",
		doc:      "Packages with the version that each has to have, without epoch and release unless they are written; globs are allowed.",
		examples: []string{"{kernel: \"6.12.*\"}"},
		value:    pairs(plainPackageRule, versionGlobRule, func(t *Tests) *[]Label { return &t.PackageVersions }),
	},
	{
		key: "same-version",
		doc: "Groups of packages, with globs allowed, of which all that are installed must have the same version, " +
			"because a desktop that was updated by half does not start. A group of which nothing is installed holds.",
		examples: []string{"[[plasma-desktop, plasma-workspace], [\"qt6-qtbase*\"]]"},
		value:    textLists(packageRule, func(t *Tests) *[][]String { return &t.SameVersion }),
	},
}}

var kernelArgTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "present",
		doc:      "Arguments that have to be there.",
		examples: []string{"[quiet]"},
		value:    texts(kernelArgumentRule, func(t *Tests) *[]String { return &t.KernelArgsPresent }),
	},
	{
		key:      "absent",
		doc:      "Arguments that must not be there.",
		examples: []string{"[debug]"},
		value:    texts(kernelArgumentRule, func(t *Tests) *[]String { return &t.KernelArgsAbsent }),
	},
}}

var unitTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "enabled",
		doc:      "Units that have to be enabled.",
		examples: []string{"[sddm.service]"},
		value:    texts(unitRule, func(t *Tests) *[]String { return &t.UnitsEnabled }),
	},
	{
		key:      "disabled",
		doc:      "Units that must not be enabled.",
		examples: []string{"[cups.service]"},
		value:    texts(unitRule, func(t *Tests) *[]String { return &t.UnitsDisabled }),
	},
	{
		key:      "masked",
		doc:      "Units that have to be masked.",
		examples: []string{"[packagekit.service]"},
		value:    texts(unitRule, func(t *Tests) *[]String { return &t.UnitsMasked }),
	},
	{
		key:      "user-enabled",
		doc:      "Units that have to be enabled for every user.",
		examples: []string{"[podman.socket]"},
		value:    texts(unitRule, func(t *Tests) *[]String { return &t.UserUnitsEnabled }),
	},
}}

var fileTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "present",
		doc:      "Files or folders that have to be there, and what has to be true of them.",
		examples: []string{"[/usr/bin/plasmashell, {path: /etc/motd, contains: kiln, mode: \"0644\"}]"},
		value:    entries(fileTestRecord, func(t *Tests) *[]FileTest { return &t.FilesPresent }),
	},
	{
		key:      "absent",
		doc:      "Files or folders that must not be there.",
		examples: []string{"[/root/.ssh]"},
		value:    texts(imagePathRule, func(t *Tests) *[]String { return &t.FilesAbsent }),
	},
}}

var fileTestRecord = record[FileTest]{
	bare: "path",
	words: []word[FileTest]{
		{
			key: "path", required: true,
			doc:      "The file or folder.",
			examples: []string{"/etc/motd"},
			value:    text(imagePathRule, func(f *FileTest) *String { return &f.Path }),
		},
		{
			key:      "contains",
			doc:      "A text that has to be in it, within its first 16 MiB.",
			examples: []string{"kiln"},
			value:    text(contentRule, func(f *FileTest) *String { return &f.Contains }),
		},
		{
			key:      "equals",
			doc:      "All that has to be in it.",
			examples: []string{"\"hello\\n\""},
			value:    text(contentRule, func(f *FileTest) *String { return &f.Equals }),
		},
		{
			key:      "mode",
			doc:      "Its permissions in octal, in quotes.",
			examples: []string{"\"0644\""},
			value:    text(modeRule, func(f *FileTest) *String { return &f.Mode }),
		},
		{
			key:      "owner",
			doc:      "Its user and group.",
			examples: []string{"\"root:root\""},
			value:    text(ownerRule, func(f *FileTest) *String { return &f.Owner }),
		},
	},
}

var checksRecord = record[Checks]{words: []word[Checks]{
	{
		key:      "skip",
		doc:      "Checks not to run, by ID.",
		examples: []string{"[nonempty-boot]"},
		value:    texts(checkRule, func(c *Checks) *[]String { return &c.Skip }),
	},
	{
		key:      "warn",
		doc:      "Checks whose findings are warnings, by ID.",
		examples: []string{"[var-log]"},
		value:    texts(checkRule, func(c *Checks) *[]String { return &c.Warn }),
	},
	{
		key:      "error",
		doc:      "Checks whose findings are errors, by ID: with one, the image is not published.",
		examples: []string{"[nonempty-run-tmp]"},
		value:    texts(checkRule, func(c *Checks) *[]String { return &c.Error }),
	},
}}

var signRecord = record[Sign]{
	pos: func(s *Sign) *diag.Pos { return &s.Pos },
	words: []word[Sign]{
		{
			key: "key",
			doc: "The private key: a file, relative to the folder of this file; or env://NAME, for an environment variable that holds it; " +
				"or the URI of a key service, as cosign has them.",
			examples: []string{"cosign.key", "\"env://COSIGN_PRIVATE_KEY\"", "\"awskms:///alias/os-images\""},
			value:    pathTo(signingKeyRule, func(s *Sign) *Path { return &s.Key }),
		},
		{
			key: "keyless",
			doc: "Sign as the job of GitHub Actions that builds the image, for which it needs the permission id-token: write. " +
				"The signature is written down in a public log. \"cosign verify\" accepts it; machines that enforce a policy " +
				"(\"trust\") cannot, so give a key as well where there are any: then both sign.",
			examples: []string{"true"},
			value:    boolean(func(s *Sign) *String { return &s.Keyless }),
		},
	},
}

var targetRecord = record[Target]{
	pos: func(t *Target) *diag.Pos { return &t.Pos },
	words: []word[Target]{
		{
			key: "to", required: true,
			doc: "A repository without a tag; or a place of the one who publishes, relative to the current folder: oci:FOLDER, oci-archive:FILE, docker-archive:FILE " +
				"or containers-storage:NAME, in which the words of tags are replaced too, and where nothing is signed. ${NAME} is replaced by that environment variable; " +
				"the values of GITHUB_REPOSITORY_OWNER and GITHUB_REPOSITORY in lower case, as registries demand.",
			examples: []string{"ghcr.io/me/centos-kde", "\"localhost:5000/centos-kde\"", "\"oci-archive:out/centos-kde-{git}.tar\""},
			value:    text(targetRule, func(t *Target) *String { return &t.To }),
		},
		{
			key: "tags",
			doc: "The tags to write, with these words replaced: {date} and {time} of the build in UTC, {version} of the system, " +
				"its {major} and {minor} parts, {git} and {git-branch} of the project, {digest} of the image, {kernel} release. Without it, latest. A place has one.",
			examples: []string{"[latest, \"{date}\", \"{version}.{date}\"]"},
			value:    texts(tagRule, func(t *Target) *[]String { return &t.Tags }),
		},
		{
			key: "private",
			doc: "Whether not everyone can pull from it. Images made from RHEL may only go where this says true, " +
				"since its licence forbids to pass them on to the public. A registry of this machine needs it not.",
			examples: []string{"true"},
			value:    boolean(func(t *Target) *String { return &t.Private }),
		},
	},
}
