package recipe

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

var (
	knownRepoRule = &rule{
		what: "a repository that is known by name", choices: knownRepos,
		synonyms: map[string]string{
			"rpmfusion": "rpmfusion-free", "codeready-builder": "crb", "powertools": "crb", "nonfree": "non-free",
		},
		inspect: func(text string, _ *source) *fault {
			if slices.Contains(knownRepos, text) {
				return nil
			}
			const forms = "any other is {copr: owner/project}, {name: …, baseurl: …, gpgkey: …} or {file: …}"
			return &fault{hint: didYouMean(diag.Nearest(text, knownRepos), "known are "+strings.Join(knownRepos, ", ")+"; "+forms)}
		},
	}

	coprRule = &rule{
		what: "a COPR project", form: "owner and project, as in owner/project, or @group/project",
		pattern: whole(`@?[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+-]*`),
		inspect: func(text string, _ *source) *fault {
			if rest, ok := strings.CutPrefix(text, "https://copr.fedorainfracloud.org/coprs/"); ok {
				return &fault{hint: fmt.Sprintf("write %q", strings.Trim(strings.Replace(rest, "g/", "@", 1), "/"))}
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

	urlRule = &rule{
		what: "an address", form: "as in \"https://example.com/site.flatpakrepo\"",
		pattern: whole(`https?://` + urlCharacters), longest: 1024, inspect: inspectURL("http", "https"),
	}

	packageURLRule = &rule{
		what: "the address of a package file", form: "as in \"https://example.com/site-1.0-1.noarch.rpm\"",
		pattern: whole(`https?://` + urlCharacters + `[.](?:rpm|deb)`), longest: 1024, inspect: inspectURL("http", "https"),
	}

	sha256Rule = &rule{
		what: "a SHA-256 digest", form: "64 hexadecimal digits, as sha256sum prints them",
		pattern: whole(`[0-9a-f]{64}`),
		inspect: func(text string, _ *source) *fault {
			if lower := strings.TrimPrefix(strings.ToLower(text), "sha256:"); lower != text && len(lower) == 64 {
				return &fault{hint: fmt.Sprintf("write %q", lower)}
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
			return nil
		},
	}

	priorityRule = &rule{
		what: "a priority", form: "a number from 1 to 99", least: 1, most: 99,
	}

	layersRule = &rule{
		what: "a number of layers", form: "a number from 2 to 256", least: 2, most: 256,
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

var bareChroot = regexp.MustCompile(`^[a-z][a-z+-]*-(?:[0-9]+|rawhide|eln)$`)

// urlCharacters are those of RFC 3986 that need no quoting, and those of the
// variables of package managers.
const urlCharacters = `[A-Za-z0-9._~:/?#@!$&*+,;=%{}()\[\]-]+`

// inspectURL refuses addresses that hold a password, which would stay in the
// image and in logs, and names schemes that are not taken.
func inspectURL(schemes ...string) func(string, *source) *fault {
	return func(text string, _ *source) *fault {
		scheme, rest, ok := strings.Cut(text, "://")
		if !ok || !slices.Contains(schemes, scheme) {
			return &fault{why: "its scheme is none of " + strings.Join(schemes, ", ")}
		}
		host, _, _ := strings.Cut(rest, "/")
		if u, err := url.Parse(scheme + "://" + host); err == nil && u.User != nil {
			return &fault{why: "it holds a user or a password, which everyone who has the image could read"}
		}
		return nil
	}
}

func inspectPackageOrFile(text string, src *source) *fault {
	if strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		if !strings.HasSuffix(text, ".rpm") && !strings.HasSuffix(text, ".deb") {
			return &fault{why: "it is a path, and no package file (.rpm, .deb)"}
		}
		return inProject(text, src)
	}
	switch {
	case strings.Contains(text, "://"):
		return &fault{why: "it is an address", hint: "write {url: …, sha256: …}, so that what is installed is what was meant"}
	case strings.HasPrefix(text, "@"):
		return &fault{why: "it begins with \"@\", which is for groups", hint: "list it under packages.groups"}
	case strings.HasSuffix(text, ".rpm") || strings.HasSuffix(text, ".deb"):
		return &fault{why: "files of the project begin with \"./\"", hint: fmt.Sprintf("write %q", "./"+strings.TrimPrefix(text, "/"))}
	}
	return inspectPackage(text, src)
}
