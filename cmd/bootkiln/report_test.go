package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// testEnv is a world without a terminal; variables are all that is set in it.
func testEnv(variables map[string]string) (e *env, stdout, stderr *bytes.Buffer) {
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &env{
		stdin: strings.NewReader(""), stdout: stdout, stderr: stderr,
		lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		now:    func() time.Time { return time.Unix(1_700_000_000, 0) },
		log:    slog.New(slog.DiscardHandler),
	}, stdout, stderr
}

var (
	recipeSources = diag.Sources{"recipe.yaml": []byte("version: 1\nbase: {image: quay.io/me/base:1}\nrun: [{name: theme, shell: \"false\"}]\n")}
	baseLine      = diag.Pos{File: "recipe.yaml", Line: 2, Col: 15}
	runLine       = diag.Pos{File: "recipe.yaml", Line: 3, Col: 7}
)

func failedCheck(t *testing.T) *check.FailedError {
	t.Helper()
	img, err := image.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	report, err := check.Run(t.Context(), img, check.Options{Skip: []string{"init", "kernel", "os-release", "ostree-layout", "nonempty-boot"}})
	if err != nil {
		t.Fatal(err)
	}
	report.Image = "an image"
	return &check.FailedError{Report: report}
}

// Each kind of error has its exit status, and its own way to be shown.
func TestReport(t *testing.T) {
	t.Parallel()
	inRecipe := func(err error) error { return &recipeError{err: err, sources: recipeSources} }
	problem := diag.List{{Pos: baseLine, Code: "invalid-value", Message: "no image", Hint: "name one"}}.Err()
	failed := failedCheck(t)
	var failedText strings.Builder
	if err := failed.Report.WriteText(&failedText); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		err    error
		status int
		want   string
	}{
		"nothing": {},
		"a mistake of the command line": {
			err: &usageError{errors.New("nothing to do")}, status: exitUsage,
			want: "bootkiln: nothing to do\n  run 'bootkiln x --help' for how to use it\n",
		},
		"a problem of the recipe": {
			err: inRecipe(problem), status: exitRecipe,
			want: `recipe.yaml:2:15: no image (invalid-value)
  |
2 | base: {image: quay.io/me/base:1}
  |               ^^^^^^^^^^^^^^^^^
  hint: name one
1 problem in recipe.yaml
`,
		},
		"a problem that was printed already": {err: silenced(inRecipe(problem)), status: exitRecipe},
		"a failed step": {
			err: inRecipe(&build.StepError{
				Pos: runLine, Instruction: "RUN /bin/sh -c false", Output: []string{"one", "two \x1b[31m"}, ExitCode: 1,
				Err: errors.New("the command ended with status 1"),
			}), status: exitRecipe,
			want: "  | one\n  | two \uFFFD[31m\n" + `recipe.yaml:3:7: the command ended with status 1 (step-failed)
  |
3 | run: [{name: theme, shell: "false"}]
  |       ^^^^^
  hint: the instruction was: RUN /bin/sh -c false
1 problem in recipe.yaml
`,
		},
		"a failed check": {
			err: failed, status: exitImage,
			want: failedText.String() + "bootkiln: image \"an image\" fails 1 rule: api-directories\n",
		},
		"a failed check that was printed already": {
			err: silenced(failed), status: exitImage,
			want: "bootkiln: image \"an image\" fails 1 rule: api-directories\n",
		},
		"a failed test of the recipe": {
			err:    inRecipe(&pipeline.TestError{List: diag.List{{Pos: runLine, Code: "test-failed", Message: "no file"}}}),
			status: exitImage,
			want:   "recipe.yaml:3:7: no file (test-failed)\n  |\n3 | run: [{name: theme, shell: \"false\"}]\n  |       ^^^^^\n1 problem in recipe.yaml\n",
		},
		"an image that is not trusted": {
			err: &trust.VerificationError{
				Class: trust.Unsigned, Image: image.Pinned{Repository: "ghcr.io/me/kiln", Digest: "sha256:1"},
				Err: errors.New("no signature exists"), Hint: "sign it",
			}, status: exitImage,
			want: "bootkiln: verifying \"ghcr.io/me/kiln@sha256:1\": it carries no signature: no signature exists\n  hint: sign it\n",
		},
		"a registry that refuses": {
			err: fmt.Errorf("publishing: %w", &registry.Error{
				Class: registry.Denied, Repository: "ghcr.io/me/kiln", Op: "pushing to", Err: errors.New("403"), Hint: "one\ntwo",
			}), status: exitRegistry,
			want: "bootkiln: publishing: pushing to \"ghcr.io/me/kiln\": the login has no right to do this: 403\n  hint: one\n  hint: two\n",
		},
		"a base that cannot be pulled": {
			err:    inRecipe(&build.PullError{Image: "quay.io/me/base:1", Pos: baseLine, Hint: "log in", Err: errors.New("401")}),
			status: exitRegistry,
			want: `recipe.yaml:2:15: pulling base image "quay.io/me/base:1": 401 (base-image)
  |
2 | base: {image: quay.io/me/base:1}
  |               ^^^^^^^^^^^^^^^^^
  hint: log in
1 problem in recipe.yaml
`,
		},
		"a base that the store does not have": {
			err:    &build.PullError{Image: "containers-storage:localhost/base:1", Err: errors.New("no such image"), Hint: "build it"},
			status: exitRecipe, want: "bootkiln: pulling base image \"containers-storage:localhost/base:1\": no such image\n  hint: build it\n",
		},
		"a base that is signed by nobody known": {
			err:    &build.PullError{Image: "quay.io/me/base:1", Refused: true, Err: errors.New("no signature")},
			status: exitImage, want: "bootkiln: pulling base image \"quay.io/me/base:1\": no signature\n",
		},
		"a key": {
			err:    &sign.KeyError{Ref: "cosign.key", Reason: sign.KeyPassword, Err: errors.New("the password is wrong"), Hint: "check it"},
			status: exitEnvironment, want: "bootkiln: using the key \"cosign.key\": the password is wrong\n  hint: check it\n",
		},
		"too little space": {
			err: &build.SpaceError{Dir: "/var", Free: 1, Needed: 2}, status: exitEnvironment,
			want: "bootkiln: checking free space for the image store: \"/var\" has 1 B free, a build needs 2 B\n" +
				"  hint: remove images that are no longer needed from the store, or give it a larger disk (graphroot in storage.conf)\n",
		},
		"two failures of the world": {
			err: errors.Join(fs.ErrPermission, errors.New("closing the log")), status: exitEnvironment,
			want: "bootkiln: permission denied\n  closing the log\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, stdout, stderr := testEnv(nil)
			if got := e.report(t.Context(), "bootkiln x", test.err); got != test.status {
				t.Errorf("status %d, want %d", got, test.status)
			}
			if diff := cmp.Diff(test.want, stderr.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if stdout.Len() > 0 {
				t.Errorf("on stdout: %s", stdout)
			}
		})
	}
}

// Whatever a command says when it is interrupted, it was interrupted.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(key, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, stdout, stderr := testEnv(nil)
	if got := run(ctx, e, []string{"verify", "--key", key, "127.0.0.1:1/me/kiln:1"}); got != exitInterrupted {
		t.Errorf("status %d, want %d", got, exitInterrupted)
	}
	if want := "bootkiln: interrupted; what was under way on this machine has been taken down\n"; stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("printed %q and %q, want %q", stdout, stderr, want)
	}
}

// A command whose result cannot be written has failed.
func TestUnwritableResult(t *testing.T) {
	t.Parallel()
	e, _, stderr := testEnv(nil)
	e.stdout = brokenPipe{}
	if got := run(t.Context(), e, []string{"schema"}); got != exitEnvironment {
		t.Errorf("status %d, want %d", got, exitEnvironment)
	}
	if want := "bootkiln: writing to standard output: io: read/write on closed pipe\n"; stderr.String() != want {
		t.Errorf("printed %q, want %q", stderr, want)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
