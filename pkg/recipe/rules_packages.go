package recipe

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	knownRepoRule = &rule{
		what: "a repository that is known by name", choices: knownRepos,
		synonyms: map[string]string{
			"rpmfusion": "rpmfusion-free", "codeready-builder": "crb", "powertools": "crb", "nonfree": "non-free",
		},
		form: "known are " + strings.Join(knownRepos, ", ") +
			"; any other is {copr: owner/project}, {name: …, baseurl: …, gpgkey: …} or {file: …}",
		inspect: inspectKnownRepo,
	}

	coprRule = &rule{
		what: "a COPR project", form: "owner and project, as in owner/project, or @group/project",
		pattern: whole(`@?[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+-]*`),
		inspect: func(text string, _ *source) *fault {
			if m := coprAddress.FindStringSubmatch(text); m != nil {
				group := ""
				if m[1] != "" {
					group = "@"
				}
				return &fault{hint: fmt.Sprintf("write %q", group+m[2])}
			}
			return nil
		},
	}

	chrootRule = &rule{
		what: "a chroot of COPR", form: "distribution, version and architecture, as in epel-10-x86_64",
		pattern: whole(`[a-z][a-z+-]*-(?:[0-9]+|rawhide|eln)-(?:` + strings.Join(rpmArchitectures, "|") + `)`),
		inspect: func(text string, _ *source) *fault {
			if bareChroot.MatchString(text) {
				return &fault{why: "it has no architecture", hint: fmt.Sprintf("write %q", text+"-x86_64")}
			}
			name, architecture, found := cutLast(text, "-")
			if rpm := rpmArchitectureOf[architecture]; found && rpm != "" {
				return &fault{why: "RPM has its own names of architectures", hint: fmt.Sprintf("write %q", name+"-"+rpm)}
			}
			return nil
		},
	}

	repoIDRule = &rule{
		what: "the name of a repository", form: "letters, digits and the characters . _ : -, as in vendor",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9._:-]*`), longest: 64,
	}

	repoURLRule = &rule{
		what: "the address of a repository", form: "an address with its scheme, as in \"https://rpm.example.com/$basearch\"",
		pattern: whole(`(?:https?|file)://` + urlCharacters), longest: 1024, inspect: inspectURL("http", "https", "file"),
	}

	remoteURLRule = &rule{
		what: "the address of a remote", form: "as in \"https://example.com/site.flatpakrepo\"",
		pattern: whole(`https://` + urlCharacters), longest: 1024,
		inspect: func(text string, src *source) *fault {
			if strings.HasPrefix(text, "http:") {
				return &fault{why: "what is there has the remote's key, and without https it is the key of whoever answers", hint: "use https"}
			}
			return inspectURL("https")(text, src)
		},
	}

	packageURLRule = &rule{
		what: "the address of a package file", form: "as in \"https://example.com/site-1.0-1.noarch.rpm\"",
		pattern: whole(`https?://` + urlCharacters + `[.](?:rpm|deb)`), longest: 1024, inspect: inspectURL("http", "https"),
	}

	sha256Rule = &rule{
		what: "a SHA-256 digest", form: "64 hexadecimal digits, as sha256sum prints them",
		pattern: whole(`[0-9a-f]{64}`),
		inspect: func(text string, _ *source) *fault {
			lower := strings.TrimPrefix(strings.ToLower(text), "sha256:")
			switch {
			case lower != text && len(lower) == 64:
				return &fault{hint: fmt.Sprintf("write %q", lower)}
			case strings.Trim(lower, "0123456789abcdef") == "" && len(lower) != 64:
				return &fault{why: fmt.Sprintf("it has %d digits", len(lower))}
			}
			return nil
		},
	}

	suiteRule = &rule{
		what: "a suite or component", form: "as in bookworm, or main",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9._/-]*|/|[.]/`), longest: 64,
	}

	gpgKeyRule = &rule{
		what: "the key of a repository", form: "an https address, or a file of the project",
		pattern: whole(`https://` + urlCharacters + `|` + pathCharacters + `+`), longest: 1024,
		inspect: func(text string, src *source) *fault {
			switch scheme, _, ok := strings.Cut(text, "://"); {
			case !ok:
				return inProject(text, src)
			case scheme == "http":
				return &fault{why: "who fetches a key without https trusts whoever answers", hint: "use https, or put the key into the project"}
			case scheme != "https":
				return &fault{why: "it is neither an https address nor a file"}
			}
			return inspectURL("https")(text, src)
		},
	}

	priorityRule = &rule{
		what: "a priority", form: "a number from 1 to 99", least: 1, most: 99,
	}

	layersRule = &rule{
		what: "a number of layers", form: "a number from 4 to 256", least: 4, most: 256,
	}

	chunkModeRule = &rule{
		what: "a way to cut the image", choices: []string{"auto", "off"},
		synonyms: map[string]string{"none": "off", "never": "off", "disabled": "off", "false": "off", "no": "off", "on": "auto", "true": "auto", "yes": "auto"},
	}

	repoFileRule = &rule{
		what: "a repository file of the project", form: "its name ends in .repo, .sources or .list, as in repos/site.repo",
		pattern: whole(pathCharacters + `+[.](?:repo|sources|list)`), longest: 1024, inspect: inProject,
	}

	groupRule = &rule{
		what: "a package group", form: "its ID or its name, as in kde-desktop or \"KDE Plasma Workspaces\"",
		pattern: whole(`@?[\p{L}\p{N}][\p{L}\p{N} ._,()&+^/-]*`),
		inspect: func(text string, _ *source) *fault {
			if strings.TrimSpace(text) != text {
				return &fault{why: "it has a blank at its beginning or end"}
			}
			return nil
		},
	}

	packageOrFileRule = &rule{
		what: packageRule.what,
		form: packageRule.form + "; a file of the project begins with ./",
		pattern: regexp.MustCompile(strings.TrimSuffix(packageRule.pattern.String(), ")$") +
			`|[.][.]?/` + pathCharacters + `+[.](?:rpm|deb))$`),
		longest: 1024, inspect: inspectPackageOrFile,
	}

	versionGlobRule = &rule{
		what: "a version", form: "letters, digits and the characters . _ + - : ~ ^, and * ? for globs, as in \"6.12.*\"",
		pattern: whole(`[A-Za-z0-9._+:~^*?-]+`), longest: 128,
	}
)

