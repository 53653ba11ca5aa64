package check

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The part of SARIF 2.1.0 that reports need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool            `json:"tool"`
		Invocations []sarifInvocation    `json:"invocations"`
		BaseIDs     map[string]sarifBase `json:"originalUriBaseIds"`
		// Results is never nil: without it the run would not have looked.
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string            `json:"name"`
		Version        string            `json:"version,omitempty"`
		InformationURI string            `json:"informationUri"`
		Rules          []sarifDescriptor `json:"rules"`
		Notifications  []sarifDescriptor `json:"notifications"`
	}
	sarifDescriptor struct {
		ID         string              `json:"id"`
		Short      *sarifText          `json:"shortDescription,omitempty"`
		Full       *sarifText          `json:"fullDescription,omitempty"`
		Help       *sarifText          `json:"help,omitempty"`
		Default    *sarifConfiguration `json:"defaultConfiguration,omitempty"`
		Properties *sarifProperties    `json:"properties,omitempty"`
	}
	sarifProperties struct {
		Required bool   `json:"required"`
		Source   string `json:"source"`
	}
	sarifConfiguration struct {
		// Enabled is true unless the options skip the rule.
		Enabled bool `json:"enabled"`
		// Level has the names of severities.
		Level diag.Severity `json:"level"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Overrides     []sarifOverride     `json:"ruleConfigurationOverrides,omitempty"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifOverride struct {
		Descriptor    sarifReference     `json:"descriptor"`
		Configuration sarifConfiguration `json:"configuration"`
	}
	sarifNotification struct {
		Descriptor sarifReference `json:"descriptor"`
		Rule       sarifReference `json:"associatedRule"`
		Level      diag.Severity  `json:"level"`
		Message    sarifText      `json:"message"`
	}
	sarifReference struct {
		ID    string `json:"id"`
		Index int    `json:"index"`
	}
	sarifBase struct {
		Description sarifText `json:"description"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     diag.Severity   `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI    string `json:"uri"`
		BaseID string `json:"uriBaseId"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	// sarifRoot stands for the root of the image's file system, which is nowhere
	// on the reader's machine.
	sarifRoot = "IMAGEROOT"
)

// The kinds of notifications, by their place among those of the tool.
var (
	couldNotRun = sarifReference{ID: string(StatusCouldNotRun), Index: 0}
	leftOut     = sarifReference{ID: "findings-left-out", Index: 1}
)

// WriteSARIF writes the report as SARIF 2.1.0
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), with the version of the
// program as the tool's. Rules that could not run, and findings beyond those
// that the report holds, are notifications of the invocation. What is about the
// image as a whole is located at its root, because readers such as GitHub
// refuse results without a file.
func (r *Report) WriteSARIF(w io.Writer, version string) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "bootkiln", Version: version, InformationURI: "https://github.com/bootkiln/bootkiln",
			Rules: []sarifDescriptor{},
			Notifications: []sarifDescriptor{
				{ID: couldNotRun.ID, Short: sarifMessage("a rule could not run, or not to its end")},
				{ID: leftOut.ID, Short: sarifMessage("a rule found more than the report holds")},
			},
		}},
		Invocations: []sarifInvocation{{Successful: r.CouldNotRun == 0}},
		BaseIDs:     map[string]sarifBase{sarifRoot: {*sarifMessage("the root of the file system of " + printable(r.Image))}},
		Results:     []sarifResult{},
	}
	for i, o := range r.Rules {
		run.addRule(sarifReference{o.ID, i}, o, len(r.of(o.ID)))
		for _, f := range r.of(o.ID) {
			run.Results = append(run.Results, r.sarifResult(i, o, f))
		}
	}
	b, err := json.MarshalIndent(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding SARIF: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// addRule describes a rule, of whose findings the report holds some.
func (run *sarifRun) addRule(ref sarifReference, o Outcome, held int) {
	driver, invocation := &run.Tool.Driver, &run.Invocations[0]
	driver.Rules = append(driver.Rules, sarifDescriptor{
		ID: o.ID, Short: sarifMessage(o.rule.Summary), Full: sarifMessage(o.rule.Doc), Help: sarifMessage(o.rule.Hint),
		Default:    &sarifConfiguration{Enabled: true, Level: o.rule.Severity},
		Properties: &sarifProperties{Required: o.rule.Required, Source: o.rule.Source},
	})
	if skipped := o.Status == StatusSkipped; skipped || o.Severity != o.rule.Severity {
		invocation.Overrides = append(invocation.Overrides, sarifOverride{ref, sarifConfiguration{Enabled: !skipped, Level: o.Severity}})
	}
	notify := func(kind sarifReference, words string) {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{kind, ref, o.Severity, *sarifMessage(words)})
	}
	if o.Status == StatusCouldNotRun {
		notify(couldNotRun, o.failure())
	}
	if more := o.Findings - held; more > 0 {
		notify(leftOut, plural(more, "more finding"))
	}
}

func (r *Report) sarifResult(index int, o Outcome, f Finding) sarifResult {
	words := f.line()
	if f.Hint != o.rule.Hint {
		words += "\nmend: " + printable(f.Hint)
	}
	return sarifResult{
		RuleID: o.ID, RuleIndex: index, Level: f.Severity, Message: *sarifMessage(words),
		Locations: []sarifLocation{{
			Physical: sarifPhysical{sarifArtifact{URI: sarifURI(f.Path), BaseID: sarifRoot}},
			Logical:  []sarifLogical{{Name: printable(r.Image), Kind: "resource"}},
		}},
	}
}

// sarifURI is a path, which may be of any bytes, relative to the image's root.
func sarifURI(path string) string {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return "./"
	}
	return (&url.URL{Path: path}).String()
}

// sarifMessage returns text that readers take for nothing but text: braces
// would be placeholders (3.11.5), and "[…](…)" a link (3.11.6). nil for none.
func sarifMessage(text string) *sarifText {
	if text == "" {
		return nil
	}
	return &sarifText{strings.NewReplacer("{", "{{", "}", "}}", "](", `\](`).Replace(text)}
}
