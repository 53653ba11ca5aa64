package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestColor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		terminal  bool
		variables map[string]string
		want      bool
	}{
		"terminal":          {terminal: true, want: true},
		"pipe":              {},
		"NO_COLOR":          {terminal: true, variables: map[string]string{"NO_COLOR": "1"}},
		"empty NO_COLOR":    {terminal: true, variables: map[string]string{"NO_COLOR": ""}, want: true}, // as no-color.org says
		"a dumb terminal":   {terminal: true, variables: map[string]string{"TERM": "dumb"}},
		"an able terminal":  {terminal: true, variables: map[string]string{"TERM": "xterm"}, want: true},
		"TERM without one ": {variables: map[string]string{"TERM": "xterm"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _, _ := testEnv(test.variables)
			if got := e.color(test.terminal); got != test.want {
				t.Errorf("color = %v", got)
			}
		})
	}
}

// answers is a terminal on which these passwords are typed.
func answers(prompts *[]string, typed ...string) func(string) ([]byte, error) {
	return func(prompt string) ([]byte, error) {
		*prompts = append(*prompts, prompt)
		if len(typed) == 0 {
			return nil, errors.New("nobody types any more")
		}
		next := typed[0]
		typed = typed[1:]
		return []byte(next), nil
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	missing := filepath.Join(t.TempDir(), "none")
	const one, first, again = "Password of the private key: ", "Password for the new private key: ", "The same password again: "
	tests := map[string]struct {
		variables map[string]string
		typed     []string
		noTerm    bool
		create    bool // the password of a key to be made
		want      string
		prompts   []string
		err       string
	}{
		"variable":              {variables: map[string]string{"COSIGN_PASSWORD": "fire"}, typed: []string{"x"}, want: "fire"},
		"empty variable":        {variables: map[string]string{"COSIGN_PASSWORD": ""}, noTerm: true, want: ""},
		"file":                  {variables: map[string]string{"COSIGN_PASSWORD_FILE": file("fi re\r\n")}, typed: []string{"x"}, want: "fi re"},
		"empty file":            {variables: map[string]string{"COSIGN_PASSWORD_FILE": file("")}, noTerm: true, want: ""},
		"no file":               {variables: map[string]string{"COSIGN_PASSWORD_FILE": missing}, noTerm: true, err: fmt.Sprintf("reading the key's password from %q: no such file or directory", missing)},
		"file and variable":     {variables: map[string]string{"COSIGN_PASSWORD_FILE": missing, "COSIGN_PASSWORD": ""}, noTerm: true, err: errTwoPasswords.Error()},
		"asked":                 {typed: []string{"fire"}, want: "fire", prompts: []string{one}},
		"nobody to ask":         {noTerm: true, err: "asking for the key's password: there is no terminal to ask on"},
		"new, variable":         {create: true, variables: map[string]string{"COSIGN_PASSWORD": "fire"}, noTerm: true, want: "fire"},
		"new, file":             {create: true, variables: map[string]string{"COSIGN_PASSWORD_FILE": file("fire\n")}, noTerm: true, want: "fire"},
		"new, asked twice":      {create: true, typed: []string{"fire", "fire"}, want: "fire", prompts: []string{first, again}},
		"new, mistyped":         {create: true, typed: []string{"fire", "fjre"}, prompts: []string{first, again}, err: "asking for the key's password: the two passwords differ"},
		"new, given up":         {create: true, typed: []string{"fire"}, prompts: []string{first, again}, err: "nobody types any more"},
		"new, nobody to ask":    {create: true, noTerm: true, err: "asking for the key's password: there is no terminal to ask on"},
		"new, given up at once": {create: true, prompts: []string{first}, err: "nobody types any more"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _, _ := testEnv(test.variables)
			var prompts []string
			if !test.noTerm {
				e.readPassword = answers(&prompts, test.typed...)
			}
			ask := e.keyPassword
			if test.create {
				ask = e.newPassword
			}
			got, err := ask()
			if message := text(err); message != test.err {
				t.Errorf("error %q, want %q", message, test.err)
			}
			if err == nil && string(got) != test.want {
				t.Errorf("password %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(test.prompts, prompts); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if test.noTerm && err != nil && err.Error() != errTwoPasswords.Error() && !strings.Contains(hintOf(err), "COSIGN_PASSWORD") {
				t.Errorf("the hint %q names no variable", hintOf(err))
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The login that is asked for on a terminal goes the same way as the one of the
// flags.
func TestLoginAsks(t *testing.T) {
	t.Parallel()
	e, _, stderr := testEnv(nil)
	e.stdin = strings.NewReader("smith\n")
	var prompts []string
	e.readPassword = answers(&prompts, "hammer")
	auth := filepath.Join(t.TempDir(), "auth.json")
	// Nothing listens on port 1, so it ends there.
	if got := run(t.Context(), e, []string{"login", "--authfile", auth, "127.0.0.1:1"}); got != exitRegistry {
		t.Errorf("status %d, want %d", got, exitRegistry)
	}
	if !strings.HasPrefix(stderr.String(), "User name: ") {
		t.Errorf("printed %q", stderr)
	}
	if diff := cmp.Diff([]string{"Password or token: "}, prompts); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(auth); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a login that was not proved is stored: %v", err)
	}
}

func TestEpoch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value string
		want  time.Time
		bad   bool
	}{
		"":                     {},
		"0":                    {want: time.Unix(0, 0).UTC()},
		"1700000000":           {want: time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)},
		"-1":                   {bad: true},
		"1700000000.5":         {bad: true},
		"2023-11-14":           {bad: true},
		"99999999999999999999": {bad: true},
	}
	for value, test := range tests {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			e, _, _ := testEnv(map[string]string{"SOURCE_DATE_EPOCH": value})
			got, err := e.epoch()
			if (err != nil) != test.bad || !got.Equal(test.want) {
				t.Errorf("epoch %v, %v; want %v", got, err, test.want)
			}
			if test.bad && hintOf(err) == "" {
				t.Errorf("%v has no hint", err)
			}
		})
	}
	e, _, _ := testEnv(nil)
	if got, err := e.epoch(); err != nil || !got.IsZero() {
		t.Errorf("not set: %v, %v", got, err)
	}
}

