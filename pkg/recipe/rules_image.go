package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

var (
	imageRule = &rule{
		what: "an image", form: "registry, repository and tag, as in quay.io/centos-bootc/centos-bootc:stream10",
		longest: 1024, variables: true, inspect: inspectImage,
	}

	targetRule = &rule{
		what: "a repository", form: "registry and repository, as in ghcr.io/me/my-os, or a place, as in \"oci-archive:out/my-os.tar\"",
		longest: 512, variables: true, inspect: inspectTarget,
	}

	tagRule = &rule{
		what: "a tag", form: "letters, digits, '.', '_' and '-', and words in braces, as in \"{version}.{date}\"",
		pattern: whole(`(?:[A-Za-z0-9_]|` + templateWords + `)(?:[A-Za-z0-9._-]|` + templateWords + `)*`), longest: 128,
		inspect: inspectTag,
	}

	signingKeyRule = &rule{
		what: "a signing key", form: "a file, as in cosign.key, or env://NAME, or the URI of a key service",
		pattern: whole(`env://` + variableName + `|(?:` + strings.Join(keySchemes[1:], "|") + `)://[A-Za-z0-9._~:/?@!&=+,;%\[\]-]+|` + pathCharacters + `+`),
		longest: 1024, inspect: inspectSigningKey,
	}
)

// transports are those of containers-transports(5) that a build can start
// from. A reference without one is "docker://".
var transports = []string{
	"docker", "containers-storage", "oci", "oci-archive", "docker-archive", "docker-daemon", "dir",
}

// keySchemes are those that cosign reads keys from.
var keySchemes = []string{"env", "awskms", "azurekms", "gcpkms", "hashivault", "k8s"}

// tagWords are what a tag template may ask for.
var tagWords = []string{
	"date", "time", "version", "major", "minor", "git", "git-branch", "digest", "kernel",
}

var templateWords = `\{(?:` + strings.Join(tagWords, "|") + `)\}`

func inspectImage(text string, _ *source) *fault {
	if rest, ok := strings.CutPrefix(text, "docker://"); ok {
		return inspectReference(rest)
	}
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case !ok || scheme == "docker":
		return inspectReference(text)
	case !slices.Contains(transports, scheme):
		// What is before a colon may be a repository, or a registry whose
		// port follows.
		mistyped := diag.Nearest(scheme, transports) != "" && !strings.Contains(scheme, "/")
		if mistyped || strings.HasPrefix(rest, "//") {
			return unknownTransport(scheme)
		}
		return inspectReference(text)
	case rest == "":
		return &fault{why: "nothing follows the transport"}
	case strings.ContainsAny(rest, " \"'`$\\<>|&;()"):
		return &fault{why: "it has a character in it that no reference needs"}
	}
	return nil
}

func unknownTransport(scheme string) *fault {
	return &fault{
		why:  fmt.Sprintf("there is no transport %q", scheme),
		hint: didYouMean(diag.Nearest(scheme, transports), "the transports are "+strings.Join(transports, ", ")),
	}
}

// inspectReference looks at a reference to a registry. The registry has to be
// named: which one a short name means depends on the machine.
func inspectReference(text string) *fault {
	if lower := lowerRepository(text); lower != text {
		return &fault{why: "registries demand lower case", hint: fmt.Sprintf("write %q", lower)}
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return &fault{}
	}
	if first, _, ok := strings.Cut(text, "/"); !ok || reference.Domain(named) != first {
		return &fault{why: "it does not say which registry", hint: fmt.Sprintf("write the registry too, as in %q", named.String())}
	}
	return nil
}

// lowerRepository returns a reference with its repository, not its tag, in
// lower case.
func lowerRepository(text string) string {
	end := len(text)
	if i := strings.Index(text, "@"); i >= 0 {
		end = i
	}
	if i := strings.LastIndex(text[:end], ":"); i > strings.LastIndex(text[:end], "/") {
		end = i
	}
	return strings.ToLower(text[:end]) + text[end:]
}

// placeTransports are those that an image can be published to beside registries.
var placeTransports = []string{"oci", "oci-archive", "docker-archive", "containers-storage"}

// IsPlace reports whether the target is no registry: a folder, an archive or an
// image store, named as containers-transports(5) has it. Nothing is signed there.
func (t Target) IsPlace() bool {
	scheme, _, ok := strings.Cut(t.To.Value, ":")
	return ok && slices.Contains(placeTransports, scheme)
}

