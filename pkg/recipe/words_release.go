package recipe

import "github.com/bootkiln/bootkiln/pkg/diag"

// The rows of what the finished image has to be, and where it goes.

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
}}

var unitTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "enabled",
		doc:      "Units that have to be enabled.",
		examples: []string{"[sddm.service]"},
		value:    texts(unitRule, func(t *Tests) *[]String { return &t.UnitsEnabled }),
	},
}}

var fileTestsRecord = record[Tests]{words: []word[Tests]{
	{
		key:      "present",
		doc:      "Files or folders that have to be there.",
		examples: []string{"[/usr/bin/plasmashell]"},
		value:    texts(imagePathRule, func(t *Tests) *[]String { return &t.FilesPresent }),
	},
	{
		key:      "absent",
		doc:      "Files or folders that must not be there.",
		examples: []string{"[/root/.ssh]"},
		value:    texts(imagePathRule, func(t *Tests) *[]String { return &t.FilesAbsent }),
	},
}}

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
}}

var signRecord = record[Sign]{
	pos: func(s *Sign) *diag.Pos { return &s.Pos },
	words: []word[Sign]{
		{
			key: "key", required: true,
			doc: "The private key: a file, relative to the folder of this file; or env://NAME, for an environment variable that holds it; " +
				"or the URI of a key service, as cosign has them.",
			examples: []string{"cosign.key", "\"env://COSIGN_PRIVATE_KEY\"", "\"awskms:///alias/os-images\""},
			value:    pathTo(signingKeyRule, func(s *Sign) *Path { return &s.Key }),
		},
	},
}

var targetRecord = record[Target]{
	pos: func(t *Target) *diag.Pos { return &t.Pos },
	words: []word[Target]{
		{
			key: "to", required: true,
			doc: "A repository without a tag. ${NAME} is replaced by that environment variable; " +
				"the values of GITHUB_REPOSITORY_OWNER and GITHUB_REPOSITORY in lower case, as registries demand.",
			examples: []string{"ghcr.io/me/centos-kde", "\"localhost:5000/centos-kde\""},
			value:    text(repositoryRule, func(t *Target) *String { return &t.To }),
		},
		{
			key: "tags",
			doc: "The tags to write, with these words replaced: {date} and {time} of the build in UTC, {version} of the system, " +
				"its {major} and {minor} parts, {git} and {git-branch} of the project, {digest} of the image, {kernel} release. Without it, latest.",
			examples: []string{"[latest, \"{date}\", \"{version}.{date}\"]"},
			value:    texts(tagRule, func(t *Target) *[]String { return &t.Tags }),
		},
	},
}
