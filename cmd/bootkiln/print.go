package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// print shows an error and, where there is one, how to mend it.
func (e *env) print(err error, hint string) {
	// Errors that were joined are a line each.
	for i, line := range strings.Split(err.Error(), "\n") {
		prefix := "bootkiln: "
		if i > 0 {
			prefix = "  "
		}
		fmt.Fprintf(e.text(), "%s%s\n", prefix, diag.Printable(line))
	}
	if e.onActions() {
		progress.Annotate(e.stderr, diag.List{{Message: err.Error(), Hint: hint}})
	}
	for line := range strings.Lines(hint) {
		fmt.Fprintf(e.text(), "  hint: %s\n", diag.Printable(strings.TrimSuffix(line, "\n")))
	}
}

// printProblems shows the problems of a recipe that an error carries.
func (e *env) printProblems(err error, list diag.List) {
	var sources diag.Sources
	if re, ok := asError[*recipeError](err); ok {
		sources = re.sources
	}
	e.showProblems(list, sources)
}

// showProblems shows problems of a recipe at their places; under GitHub Actions
// also beside the lines of the commit, and in the summary of the step.
func (e *env) showProblems(list diag.List, sources diag.Sources) {
	diag.Print(e.text(), list, sources, e.color(e.stderrIsTerminal))
	if !e.onActions() || len(list) == 0 {
		return
	}
	progress.Annotate(e.stderr, list)
	var text strings.Builder
	diag.Print(&text, list, sources, false)
	e.appendSummary("### Problems of the recipe\n\n```\n" + text.String() + "```\n")
}

// writeProblems writes the problems that an error carries to stdout, as an
// array in JSON, and returns the error as one that has been told.
func (e *env) writeProblems(err error) error {
	problems, ok := asError[*diag.ListError](err)
	if !ok {
		return err
	}
	if werr := e.writeJSON(problems.List); werr != nil {
		return werr
	}
	return silenced(err)
}

// appendSummary appends Markdown to the step summary of GitHub Actions, where
// there is one. It is no part of the result: a failure is only logged.
func (e *env) appendSummary(markdown string) {
	path := e.getenv("GITHUB_STEP_SUMMARY")
	if path == "" || !e.onActions() {
		return
	}
	if err := progress.AppendSummary(path, markdown); err != nil {
		e.log.Warn("writing the step summary", "error", err)
	}
}

// printStep shows a failed build step at its place in the recipe, with the end
// of what it said.
func (e *env) printStep(err error, step *build.StepError) {
	for _, line := range step.Output {
		fmt.Fprintf(e.text(), "  | %s\n", diag.Printable(line))
	}
	e.printProblems(err, diag.List{{
		Pos: step.Pos, Code: "step-failed",
		Message: step.Problem(),
		Hint:    "the instruction was: " + brief(step.Instruction),
	}})
}

// brief is an instruction on one line, without its mounts.
func brief(instruction string) string {
	words := slices.DeleteFunc(strings.Fields(instruction), func(w string) bool { return strings.HasPrefix(w, "--mount=") })
	return strings.Join(words, " ")
}

// printPull shows a base image that could not be had at its place in the
// recipe, where that is known.
func (e *env) printPull(err error, pull *build.PullError) {
	if !pull.Pos.IsValid() {
		e.print(err, pull.Hint)
		return
	}
	e.printProblems(err, diag.List{{Pos: pull.Pos, Code: "base-image", Message: pull.Error(), Hint: pull.Hint}})
}

// printFailure shows why an image goes no further: the report of its checks,
// and the tests of the recipe that it fails, at their lines.
func (e *env) printFailure(err error, failedCheck *check.FailedError, failedTest *pipeline.TestError) {
	errors.As(err, &failedTest) // both may be there
	if failedCheck != nil {
		if _, printed := asError[*silentError](err); !printed {
			_ = failedCheck.Report.WriteText(e.text())
		}
		e.print(failedCheck, "")
	}
	if failedTest != nil {
		e.printProblems(err, failedTest.List)
	}
}

// text is where words for the user go. What they quote (the output of a step, a
// certificate's name) must not become a command to the runner of GitHub Actions.
func (e *env) text() io.Writer {
	if e.onActions() {
		return progress.Inert(e.stderr)
	}
	return e.stderr
}

func (e *env) onActions() bool { return e.getenv("GITHUB_ACTIONS") == "true" }

// printf writes a result to stdout.
func (e *env) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(e.stdout, format, args...)
	if err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// write writes a result to stdout.
func (e *env) write(b []byte) error {
	if _, err := e.stdout.Write(b); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}