func unknownPlace(scheme string) *fault {
	return &fault{
		why:  fmt.Sprintf("no image can be published to %q", scheme+":"),
		hint: didYouMean(diag.Nearest(scheme, placeTransports), "beside registries, the places are "+strings.Join(placeTransports, ", ")),
	}
}

// inspectPlace looks at what follows the transport: a path, or a name in the
// store, with words in braces.
func inspectPlace(scheme, rest string) *fault {
	if f := inspectWords(rest); f != nil {
		return f
	}
	plain := templateWord.ReplaceAllString(rest, "x")
	switch {
	case plain == "":
		return &fault{why: "nothing follows " + quote(scheme+":")}
	case scheme == "containers-storage":
		named, err := reference.ParseNormalizedNamed(plain)
		if err != nil {
			return &fault{why: "this is no name of an image"}
		}
		if !reference.IsNameOnly(named) {
			return &fault{why: "it has a tag or a digest", hint: "write the tag under tags"}
		}
		return nil
	case strings.Contains(plain, ":"):
		return &fault{why: "its path has a colon in it", hint: "write the name of the image under tags"}
	case strings.ContainsAny(plain, "\"'`$\\<>|&;()*?") || strings.HasSuffix(plain, "/"):
		return &fault{why: "it is no path of a file or folder"}
	}
	return nil
}

func inspectTarget(text string, _ *source) *fault {
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if slices.Contains([]string{"docker", "https", "http"}, scheme) {
			return &fault{why: "a repository has no scheme", hint: fmt.Sprintf("write %q", rest)}
		}
		return unknownPlace(scheme)
	}
	if scheme, rest, ok := strings.Cut(text, ":"); ok && slices.Contains(placeTransports, scheme) {
		return inspectPlace(scheme, rest)
	} else if ok && (slices.Contains(transports, scheme) || diag.Nearest(scheme, placeTransports) != "" && !strings.ContainsAny(scheme, "/.")) {
		return unknownPlace(scheme)
	}
	if lower := strings.ToLower(text); lowerRepository(text) != text {
		// Told with the tag, which would be the next problem.
		if named, err := reference.ParseNormalizedNamed(lower); err == nil && !reference.IsNameOnly(named) {
			return &fault{why: "registries demand lower case, and it has a tag or a digest", hint: fmt.Sprintf("write %q, and the tags under tags", named.Name())}
		}
	}
	if f := inspectReference(text); f != nil {
		return f
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return &fault{}
	}
	if !reference.IsNameOnly(named) {
		return &fault{why: "it has a tag or a digest", hint: fmt.Sprintf("write %q, and the tags under tags", named.Name())}
	}
	return nil
}

var templateWord = regexp.MustCompile(`\{([^{}]*)\}`)

// TagFault says what is wrong with the words of a tag that does not come from a
// recipe, and how to mend it; both are "" where nothing is.
func TagFault(text string) (why, hint string) {
	if f := inspectWords(text); f != nil {
		return f.why, f.hint
	}
	return "", ""
}

func inspectTag(text string, _ *source) *fault { return inspectWords(text) }

// inspectWords looks at the words in braces.
func inspectWords(text string) *fault {
	for _, m := range templateWord.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(tagWords, m[1]) {
			near := diag.Nearest(m[1], tagWords)
			if near != "" {
				near = "{" + near + "}"
			}
			return &fault{
				why:  fmt.Sprintf("there is no word {%s}", m[1]),
				hint: didYouMean(near, "the words are {"+strings.Join(tagWords, "}, {")+"}"),
			}
		}
	}
	if rest := templateWord.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
		return &fault{why: "its braces do not match"}
	}
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "-") {
		return &fault{why: fmt.Sprintf("it begins with %q", text[:1])}
	}
	return nil
}

func inspectSigningKey(text string, src *source) *fault {
	scheme, rest, ok := strings.Cut(text, "://")
	switch {
	case !ok:
		return inspectHome(text, src)
	case !slices.Contains(keySchemes, scheme):
		return &fault{
			why:  fmt.Sprintf("there is no key service %q", scheme),
			hint: didYouMean(diag.Nearest(scheme, keySchemes), "the services are "+strings.Join(keySchemes, ", ")),
		}
	case rest == "":
		return &fault{why: "nothing follows the scheme"}
	case scheme == "env":
		if !validVariable.MatchString(rest) {
			return &fault{why: fmt.Sprintf("%q is not the name of an environment variable", rest)}
		}
	}
	return nil
}
