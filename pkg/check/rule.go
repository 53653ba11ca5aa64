// Package check → turns an image.Image into a [Report]: will a machine that is
// given this image start, and what will surprise its administrator?
//
// What can be wrong is a table of rules over the image's file system and
// configuration. Rules are independent: one that fails or panics says so, and
// the others run. [Assertions] are the image's own: what its recipe says it
// must hold.
package check

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Rule is one thing that is checked. Either Run or Visit is set.
type Rule struct {
	// ID is in kebab case; it never changes its meaning.
	ID string `json:"id"`
	// Summary is the rule itself in one line, as in "there is exactly one kernel".
	Summary string `json:"summary"`
	// Severity is that of all findings. Only errors keep an image from being
	// published.
	Severity diag.Severity `json:"severity"`
	// Required rules hold for every image that is published: without a kernel,
	// or with an initramfs that cannot start it, there is no machine. Callers
	// that publish let nobody skip them, or make them warnings.
	Required bool `json:"required"`
	// Doc says what a finding means on a machine that is given the image.
	Doc string `json:"doc"`
	// Source is where the rule is from: the lint of "bootc container lint" that
	// it contains, or the file of the project whose behaviour it foresees.
	Source string `json:"source"`
	// Hint says how to mend a finding that has no better hint of its own.
	Hint string `json:"hint"`

	// Run looks at the image. Only Path, Message and Hint of a finding are its
	// to set. The error says that it could not look, or by [NotApplicable] that
	// there is nothing to look at.
	Run func(ctx context.Context, t *Target) ([]Finding, error) `json:"-"`
	// Visit looks at one file. All rules with a Visit share one walk over the
	// root file system, which comes to every file in lexical order, to folders
	// before their content, and to links without following them.
	Visit func(t *Target, f File) ([]Finding, error) `json:"-"`
}

// Rules returns all rules, sorted by ID.
func Rules() []Rule {
	rules := slices.Clone(table)
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// Finding is one place where an image breaks a rule.
type Finding struct {
	// Rule is the rule's ID.
	Rule string `json:"rule"`
	// Severity is the rule's, or what the options make of it.
	Severity diag.Severity `json:"severity"`
	// Path is the file that it is about, from the image's root ("/usr/etc"), as
	// it stands in the file system: it may hold any bytes. "" where it is about
	// the configuration or the image as a whole. In JSON, one that is not UTF-8
	// is quoted as in Go.
	Path string `json:"path,omitempty"`
	// Message says what is wrong with it.
	Message string `json:"message"`
	// Hint says how to mend it.
	Hint string `json:"hint,omitempty"`
}

// File is a file as a rule's Visit sees it.
type File struct {
	// Name is relative to the root, as package image has it.
	Name string
	// Info describes the file itself: links are not followed.
	Info fs.FileInfo
}

// NotApplicable is the error of a rule that has nothing to say about this
// image, such as a rule about initramfs images where there is no kernel. Its
// text is the reason.
type NotApplicable string

// Error returns the reason.
func (n NotApplicable) Error() string { return string(n) }

// UnknownRuleError says that an option names a rule that does not exist.
type UnknownRuleError struct {
	// ID is what the option says.
	ID string
	// Near is the ID that was probably meant; "" where none is near.
	Near string
}

// Error names the ID and the near one.
func (e *UnknownRuleError) Error() string {
	if e.Near != "" {
		return fmt.Sprintf("no rule %q; did you mean %q?", e.ID, e.Near)
	}
	return fmt.Sprintf("no rule %q", e.ID)
}

// found makes the findings of a rule that has one.
func found(name, format string, args ...any) []Finding {
	return []Finding{finding(name, format, args...)}
}

// finding is about the file of a name as package image has it; "" is none.
func finding(name, format string, args ...any) Finding {
	f := Finding{Message: fmt.Sprintf(format, args...)}
	switch name {
	case "":
	case ".":
		f.Path = "/"
	default:
		f.Path = "/" + name
	}
	return f
}
