package pipeline

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Facts are what the words of a tag template stand for. An empty value means
// that the fact is not known; a template that asks for it is a problem at its
// place in the recipe.
type Facts struct {
	// Time is the moment of the build; {date} is its UTC day as 20060102 and
	// {time} its UTC time of day as 150405.
	Time time.Time
	// Version is the operating system's VERSION_ID, or the recipe's label
	// org.opencontainers.image.version where it has one.
	Version string
	// Git is the abbreviated commit of the project, GitBranch its branch.
	Git, GitBranch string
	// Digest is the manifest's digest, "sha256:…"; {digest} is its first twelve
	// hexadecimal digits.
	Digest string
	// Kernel is the release of the image's kernel.
	Kernel string
}

var (
	templateWord = regexp.MustCompile(`\{([a-z-]*)\}`)
	// validTag is the grammar of a tag in the OCI distribution specification,
	// "Pulling manifests".
	validTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	notInTag = regexp.MustCompile(`[^A-Za-z0-9._-]`)
)

// Tags expands the templates of one publish target, in the order in which the
// tags are to be written: what names one build first, what moves with every
// build last, so that a follower of the floating tag never gets ahead of the
// exact ones. A tag that two templates yield is written once.
func Tags(templates []recipe.String, facts Facts) ([]string, diag.List) {
	type ranked struct {
		tag  string
		rank int
	}
	var tags []ranked
	var problems diag.List
	for _, t := range templates {
		tag, unknown := facts.fill("tag", t)
		problems = append(problems, unknown...)
		if len(unknown) > 0 {
			continue
		}
		if !validTag.MatchString(tag) {
			problems.Add(diag.Diagnostic{
				Pos: t.Pos, Code: "invalid-tag",
				Message: "tag " + quote(t.Value) + " becomes " + quote(tag) + ", which no registry accepts",
				Hint:    "a tag has at most 128 letters, digits, dots, dashes and underscores, and begins with none of '.' and '-'",
			})
			continue
		}
		tags = append(tags, ranked{tag, specificity(t.Value)})
	}
	slices.SortStableFunc(tags, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
	var out []string
	for _, t := range tags {
		if !slices.Contains(out, t.tag) {
			out = append(out, t.tag)
		}
	}
	return out, problems
}

// fill replaces the words of a template, and reports those that are not known.
func (f Facts) fill(what string, t recipe.String) (text string, problems diag.List) {
	text, unknown := f.expand(t.Value)
	for _, word := range unknown {
		problems.Add(diag.Diagnostic{
			Pos: t.Pos, Code: "unknown-fact",
			Message: what + " " + quote(t.Value) + " asks for {" + word + "}, which is not known here",
			Hint:    factHints[word],
		})
	}
	return text, problems
}

var factHints = map[string]string{
	"digest":     `a place is named before the image in it has a digest; use {git} or {date}`,
	"version":    `set the label org.opencontainers.image.version, or build on a base whose os-release has VERSION_ID`,
	"major":      `set the label org.opencontainers.image.version, or build on a base whose os-release has VERSION_ID`,
	"minor":      `the version has no second part; use {version}`,
	"git":        `the recipe's folder is in no git repository with a commit; commit it, or use {date}`,
	"git-branch": `the recipe's folder is on no git branch; use {git}`,
	"kernel":     `the image has no kernel whose release can be read`,
}

// specificity ranks a template: the more exactly it names one build, the
// earlier its tag is written.
func specificity(template string) int {
	rank := 0
	for _, m := range templateWord.FindAllStringSubmatch(template, -1) {
		switch m[1] {
		case "digest", "git", "time":
			rank += 100
		case "date", "kernel":
			rank += 10
		default:
			rank++
		}
	}
	if rank == 0 && template != "latest" {
		rank = 1
	}
	return rank
}

// expand replaces the template's words; unknown are those without a value.
func (f Facts) expand(template string) (tag string, unknown []string) {
	tag = templateWord.ReplaceAllStringFunc(template, func(m string) string {
		word := m[1 : len(m)-1]
		value := f.value(word)
		if value == "" {
			unknown = append(unknown, word)
		}
		return value
	})
	return tag, unknown
}

func (f Facts) value(word string) string {
	parts := strings.SplitN(f.Version, ".", 3)
	switch word {
	case "date":
		return f.Time.UTC().Format("20060102")
	case "time":
		return f.Time.UTC().Format("150405")
	case "version":
		return notInTag.ReplaceAllString(f.Version, "-")
	case "major":
		return notInTag.ReplaceAllString(parts[0], "-")
	case "minor":
		if len(parts) > 1 {
			return notInTag.ReplaceAllString(parts[1], "-")
		}
	case "git":
		return f.Git
	case "git-branch":
		// A branch such as "feature/x" is no tag as it stands.
		return notInTag.ReplaceAllString(f.GitBranch, "-")
	case "digest":
		_, hex, _ := strings.Cut(f.Digest, ":")
		return hex[:min(len(hex), 12)]
	case "kernel":
		return notInTag.ReplaceAllString(f.Kernel, "-")
	}
	return ""
}

func quote(s string) string { return `"` + s + `"` }
