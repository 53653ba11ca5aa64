package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

func TestTable(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	rules := Rules()
	for i, r := range rules {
		if !id.MatchString(r.ID) {
			t.Errorf("ID %q is not in kebab case", r.ID)
		}
		if i > 0 && rules[i-1].ID >= r.ID {
			t.Errorf("%q is not sorted, or there twice", r.ID)
		}
		for what, text := range map[string]string{"summary": r.Summary, "doc": r.Doc, "source": r.Source, "hint": r.Hint} {
			if text == "" || printable(text) != text {
				t.Errorf("%s: %s is %q", r.ID, what, text)
			}
		}
		if (r.Run == nil) == (r.Visit == nil) {
			t.Errorf("%s must have one of Run and Visit", r.ID)
		}
	}
}

func TestRulesGolden(t *testing.T) {
	t.Parallel()
	list, err := json.MarshalIndent(Rules(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/rules.json", append(list, '\n'))
}

// trouble are rules that go wrong in every way there is.
var trouble = []Rule{
	{ID: "fails", Summary: "fails", Doc: "d", Hint: "h", Run: func(context.Context, *Target) ([]Finding, error) {
		return found("half", "found before it failed"), errors.New("no \x1b[31mred\x1b[0m disk")
	}},
	{ID: "fails-softly", Summary: "fails", Severity: diag.Note, Run: func(context.Context, *Target) ([]Finding, error) {
		return nil, errors.New("soft")
	}},
	{
		ID: "floods", Summary: "there are few files", Severity: diag.Warning, Doc: "It takes long.", Hint: "leave some out",
		Run: func(context.Context, *Target) ([]Finding, error) {
			var out []Finding
			for i := range maxFindings + 5 {
				out = append(out, finding(fmt.Sprintf("many/%05d", i), "too many"))
			}
			return out, nil
		},
	},
	{ID: "names", Summary: "names are plain", Doc: "Terminals may be steered.", Hint: "rename it", Visit: func(_ *Target, f File) ([]Finding, error) {
		if !f.Info.Mode().IsRegular() {
			return nil, nil
		}
		return found(f.Name, "content of \x07%s", f.Name), nil
	}},
	{ID: "not-here", Summary: "s", Run: func(context.Context, *Target) ([]Finding, error) {
		return nil, NotApplicable("nothing here")
	}},
	{ID: "panics", Summary: "panics", Severity: diag.Warning, Run: func(context.Context, *Target) ([]Finding, error) { panic("oh") }},
	{ID: "panics-in-walk", Summary: "panics", Visit: func(_ *Target, f File) ([]Finding, error) {
		if f.Name == "." {
			return found(".", "before"), nil
		}
		var none *Target
		return nil, errors.New(none.Config.Author)
	}},
	{ID: "passes", Summary: "passes", Run: func(context.Context, *Target) ([]Finding, error) { return nil, nil }},
	{ID: "skipped", Summary: "skipped", Run: func(context.Context, *Target) ([]Finding, error) { panic("it was to be skipped") }},
	{ID: "warned", Summary: "is only a warning here", Doc: "d", Hint: "h", Run: func(context.Context, *Target) ([]Finding, error) {
		return []Finding{{Message: "of the image as a whole", Hint: "its own mend"}}, nil
	}},
}

func troubled(t *testing.T) *Report {
	t.Helper()
	img := fake.New(t, goodConfig(), fake.Files{"a": fake.Text(""), "esc\x1b[2J": fake.Text(""), "caf\xe9": fake.Text(""), "back\\slash": fake.Text(""), "bidi\u202e": fake.Text("")})
	rep, err := run(t.Context(), img, trouble, Options{Skip: []string{"skipped"}, Warn: []string{"warned", "fails-softly"}})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestText(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	if err := troubled(t).WriteText(&buf); err != nil {
		t.Fatal(err)
	}
	for _, r := range buf.String() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is in the text", r)
		}
	}
	golden.Check(t, "testdata/trouble.txt", buf.Bytes())

	buf.Reset()
	if err := fixtures[0].check(t).WriteText(&buf); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/good.txt", buf.Bytes())
}

func TestJSON(t *testing.T) {
	t.Parallel()
	rep := troubled(t)
	if n := len(rep.Findings); n != maxFindings+8 {
		t.Errorf("%d findings", n)
	}
	// The flood would make a golden file that nobody reads.
	rep.Findings = slices.DeleteFunc(rep.Findings, func(f Finding) bool { return f.Rule == "floods" && f.Path > "/many/00001" })
	got, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/trouble.json", append(got, '\n'))
}

func TestErr(t *testing.T) {
	t.Parallel()
	rule := func(severity diag.Severity, findings []Finding, err error) []Rule {
		return []Rule{{ID: "r", Severity: severity, Run: func(context.Context, *Target) ([]Finding, error) { return findings, err }}}
	}
	one := []Finding{{Message: "m"}}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		rules   []Rule
		options Options
		fails   bool
	}{
		"passes":                     {rule(diag.Error, nil, nil), Options{}, false},
		"error":                      {rule(diag.Error, one, nil), Options{}, true},
		"warning":                    {rule(diag.Warning, one, nil), Options{}, false},
		"could not run":              {rule(diag.Error, nil, broken), Options{}, true},
		"warning could not run":      {rule(diag.Warning, nil, broken), Options{}, false},
		"not applicable":             {rule(diag.Error, nil, NotApplicable("n")), Options{}, false},
		"error made a warning":       {rule(diag.Error, one, nil), Options{Warn: []string{"r"}}, false},
		"note stays one":             {rule(diag.Note, one, nil), Options{Warn: []string{"r"}}, false},
		"warning made an error":      {rule(diag.Warning, one, nil), Options{Error: []string{"r"}}, true},
		"note made an error":         {rule(diag.Note, one, nil), Options{Error: []string{"r"}}, true},
		"made an error, and failing": {rule(diag.Warning, nil, broken), Options{Error: []string{"r"}}, true},
		"made both":                  {rule(diag.Warning, one, nil), Options{Error: []string{"r"}, Warn: []string{"r"}}, true},
		"skipped and made an error":  {rule(diag.Warning, one, nil), Options{Error: []string{"r"}, Skip: []string{"r"}}, false},
		"skipped":                    {rule(diag.Error, one, nil), Options{Skip: []string{"r"}}, false},
		"skipped and made a warning": {rule(diag.Error, one, nil), Options{Skip: []string{"r"}, Warn: []string{"r"}}, false},
	} {
		rep, err := run(t.Context(), fake.New(t, goodConfig(), fake.Files{}), c.rules, c.options)
		if err != nil {
			t.Fatal(err)
		}
		var failed *FailedError
		if got := errors.As(rep.Err(), &failed); got != c.fails {
			t.Errorf("%s: Err() = %v", name, rep.Err())
		}
		if c.fails && failed.Error() != `image "fake:image" fails 1 rule: r` {
			t.Errorf("%s: %v", name, failed)
		}
		if name == "note stays one" && rep.Notes != 1 {
			t.Errorf("%s: %+v", name, rep)
		}
	}
}

