package recipe

import "github.com/bootkiln/bootkiln/pkg/diag"

// The rows of where packages come from, and which there are.

var repoRecord = record[Repo]{
	pos:   func(r *Repo) *diag.Pos { return &r.Pos },
	bare:  "repo",
	oneOf: []string{"repo", "copr", "name", "file"},
	words: []word[Repo]{
		{
			key: "repo",
			doc: "A repository that is known by name: epel, crb and compose (the base's own compose of CentOS Stream), " +
				"rpmfusion-free and rpmfusion-nonfree; contrib, non-free, non-free-firmware and backports of Debian.",
			examples: []string{"epel", "crb"},
			value:    text(knownRepoRule, func(r *Repo) *String { return &r.Known }),
		},
		{
			key:      "copr",
			doc:      "A project of Fedora's COPR, as owner/project or @group/project.",
			examples: []string{"owner/project"},
			value:    text(coprRule, func(r *Repo) *String { return &r.Copr }),
		},
		{
			key: "chroot",
			doc: "The chroot of the COPR project, with its architecture. Which ones exist is up to the project; " +
				"without it, the one that is named like the distribution (epel-10 on Enterprise Linux 10, fedora-43 on Fedora 43).",
			examples: []string{"epel-10-x86_64", "rhel+epel-10-x86_64"},
			value:    text(chrootRule, func(r *Repo) *String { return &r.Chroot }),
		},
		{
			key:      "name",
			doc:      "The ID of a repository that is described here.",
			examples: []string{"vendor"},
			value:    text(repoIDRule, func(r *Repo) *String { return &r.Name }),
		},
		{
			key:      "baseurl",
			doc:      "Its address. The package manager's own variables, $releasever and $basearch, may be in it.",
			examples: []string{"\"https://rpm.example.com/el/$releasever/$basearch\"", "\"https://deb.example.com/debian\""},
			value:    text(repoURLRule, func(r *Repo) *String { return &r.BaseURL }),
		},
		{
			key:      "metalink",
			doc:      "The address of its metalink, instead of baseurl.",
			examples: []string{"\"https://mirrors.example.com/metalink?repo=x&arch=$basearch\""},
			value:    text(repoURLRule, func(r *Repo) *String { return &r.Metalink }),
		},
		{
			key:      "mirrorlist",
			doc:      "The address of its list of mirrors, instead of baseurl.",
			examples: []string{"\"https://mirrors.example.com/list?arch=$basearch\""},
			value:    text(repoURLRule, func(r *Repo) *String { return &r.Mirrorlist }),
		},
		{
			key:      "suite",
			doc:      "The suite of a repository for apt; one that ends in a slash is a folder below baseurl, and has no components.",
			examples: []string{"bookworm", "stable"},
			value:    text(suiteRule, func(r *Repo) *String { return &r.Suite }),
		},
		{
			key:      "components",
			doc:      "The components of a repository for apt. Without it, main.",
			examples: []string{"[main]"},
			value:    texts(suiteRule, func(r *Repo) *[]String { return &r.Components }),
		},
		{
			key: "gpgkey",
			doc: "The key that its packages are signed with: an https address, or a file of the project. " +
				"Signatures are always checked.",
			examples: []string{"\"https://rpm.example.com/key.asc\"", "keys/vendor.asc"},
			value:    pathTo(gpgKeyRule, func(r *Repo) *Path { return &r.GPGKey }),
		},
		{
			key:      "priority",
			doc:      "Which repository wins where several have a package, from 1 (first) to 99, which is what a repository without it has.",
			examples: []string{"90"},
			value:    number(priorityRule, func(r *Repo) *String { return &r.Priority }),
		},
		{
			key:      "includepkgs",
			doc:      "The only packages to take from it; globs are allowed.",
			examples: []string{"[vendor-agent, \"vendor-lib*\"]"},
			value:    texts(packageRule, func(r *Repo) *[]String { return &r.IncludePackages }),
		},
		{
			key:      "excludepkgs",
			doc:      "Packages never to take from it; globs are allowed.",
			examples: []string{"[\"kernel*\"]"},
			value:    texts(packageRule, func(r *Repo) *[]String { return &r.ExcludePackages }),
		},
		{
			key:      "file",
			doc:      "A repository file of the project: .repo for dnf, .sources or .list for apt.",
			examples: []string{"repos/site.repo"},
			value:    pathTo(repoFileRule, func(r *Repo) *Path { return &r.File }),
		},
		{
			key:      "keep",
			doc:      "Whether the repository stays enabled in the image. Without it, false: it is there for this build only.",
			examples: []string{"true"},
			value:    boolean(func(r *Repo) *String { return &r.Keep }),
		},
	},
}

