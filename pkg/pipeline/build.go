package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// plan turns the recipe into the text that is built, and lays it down in the
// output folder.
func (r *run) plan(ctx context.Context) (f *containerfile.File, err error) {
	err = r.stage("plan", func(st progress.Stage) error {
		p, problems, err := drawUp(ctx, r.in, r.Services, st)
		if err != nil {
			return err
		}
		if err := r.concluded(problems, st); err != nil {
			return err
		}
		r.planned = p
		r.in.Recipe = p.Recipe // as it is on this distribution
		if f, err = containerfile.Render(p); err != nil {
			return err
		}
		r.result.Base = &BaseImage{Image: f.Base.Image, Pinned: f.Base.Pinned}
		r.result.Containerfile = f.Digest()
		if err := r.sameText(f); err != nil {
			return err
		}
		if r.in.Out == "" {
			return nil
		}
		return writeFile(filepath.Join(r.in.Out, "Containerfile"), f.Text)
	})
	return f, err
}

// Plan plans the recipe: the part of a run that needs no store. ResolveBase and
// TrustFiles are the services that it uses.
func Plan(ctx context.Context, in Input, s Services, st progress.Stage) (*plan.Plan, error) {
	p, problems, err := drawUp(ctx, in, s, st)
	if err != nil {
		return nil, err
	}
	if err := concluded(problems, st); err != nil {
		return nil, err
	}
	return p, nil
}

func drawUp(ctx context.Context, in Input, s Services, st progress.Stage) (*plan.Plan, diag.List, error) {
	o := plan.Options{Epoch: in.Epoch, Read: in.Project, TrustFiles: s.TrustFiles}
	if s.ResolveBase != nil {
		o.ResolveBase = func(ctx context.Context, base recipe.Base) (plan.BaseInfo, error) {
			return s.ResolveBase(ctx, base, st)
		}
	}
	return plan.New(ctx, in.Recipe, o)
}

// concluded returns the list where there is an error in it, and shows it
// otherwise.
func concluded(list diag.List, st progress.Stage) error {
	if err := list.Err(); err != nil {
		return err
	}
	for _, d := range list {
		if d.Severity == diag.Note {
			st.Infof("%s", d)
		} else {
			st.Warnf("%s", d)
		}
	}
	return nil
}

// concluded is the same for a run, whose result has the list too.
func (r *run) concluded(list diag.List, st progress.Stage) error {
	r.result.Problems = append(r.result.Problems, list...)
	return concluded(list, st)
}

// resolve finds out what would otherwise fail in the middle of the build: names
// that no repository has.
func (r *run) resolve(ctx context.Context) error {
	if r.Resolve == nil || r.planned.Query == nil || r.in.Resume != nil {
		return nil
	}
	return r.stage("resolve", func(st progress.Stage) error {
		list, err := ask(ctx, r.planned, r.Services, st)
		if err != nil {
			return err
		}
		return r.concluded(list, st)
	})
}

// Resolve asks for the names that a plan with a query installs. Those that
// nobody knows are a [*diag.ListError]; warnings and notes are shown. Resolve is
// the only service that it uses.
func Resolve(ctx context.Context, p *plan.Plan, s Services, st progress.Stage) error {
	list, err := ask(ctx, p, s, st)
	if err != nil {
		return err
	}
	return concluded(list, st)
}

func ask(ctx context.Context, p *plan.Plan, s Services, st progress.Stage) (diag.List, error) {
	query, err := containerfile.RenderQuery(p)
	if err != nil {
		return nil, err
	}
	return s.Resolve(ctx, query, st)
}

// build makes the image, or takes the one that the run that is resumed made.
func (r *run) build(ctx context.Context, f *containerfile.File) (img image.Image, err error) {
	err = r.stage("build", func(st progress.Stage) error {
		if r.in.Resume != nil {
			if img, err = r.reopen(ctx); err != nil {
				return err
			}
			r.result.Image = img.Location()
			st.Infof("%s was built already", image.Called(img.Location()))
			return nil
		}
		began := r.Now()
		if img, err = r.Build(ctx, f, st); err != nil {
			return err
		}
		r.result.Image = img.Location()
		return r.built(f, img, began)
	})
	return img, err
}

// built notes what was built, from what.
func (r *run) built(f *containerfile.File, img image.Image, began time.Time) error {
	if r.journal == nil {
		return nil
	}
	facts := r.in.Facts
	r.journal.Build = &journal.Build{
		Recipe: r.in.Origin.Recipe, Containerfile: digest.Digest(f.Digest()), Base: r.base,
		Image: img.Location(), Began: began.UTC(), Ended: r.Now().UTC(),
		Facts: journal.Facts{Time: facts.Time.UTC(), Epoch: r.in.Epoch, Git: facts.Git, GitBranch: facts.GitBranch},
	}
	return r.log()
}

// TestError says that an image does not hold what the recipe's "tests" say of
// it.
type TestError struct {
	// List has one problem for each assertion, at its line of the recipe.
	List diag.List
}

// Error counts the assertions; where they are is in the list.
func (e *TestError) Error() string {
	if len(e.List) == 1 {
		return "the image fails a test of the recipe: " + e.List[0].Message
	}
	return fmt.Sprintf("the image fails %d tests of the recipe", len(e.List))
}

func testError(list diag.List) error {
	if len(list) == 0 {
		return nil
	}
	return &TestError{List: list}
}

// check keeps an image that cannot boot, or is not what the recipe says, from
// going any further.
func (r *run) check(ctx context.Context, img image.Image) error {
	words := r.checkWords()
	return r.stage("check", func(st progress.Stage) error {
		if r.passed("check", words) {
			st.Infof("passed already")
			return r.checkedBefore(ctx, img, st)
		}
		base := ""
		if r.planned != nil {
			base = r.planned.Base.Pinned
		}
		report, err := r.Check(ctx, img, base, r.in.Recipe.Repos)
		if err != nil {
			return err
		}
		r.report = report
		failed, err := check.Assertions(ctx, img, r.in.Recipe.Tests)
		// Also of an image that could not be tested: what was found is found.
		r.result.Checks = &CheckCount{Errors: report.Errors, Warnings: report.Warnings, FailedTests: len(failed)}
		r.result.Tests = failed
		if failed == nil {
			failed = diag.List{} // an array in JSON
		}
		if err := errors.Join(err, r.keep("check.json", checkReport{report, failed})); err != nil {
			return err
		}
		if err := r.optional(ctx, img, st); err != nil {
			return err
		}
		if err := errors.Join(report.Err(), testError(failed)); err != nil {
			return err
		}
		var text strings.Builder
		if err := report.WriteText(&text); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			st.Infof("%s", strings.TrimSuffix(line, "\n"))
		}
		return r.pass("check", words, "check.json")
	})
}

// checkWords are what the checks depend on beside the image. Where it goes is
// among them: its own policy has to let machines update from there.
func (r *run) checkWords() digest.Digest {
	var repositories []string
	for _, target := range r.in.Recipe.Publish {
		if !target.IsPlace() {
			repositories = append(repositories, target.To.Value)
		}
	}
	return wordsOf(r.in.Recipe.Checks, r.in.Recipe.Tests, r.in.Recipe.Repos, repositories)
}

// checkedBefore puts into the result what the run that is resumed found.
func (r *run) checkedBefore(ctx context.Context, img image.Image, st progress.Stage) error {
	var found checkReport
	if err := r.left("check.json", &found); err != nil {
		return err
	}
	r.report = found.Report
	r.result.Checks = &CheckCount{Errors: found.Errors, Warnings: found.Warnings}
	return r.optional(ctx, img, st)
}