func TestUnknownRules(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), fake.New(t, goodConfig(), fake.Files{}), Options{Skip: []string{"var_log", "kernel"}, Warn: []string{"zzz"}, Error: []string{"nonempty-bot"}})
	want := "no rule \"var_log\"; did you mean \"var-log\"?\nno rule \"zzz\"\nno rule \"nonempty-bot\"; did you mean \"nonempty-boot\"?"
	if err == nil || err.Error() != want {
		t.Errorf("err = %v", err)
	}
	var unknown *UnknownRuleError
	if !errors.As(err, &unknown) || unknown.ID != "var_log" || unknown.Near != "var-log" {
		t.Errorf("unknown = %+v", unknown)
	}
}

func TestRunStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rules := []Rule{{ID: "r", Run: func(context.Context, *Target) ([]Finding, error) { cancel(); return nil, nil }}}
	if _, err := run(ctx, fake.New(t, goodConfig(), fake.Files{}), rules, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// A rule that panicked is not asked again.
func TestPanicEndsVisits(t *testing.T) {
	t.Parallel()
	calls := 0
	rules := []Rule{{ID: "r", Visit: func(*Target, File) ([]Finding, error) { calls++; panic("oh") }}}
	rep, err := run(t.Context(), fake.New(t, goodConfig(), goodFiles), rules, Options{})
	if err != nil || calls != 1 || rep.Rules[0].Status != StatusCouldNotRun {
		t.Errorf("%d calls, %+v, %v", calls, rep, err)
	}
}

// brokenDir is a Root one of whose folders cannot be read.
type brokenDir struct{ image.Root }

func (b brokenDir) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "etc" {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("input/output error")}
	}
	return b.Root.ReadDir(name)
}

type brokenImage struct{ image.Image }

func (b brokenImage) Root(ctx context.Context) (image.Root, error) {
	r, err := b.Image.Root(ctx)
	return brokenDir{r}, err
}

