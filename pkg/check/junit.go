package check

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The elements are those that Jenkins and GitLab read; none of them has a
// schema of its maker. No time is given: rules run beside each other, and share
// a walk.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Failure *junitResult `xml:"failure"`
		Error   *junitResult `xml:"error"`
		Skipped *junitResult `xml:"skipped"`
		Output  *junitOutput `xml:"system-out"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",cdata"`
	}
	junitOutput struct {
		Text string `xml:",cdata"`
	}
)

// WriteJUnit writes the report as the XML in which JUnit tells of tests: one
// for each rule. What fails there is what [Report.Err] counts: a rule of
// severity error that found something is a failure, and one that could not run
// an error. What other rules found is the output of a test that passed; one of
// them that could not run is skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: printable(r.Image), Tests: len(r.Rules)}
	for _, o := range r.Rules {
		c := junitCase{Class: "bootkiln.check", Name: o.ID}
		skipped := func(why string) {
			suite.Skipped++
			c.Skipped = &junitResult{Message: why}
		}
		var text string
		if o.tells() {
			text = r.explain(o)
		}
		switch fatal := o.Severity == diag.Error; {
		case o.Status == StatusCouldNotRun && fatal:
			suite.Errors++
			c.Error = &junitResult{Message: o.failure(), Type: string(o.Status), Text: text}
		case o.Status == StatusCouldNotRun:
			skipped(o.failure())
			c.Output = &junitOutput{text}
		case o.Status == StatusFound && fatal:
			suite.Failures++
			c.Failure = &junitResult{Message: plural(o.Findings, "finding"), Type: o.Severity.String(), Text: text}
		case o.Status == StatusFound:
			c.Output = &junitOutput{o.Severity.String() + "\n" + text}
		case o.Status == StatusNotApplicable:
			skipped("not applicable: " + printable(o.Reason))
		case o.Status == StatusSkipped:
			skipped("the options say so")
		}
		suite.Cases = append(suite.Cases, c)
	}
	b, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding XML: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(b)+"\n")
	return err
}