var packagesRecord = record[Packages]{words: []word[Packages]{
	{
		key: "install",
		doc: "Packages to install: names, with globs allowed; files of the project, which begin with ./ or ../; and addresses. " +
			"One that cannot be found fails the build.",
		examples: []string{"[wine, fcitx5-hangul, ./rpms/site.rpm]"},
		value:    entries(packageRecord, func(p *Packages) *[]Package { return &p.Install }),
	},
	{
		key:      "groups",
		doc:      "Package groups and environments to install, by ID or by name.",
		examples: []string{"[\"KDE Plasma Workspaces\", \"@input-methods\"]"},
		value:    texts(groupRule, func(p *Packages) *[]String { return &p.Groups }),
	},
	{
		key:      "optional",
		doc:      "Packages to install where the repositories have them; the report says which were not there.",
		examples: []string{"[fcitx5-mozc]"},
		value:    texts(packageRule, func(p *Packages) *[]String { return &p.Optional }),
	},
	{
		key:      "remove",
		doc:      "Packages to take off the base.",
		examples: []string{"[plasma-discover-packagekit]"},
		value:    texts(packageRule, func(p *Packages) *[]String { return &p.Remove }),
	},
	{
		key:      "exclude",
		doc:      "Packages that are never installed, whatever asks for them; globs are allowed.",
		examples: []string{"[PackageKit]"},
		value:    texts(packageRule, func(p *Packages) *[]String { return &p.Exclude }),
	},
	{
		key: "lock",
		doc: "Packages that stay at the version that the base has, or that this recipe installed, whatever later steps ask for " +
			"and whoever updates the running system by hand; globs are allowed.",
		examples: []string{"[\"kernel*\", glibc]"},
		value:    texts(packageRule, func(p *Packages) *[]String { return &p.Lock }),
	},
	{
		key: "weak-deps",
		doc: "Whether to install what packages only recommend. Without it, false on Debian, " +
			"and what the base's own configuration says elsewhere.",
		examples: []string{"false"},
		value:    boolean(func(p *Packages) *String { return &p.WeakDeps }),
	},
}}

var packageRecord = record[Package]{
	bare:  "name",
	oneOf: []string{"name", "url"},
	words: []word[Package]{
		{
			key:      "name",
			doc:      "The name of a package, or the path of a package file of the project, which begins with ./ or ../.",
			examples: []string{"wine", "./rpms/site.rpm"},
			value:    pathTo(packageOrFileRule, func(p *Package) *Path { return &p.Name }),
		},
		{
			key:      "url",
			doc:      "The address of a package file.",
			examples: []string{"\"https://example.com/site-1.0-1.noarch.rpm\""},
			value:    text(packageURLRule, func(p *Package) *String { return &p.URL }),
		},
		{
			key:      "sha256",
			doc:      "The digest of what is at the address, as sha256sum prints it.",
			examples: []string{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
			value:    text(sha256Rule, func(p *Package) *String { return &p.SHA256 }),
		},
		{
			key:      "instead",
			doc:      "What to use where no repository has the package of that name; it is said with the problem.",
			examples: []string{"\"install com.usebottles.bottles under flatpak\""},
			value:    text(reasonRule, func(p *Package) *String { return &p.Instead }),
		},
	},
}