// A walk that missed something passes no rule, and still finds the rest.
func TestWalkError(t *testing.T) {
	t.Parallel()
	img := brokenImage{fake.New(t, goodConfig(), goodFiles.With(fake.Files{"usr/pipe": {Mode: fs.ModeNamedPipe}}))}
	rep, err := Run(t.Context(), img, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range rep.Rules {
		i := slices.IndexFunc(table, func(r Rule) bool { return r.ID == o.ID })
		if visits := table[i].Visit != nil; visits != (o.Status == StatusCouldNotRun) {
			t.Errorf("%s: %s", o.ID, o.Status)
		}
	}
	if len(rep.Findings) != 1 || rep.Findings[0].Path != "/usr/pipe" {
		t.Errorf("findings: %v", rep.Findings)
	}
}

// A folder has no configuration: the rules about it do not apply, and the
// kernel is compared with the programs.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, f := range goodFiles {
		p := filepath.Join(dir, name)
		var err error
		if mkdirErr := os.MkdirAll(filepath.Dir(p), 0o755); mkdirErr != nil {
			t.Fatal(mkdirErr)
		}
		switch f.Mode.Type() {
		case fs.ModeDir:
			err = os.MkdirAll(p, 0o755)
		case fs.ModeSymlink:
			err = os.Symlink(f.Content, p)
		default:
			err = os.WriteFile(p, []byte(f.Content), f.Mode.Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	img, err := image.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	statuses := func() map[string]Status {
		// The files belong to whoever runs the test.
		rep, err := Run(t.Context(), img, Options{Skip: []string{"unnamed-owners", "usr-owners"}})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]Status{}
		for _, o := range rep.Rules {
			if o.Status != StatusPassed && o.Status != StatusSkipped {
				out[o.ID] = o.Status
			}
		}
		return out
	}
	want := map[string]Status{}
	for _, id := range []string{"architecture", "history", "label-bootc", "label-bootc-value", "label-ostree", "label-version"} {
		want[id] = StatusNotApplicable
	}
	for _, id := range []string{"added-privileges", "trust-updates"} { // nothing says what it is made from, nor where it goes
		want[id] = StatusNotApplicable
	}
	if diff := cmp.Diff(want, statuses()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "usr/lib/systemd/systemd"), []byte(fake.ELF(arm64Machine)), 0o755); err != nil {
		t.Fatal(err)
	}
	want["kernel-architecture"] = StatusFound
	if diff := cmp.Diff(want, statuses()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A base that is known and cannot be opened is no reason to say nothing.
func TestBaseThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	img := fake.New(t, goodConfig(), goodFiles)
	for name, o := range map[string]Options{
		"not there":    {BaseError: errors.New("it is gone")},
		"no file tree": {Base: rootless{img}},
	} {
		rep, err := Run(t.Context(), img, o)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rep.Rules, func(o Outcome) bool { return o.ID == "added-privileges" })
		if got := rep.Rules[i]; got.Status != StatusCouldNotRun || !strings.HasSuffix(got.Reason, "it is gone") {
			t.Errorf("%s: %+v", name, got)
		}
		if rep.CouldNotRun != 1 || rep.Err() != nil {
			t.Errorf("%s: %d rules could not run, Err() = %v", name, rep.CouldNotRun, rep.Err())
		}
	}
	rep, err := Run(t.Context(), img, Options{BaseError: errors.New("it is gone"), Error: []string{"added-privileges"}})
	if err != nil || rep.Err() == nil {
		t.Errorf("demanded by the recipe: %v, Err() = %v", err, rep.Err())
	}
}

// rootless is an image whose root file system cannot be read.
type rootless struct{ image.Image }

func (rootless) Root(context.Context) (image.Root, error) { return nil, errors.New("it is gone") }

// The initramfs is cut at every length: no cut may pass.
func TestCutInitramfs(t *testing.T) {
	t.Parallel()
	whole := goodFiles[initrd].Content
	for n := 0; n < len(whole); n += max(1, len(whole)/60) {
		f := fixture{add: fake.Files{initrd: fake.Text(whole[:n])}}
		if rep := f.check(t); rep.Err() == nil || !strings.Contains(rep.Err().Error(), "initramfs-") {
			t.Errorf("cut at %d of %d: %v", n, len(whole), rep.Err())
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, ünïcödé": "plain text, ünïcödé",
		"a\nb\tc\x00":         `a\nb\tc\x00`,
		"\x1b]0;title\a":      `\x1b]0;title\a`,
		"caf\xe9":             `caf\xe9`,
		"\u202egnp":           `\u202egnp`,
		"it's":                "it's",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzKargs(f *testing.F) {
	f.Add("kargs = [\"a\"]\nmatch-architectures = [\"x86_64\"]\n")
	f.Add("kargs = 1\n[table]\nx = {a = 1}")
	f.Fuzz(func(t *testing.T, in string) {
		if k, err := parseKargs(in); err == nil && k.Kargs == nil {
			t.Errorf("no kargs in %q, and no error", in)
		}
	})
}

// TestFailedErrorName calls an image of the store what people call it.
func TestFailedErrorName(t *testing.T) {
	t.Parallel()
	err := &FailedError{&Report{Image: "containers-storage:[overlay@/var/lib+/run]localhost/kiln:latest@12ab"}}
	if got, want := err.Error(), `image "localhost/kiln:latest" fails 0 rules: `; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
