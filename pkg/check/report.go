package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// Report is the result of checking an image. Encoded as JSON its names are
// stable.
type Report struct {
	// Image is the image's location.
	Image string `json:"image"`
	// Errors, Warnings and Notes count the findings of each severity, those
	// beyond the ones that are kept included.
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
	// CouldNotRun counts the rules of that status.
	CouldNotRun int `json:"couldNotRun"`
	// Findings are sorted by severity, rule, path and message.
	Findings []Finding `json:"findings"`
	// Rules are all rules, sorted by ID.
	Rules []Outcome `json:"rules"`
}

// Outcome is what became of one rule.
type Outcome struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Severity is that of the rule's findings after the options.
	Severity diag.Severity `json:"severity"`
	// Reason says why the rule could not run or is not applicable; else "".
	Reason string `json:"reason,omitempty"`
	// Findings counts all of them; a report holds the first 100,000, which is all of
	// any image that was not made to have more.
	Findings int `json:"findings"`

	rule Rule
}

// Status says how the run of a rule ended.
type Status string

// The statuses. A rule that found something and then could not go on is
// StatusCouldNotRun, and its findings are in the report.
const (
	StatusPassed        Status = "passed"
	StatusFound         Status = "found"
	StatusSkipped       Status = "skipped"        // the options say so
	StatusNotApplicable Status = "not-applicable" // the image has nothing that the rule is about
	StatusCouldNotRun   Status = "could-not-run"  // counts like a finding of the rule's severity
)

func newReport(location string, runs []*ruleRun) *Report {
	rep := &Report{Image: location, Findings: []Finding{}}
	for _, r := range runs {
		o := Outcome{ID: r.ID, Status: StatusPassed, Severity: r.severity, Findings: r.count, rule: r.Rule}
		switch {
		case r.skipped:
			o.Status = StatusSkipped
		case r.err != nil:
			o.Status, o.Reason = StatusCouldNotRun, r.err.Error()
			rep.CouldNotRun++
		case r.count > 0:
			o.Status = StatusFound
		case r.notApplicable != "":
			o.Status, o.Reason = StatusNotApplicable, string(r.notApplicable)
		}
		switch o.Severity {
		case diag.Error:
			rep.Errors += r.count
		case diag.Warning:
			rep.Warnings += r.count
		case diag.Note:
			rep.Notes += r.count
		}
		rep.Rules = append(rep.Rules, o)
		rep.Findings = append(rep.Findings, r.findings...)
	}
	slices.SortFunc(rep.Rules, func(a, b Outcome) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(rep.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return rep
}

// bySeverity returns the rules, those whose findings are errors first.
func (r *Report) bySeverity() []Outcome {
	outcomes := slices.Clone(r.Rules)
	slices.SortStableFunc(outcomes, func(a, b Outcome) int { return cmp.Compare(a.Severity, b.Severity) })
	return outcomes
}

// of returns the findings of a rule that the report holds, which are sorted to
// stand together.
func (r *Report) of(id string) []Finding {
	first := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Rule == id })
	if first < 0 {
		return nil
	}
	findings := r.Findings[first:]
	if end := slices.IndexFunc(findings, func(f Finding) bool { return f.Rule != id }); end >= 0 {
		findings = findings[:end]
	}
	return findings
}

// Err is nil unless a rule of severity error has findings or could not run;
// then it is a [*FailedError].
func (r *Report) Err() error {
	if len(r.failed()) == 0 {
		return nil
	}
	return &FailedError{Report: r}
}

// failed lists the rules that keep the image from being published.
func (r *Report) failed() []string {
	var ids []string
	for _, o := range r.Rules {
		if o.Severity == diag.Error && (o.Findings > 0 || o.Status == StatusCouldNotRun) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// FailedError says that an image failed its checks.
type FailedError struct {
	// Report is never nil.
	Report *Report
}

// Error names the image and the rules.
func (e *FailedError) Error() string {
	ids := e.Report.failed()
	word := "rules"
	if len(ids) == 1 {
		word = "rule"
	}
	return fmt.Sprintf("image %q fails %d %s: %s", image.Called(e.Report.Image), len(ids), word, strings.Join(ids, ", "))
}

// MarshalJSON quotes a path that is not UTF-8: JSON cannot hold it, and
// encoding/json would make different paths the same.
func (f Finding) MarshalJSON() ([]byte, error) {
	type plain Finding
	if !utf8.ValidString(f.Path) {
		f.Path = strconv.Quote(f.Path)
	}
	return json.Marshal(plain(f))
}
