package recipe

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

var (
	versionRule = &rule{
		what: "a version of the recipe language", form: "this program knows version 1",
		choices: []string{"1"},
		inspect: func(text string, _ *source) *fault {
			if text != "1" {
				return &fault{}
			}
			return nil
		},
	}

	nameRule = &rule{
		what:    "an image name",
		form:    "lower-case letters and digits, joined by '-', '_' or '.', as in centos-kde",
		pattern: whole(`[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*`), longest: 128,
		inspect: func(text string, _ *source) *fault {
			if lower := strings.ToLower(text); lower != text && !strings.ContainsAny(text, "/ ") {
				return &fault{why: "registries demand lower case", hint: fmt.Sprintf("write %q", lower)}
			}
			return nil
		},
	}

	// proseRule is for text that people read.
	proseRule = &rule{what: "a description", form: "one line of text", longest: 1024, pattern: whole(`[^\s].*`)}

	stepNameRule = &rule{what: "the name of a step", form: "one line of text", longest: 100, pattern: whole(`[^\s].*`)}

	includeRule = &rule{
		what:    "something to include",
		form:    "the name of a bundle, as in kde; or a file, as in ./site.yaml",
		pattern: whole(`[a-z0-9]+(?:-[a-z0-9]+)*|[.][.]?/.+`),
		inspect: func(text string, src *source) *fault {
			if strings.HasPrefix(text, ".") && src.bundle {
				return &fault{why: "a bundle includes bundles only"}
			}
			if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "~") {
				return inProject(text, src)
			}
			if strings.HasSuffix(text, ".yaml") || strings.HasSuffix(text, ".yml") {
				return &fault{why: "files begin with \"./\", bundles have no extension", hint: fmt.Sprintf("write %q", "./"+text)}
			}
			return nil
		},
	}

	distroRule = &rule{
		what:    "a distribution",
		form:    "its ID and its major version, as in centos-10",
		pattern: whole(`(?:` + strings.Join(distributions, "|") + `)-[1-9][0-9]{0,3}`),
		inspect: inspectDistro,
	}

	platformRule = &rule{
		what:     "a platform",
		choices:  prefixed("linux/", architectures),
		synonyms: platformSynonyms(),
	}

	architectureRule = &rule{
		what: "an architecture", choices: architectures, synonyms: architectureSynonyms,
	}

	packageRule = &rule{
		what: "a package name",
		form: "letters, digits and the characters . _ + - : ~ ^ = %, and * ? [ ] for globs",
		// A colon is for Debian's architectures and RPM's epochs, a tilde and
		// a caret for versions of both, = for apt's "name=version".
		pattern: whole(`[A-Za-z0-9*?\[][A-Za-z0-9._+:~^=%*?\[\]-]*`),
		inspect: inspectPackage,
	}

	plainPackageRule = &rule{
		what:    "the name of one package",
		form:    "letters, digits and the characters . _ + - : (no globs here)",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9._+:~^-]*`),
		inspect: inspectPackage,
	}

	sourceRule = &rule{
		what: "a path in the project", form: "relative to the folder of this file, as in files/motd",
		pattern: whole(pathCharacters + `+`), longest: 1024, inspect: inProject,
	}

	destinationRule = &rule{
		what: "a place in the image", form: "an absolute path, as in /etc/motd",
		pattern: whole(`/|(?:/` + pathName + `)+`), longest: 1024, inspect: inspectDestination,
	}

	imagePathRule = &rule{
		what: "a path in the image", form: "an absolute path, as in /usr/bin/env",
		pattern: whole(`/|(?:/` + pathName + `)+`), longest: 1024, inspect: inspectAbsolute,
	}

	contentRule = &rule{what: "the content of a file", form: "any text", longest: maxBytes, lines: true, empty: true}

	shellRule = &rule{what: "a shell script", form: "commands, as in \"echo hi > /etc/motd\"", longest: 64 << 10, lines: true}

	modeRule = &rule{
		what: "a file mode", form: "three or four octal digits in quotes, as in \"0644\"",
		pattern: whole(`[0-7]{3,4}`),
	}

	ownerRule = &rule{
		what: "an owner", form: "user and group, names or numbers, as in \"root:root\" or \"0:0\"",
		pattern: whole(`(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10}):(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})`),
	}

	unitRule = &rule{
		what: "a unit name", form: "a name with its suffix, as in sshd.service",
		pattern: whole(`(?:[A-Za-z0-9:_.@-]|\\x[0-9a-f]{2})+[.](?:` + strings.Join(unitSuffixes, "|") + `)`),
		inspect: inspectUnit,
	}

	targetUnitRule = &rule{
		what: "a target unit", form: "as in graphical.target or multi-user.target",
		pattern: whole(`[A-Za-z0-9:_.@-]+[.]target`),
		inspect: func(text string, _ *source) *fault {
			known := []string{"graphical.target", "multi-user.target", "rescue.target", "emergency.target"}
			if near := diag.Nearest(strings.TrimSuffix(text, ".target")+".target", known); !strings.HasSuffix(text, ".target") {
				return &fault{hint: didYouMean(near, "a target unit ends in .target")}
			}
			return nil
		},
	}

	initramfsRule = &rule{what: "a way to treat the initramfs", choices: []string{"auto", "always", "never"}}

	kernelArgumentRule = &rule{
		what: "a kernel argument", form: "one argument without blanks, as in quiet or console=ttyS0",
		pattern: whole(`[A-Za-z0-9_][A-Za-z0-9_.-]*(?:=[A-Za-z0-9_.,:;/@%+=~^*!|\[\]-]*)?`),
		inspect: inspectKernelArgument,
	}

	secretIDRule = &rule{
		what: "the ID of a secret", form: "lower-case letters, digits, '-' and '_', as in token",
		pattern: whole(`[a-z0-9][a-z0-9_-]*`), longest: 64,
	}

	environmentRule = &rule{
		what: "the name of an environment variable", form: "letters, digits and '_', as in SITE_TOKEN",
		pattern: whole(variableName),
		inspect: func(text string, _ *source) *fault {
			if name := strings.Trim(text, "${}"); name != text {
				return &fault{hint: fmt.Sprintf("write the name alone: %s", name)}
			}
			return nil
		},
	}

	stepVariableRule = &rule{
		what: "a variable for a secret", form: environmentRule.form, pattern: environmentRule.pattern,
		inspect: func(text string, src *source) *fault {
			if shellVariable.MatchString(text) {
				return &fault{why: "shells and the loader of programs keep it for themselves", hint: "take another name"}
			}
			return environmentRule.inspect(text, src)
		},
	}

	secretFileRule = &rule{
		what: "the path of a secret file", form: "absolute, or relative to the folder of this file",
		pattern: whole(pathCharacters + `+`), longest: 1024, inspect: inspectHome,
	}

	labelKeyRule = &rule{
		what: "the key of a label", form: "letters and digits, joined by . - _ or /, as in org.opencontainers.image.vendor",
		pattern: whole(`[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?`),
	}

	labelValueRule = &rule{what: "the value of a label", form: "one line of text", longest: 4096, variables: true, empty: true}

	sizeRule = &rule{
		what: "a size", form: "a number and a unit, as in 12GiB or 500MB",
		pattern: whole(`[0-9]+(?:[.][0-9]+)?(?:` + strings.Join(sizeUnitNames(), "|") + `)`), longest: 24,
		inspect: inspectSize,
	}

	layerSizeRule = &rule{
		what: "the size of a layer", form: "a number and a unit, of 1MiB or more, as in 512MiB",
		pattern: sizeRule.pattern, longest: sizeRule.longest, inspect: inspectLayerSize,
	}

	checkRule = &rule{
		what: "the ID of a check", form: "as \"bootkiln check --list\" prints it",
		pattern: whole(`[a-z0-9]+(?:-[a-z0-9]+)*`), longest: 64,
	}
)

var (
	// distributions are the ID of os-release(5) of those whose package manager
	// is known.
	distributions = []string{"almalinux", "centos", "debian", "fedora", "rhel", "rocky", "ubuntu"}

	// architectures are GOARCH names, as OCI images have them.
	architectures = []string{"amd64", "arm64", "ppc64le", "riscv64", "s390x"}

	architectureSynonyms = map[string]string{
		"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "x86_64_v2": "amd64", "x86_64_v3": "amd64",
		"aarch64": "arm64", "armv8": "arm64", "ppc64el": "ppc64le",
	}

	// unitSuffixes are the unit types of systemd.unit(5) that can be enabled or
	// masked.
	unitSuffixes = []string{
		"service", "socket", "timer", "target", "path", "mount", "automount", "swap", "slice",
	}
)

const (
	// pathName is one name in a path, of letters and digits of any script.
	pathName       = `[\p{L}\p{M}\p{N}._@:+,=%~ -]+`
	pathCharacters = `[\p{L}\p{M}\p{N}._@:+,=%~ /-]`

	variableName = `[A-Za-z_][A-Za-z0-9_]*`
)

// shellVariable matches the names to which bash gives values of its own, or
// allows none, and those that say which programs and libraries a step runs.
var shellVariable = whole(`_|BASH.*|COMP_.*|DIRSTACK|ENV|EPOCH(?:REALTIME|SECONDS)|EUID|FUNCNAME|GROUPS|HISTCMD|IFS|LD_.*|LINENO|` +
	`OLDPWD|OPTIND|PATH|PIPESTATUS|POSIXLY_CORRECT|PPID|PWD|S?RANDOM|SECONDS|SHELLOPTS|SHLVL|UID`)

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

func platformSynonyms() map[string]string {
	out := map[string]string{}
	for _, a := range architectures {
		out[a] = "linux/" + a
	}
	for s, a := range architectureSynonyms {
		out[s], out["linux/"+s] = "linux/"+a, "linux/"+a
	}
	return out
}

// distroLike are an ID and a version, however they are joined.
var distroLike = regexp.MustCompile(`^([A-Za-z-]*[A-Za-z])[ :_-]?([0-9]+)$`)

// releases are the names of releases that people know better than the number.
var releases = map[string]string{
	"bullseye": "debian-11", "bookworm": "debian-12", "trixie": "debian-13",
	"jammy": "ubuntu-22", "noble": "ubuntu-24",
	"stream9": "centos-9", "stream10": "centos-10", "stream-9": "centos-9", "stream-10": "centos-10",
}

func inspectDistro(text string, _ *source) *fault {
	id, major, ok := strings.Cut(text, "-")
	if m := distroLike.FindStringSubmatch(text); m != nil {
		id, major, ok = m[1], m[2], true // cent-os-10, centos10
		if slices.Contains(distributions, id) && text != id+"-"+major {
			return &fault{hint: fmt.Sprintf("write %q", id+"-"+major)}
		}
	}
	if slices.Contains(distributions, id) {
		if dotted, _, minor := strings.Cut(major, "."); ok && minor {
			return &fault{why: "only the major version is part of it", hint: fmt.Sprintf("write %q", id+"-"+dotted)}
		}
		return nil
	}
	if named, known := releases[strings.ToLower(text)]; known {
		return &fault{why: "releases go by ID and number", hint: fmt.Sprintf("write %q", named)}
	}
	near := diag.Nearest(id, distributions)
	if near != "" && ok {
		near += "-" + major
	}
	return &fault{hint: didYouMean(near, "known are "+strings.Join(distributions, ", ")+", each with its major version, as in centos-10")}
}

func inspectPackage(text string, _ *source) *fault {
	switch {
	case strings.HasPrefix(text, "-"):
		return &fault{why: "it begins with \"-\" and would be read as an option", hint: "to take a package off, list it under packages.remove"}
	case strings.HasPrefix(text, "@"):
		return &fault{why: "it begins with \"@\", which is for groups", hint: "list it under packages.groups"}
	case strings.ContainsAny(text, " \t,"):
		return &fault{why: "it has a blank or a comma in it", hint: "each package is an item of its own"}
	case strings.ContainsRune(text, '/'):
		return &fault{why: "a package is named, not its file or address", hint: "files and addresses are for packages.install"}
	case strings.Trim(text, "*?[]") == "":
		return &fault{why: "it matches every package"}
	}
	return nil
}

// inProject refuses paths that do not lead from the file's folder to
// somewhere in the project.
func inProject(text string, src *source) *fault {
	switch {
	case strings.HasPrefix(text, "/"), strings.HasPrefix(text, "~"):
		return &fault{code: "path-leaves-project", why: "it is not in the project", hint: "copy the file into the project, and name it relative to the folder of this file"}
	case strings.Contains(text, "://"):
		return &fault{why: "it is an address, and no file of the project", hint: "put the file into the project, and name it relative to the folder of this file"}
	case strings.Contains(text, `\`), len(text) > 1 && text[1] == ':':
		return &fault{why: "it is written as on Windows", hint: "write / between folders, relative to the folder of this file"}
	}
	if joined := path.Join(src.dir, text); joined == ".." || strings.HasPrefix(joined, "../") {
		return &fault{code: "path-leaves-project", why: "it leads out of the project", hint: "copy the file into the project"}
	}
	return nil
}

func inspectAbsolute(text string, _ *source) *fault {
	switch {
	case strings.HasPrefix(text, "~"):
		return &fault{why: "~ is the shell's", hint: "write the whole path"}
	case !strings.HasPrefix(text, "/") && strings.Contains(text, "/"):
		return &fault{why: "it is not absolute", hint: fmt.Sprintf("write %q", path.Join("/", text))}
	case !strings.HasPrefix(text, "/"):
		return &fault{why: "it is not absolute"}
	}
	if clean := path.Clean(text); clean != text {
		return &fault{why: "it has '..', '.', '//' or a '/' at its end", hint: fmt.Sprintf("write %q", clean)}
	}
	return nil
}

// inspectDestination refuses the folders that are empty when the image runs,
// because the system mounts something over them.
func inspectDestination(text string, src *source) *fault {
	if f := inspectAbsolute(text, src); f != nil {
		return f
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	switch top {
	case "proc", "sys", "dev":
		return &fault{why: "/" + top + " is the kernel's, and no file in an image"}
	case "run", "tmp":
		return &fault{
			why:  "/" + top + " is emptied at every boot",
			hint: "to have a file made there at boot, write a tmpfiles.d(5) line to /usr/lib/tmpfiles.d",
		}
	}
	return nil
}

func inspectHome(text string, _ *source) *fault {
	if strings.HasPrefix(text, "~") {
		return &fault{why: "~ is the shell's", hint: "write the whole path, or use env"}
	}
	return nil
}

func inspectUnit(text string, _ *source) *fault {
	stem, suffix, found := cutLast(text, ".")
	if found && slices.Contains(unitSuffixes, suffix) {
		return nil
	}
	near := text + ".service"
	if found {
		near = diag.Nearest(suffix, unitSuffixes)
		if near != "" {
			near = stem + "." + near
		}
	}
	return &fault{hint: didYouMean(near, "a unit name ends in ."+strings.Join(unitSuffixes, ", ."))}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func inspectKernelArgument(text string, _ *source) *fault {
	if strings.ContainsAny(text, " \t") {
		return &fault{why: "it has a blank in it", hint: "each argument is an item of its own"}
	}
	switch key, _, _ := strings.Cut(text, "="); key {
	case "root", "ostree", "composefs", "initrd", "rootflags":
		return &fault{why: key + " is set by the installation", hint: "remove it"}
	}
	return nil
}