func TestGitFacts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{
			"-C", dir, "-c", "user.name=smith", "-c", "user.email=smith@example.org", "-c", "commit.gpgsign=false",
		}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	variables := map[string]string{}
	facts := func() [2]string {
		commit, branch := gitFacts(t.Context(), dir, func(name string) string { return variables[name] })
		return [2]string{commit, branch}
	}
	if got := facts(); got != [2]string{} {
		t.Errorf("of a folder in no repository: %q", got)
	}
	git("init", "--quiet", "--initial-branch=kiln")
	if got := facts(); got != [2]string{"", "kiln"} {
		t.Errorf("before the first commit: %q", got)
	}
	git("commit", "--quiet", "--allow-empty", "--message=fire")
	commit := git("rev-parse", "HEAD")[:12]
	if got := facts(); got != [2]string{commit, "kiln"} {
		t.Errorf("on a branch: %q, want %s", got, commit)
	}
	git("checkout", "--quiet", "--detach")
	variables["GITHUB_REF_NAME"] = "main"
	if got := facts(); got != [2]string{commit, ""} {
		t.Errorf("on no branch: %q", got)
	}
	variables["GITHUB_ACTIONS"] = "true"
	if got := facts(); got != [2]string{commit, "main"} {
		t.Errorf("as GitHub checks out: %q", got)
	}
}

// A terminal obeys nothing in a report, and programs read what there is.
func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	e := &env{stdout: &out}
	if err := e.writeJSON([]string{"\x1b[2J\u009b31m\u202e"}); err != nil {
		t.Fatal(err)
	}
	if want := "[\n  \"\\u001b[2J\\u009b31m\\u202e\"\n]\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