// knownRepos are the repositories that can be asked for by name.
var knownRepos = []string{
	"epel", "crb", "compose", "rpmfusion-free", "rpmfusion-nonfree",
	"contrib", "non-free", "non-free-firmware", "backports",
}

// rpmArchitectures are the names that RPM has for them.
var rpmArchitectures = []string{"x86_64", "x86_64_v2", "aarch64", "ppc64le", "riscv64", "s390x"}

// rpmArchitectureOf are the names that OCI and Debian have for RPM's.
var rpmArchitectureOf = map[string]string{"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le"}

// coprAddress is the page of a project, of a group where the first part is
// there.
var coprAddress = regexp.MustCompile(`^(?:https?://)?copr[.]fedorainfracloud[.]org/(?:coprs/)?(g/)?([A-Za-z0-9][^/]*/[A-Za-z0-9][^/]*)/?$`)

// inspectKnownRepo says how repositories are written that are not known by
// name.
func inspectKnownRepo(text string, _ *source) *fault {
	switch {
	case strings.Contains(text, "://"):
		return &fault{why: "it is an address", hint: "write {name: …, baseurl: …, gpgkey: …}"}
	case strings.HasSuffix(text, ".repo"), strings.HasSuffix(text, ".sources"), strings.HasSuffix(text, ".list"):
		return &fault{why: "it is a file", hint: fmt.Sprintf("write {file: %s}", clip(text))}
	case coprRule.pattern.MatchString(text):
		return &fault{hint: fmt.Sprintf("for a project of COPR, write {copr: %s}", clip(text))}
	}
	return nil
}

var bareChroot = regexp.MustCompile(`^[a-z][a-z+-]*-(?:[0-9]+|rawhide|eln)$`)

// urlCharacters are those of RFC 3986 that need no quoting, and those of the
// variables of package managers.
const urlCharacters = `[A-Za-z0-9._~:/?#@!$&*+,;=%{}()\[\]-]+`

// inspectURL refuses addresses that hold a password, which would stay in the
// image and in logs, and names schemes that are not taken.
func inspectURL(schemes ...string) func(string, *source) *fault {
	return func(text string, _ *source) *fault {
		if m := environmentVariable.FindString(text); m != "" {
			return &fault{why: "variables of the environment are not expanded here", hint: fmt.Sprintf("write what %s stands for", m)}
		}
		if m := oneSlash.FindStringSubmatch(text); m != nil && slices.Contains(schemes, m[1]) {
			return &fault{hint: fmt.Sprintf("write %q", m[1]+"://"+m[2])}
		}
		scheme, rest, ok := strings.Cut(text, "://")
		if !ok || !slices.Contains(schemes, scheme) {
			return &fault{why: "its scheme is not " + list(schemes, "or")}
		}
		host, _, _ := strings.Cut(rest, "/")
		if u, err := url.Parse(scheme + "://" + host); err == nil && u.User != nil {
			return &fault{why: "it holds a user or a password, which everyone who has the image could read"}
		}
		return nil
	}
}

// environmentVariable is written like none of a package manager's variables.
var environmentVariable = regexp.MustCompile(`\$\{[A-Z][A-Z0-9_]*\}`)

var packageFile = regexp.MustCompile(`[.](?:rpm|deb)$`)

var oneSlash = regexp.MustCompile(`^([a-z]+):/?([^/].*)$`)

func inspectPackageOrFile(text string, src *source) *fault {
	if strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		if !packageFile.MatchString(text) {
			return &fault{why: "it is a path, and no package file (.rpm, .deb)", hint: "name the file itself, as in ./rpms/site.rpm"}
		}
		return inProject(text, src)
	}
	switch {
	case strings.Contains(text, "://"):
		return &fault{why: "it is an address", hint: "write {url: …, sha256: …}, so that what is installed is what was meant"}
	case strings.HasPrefix(text, "@"):
		return &fault{why: "it begins with \"@\", which is for groups", hint: "list it under packages.groups"}
	case (strings.HasPrefix(text, "/") || strings.HasPrefix(text, "~")) && packageFile.MatchString(text):
		return inProject(text, src)
	case packageFile.MatchString(text):
		return &fault{why: "files of the project begin with \"./\"", hint: fmt.Sprintf("write %q", "./"+text)}
	}
	return inspectPackage(text, src)
}
