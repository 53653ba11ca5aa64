package plan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stageSecrets lays out the script and secrets as a step has them, and returns
// what runs the script.
func stageSecrets(t *testing.T, secrets map[string]string) func(args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("scripts/secret-env.sh")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "bootkiln", "secret-env.sh")
	put(t, script, string(text))
	for id, value := range secrets {
		put(t, filepath.Join(dir, "secrets", id), value)
	}
	return func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "bash", append([]string{script}, args...)...)
	}
}

func TestSecretsInTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ file, want string }{
		"plain":           {"hunter2", "hunter2"},
		"newline":         {"hunter2\n", "hunter2"},
		"newlines":        {"\n one\ntwo\n\n", "\n one\ntwo\n"},
		"carriage return": {"hunter2\r\n", "hunter2\r"},
		"empty":           {"", ""},
		"only a newline":  {"\n", ""},
		"shell":           {"($(exit 1)) `false` \\ \"x\" 'y' *\t ", "($(exit 1)) `false` \\ \"x\" 'y' *\t "},
		"option":          {"-n", "-n"},
		"no UTF-8":        {"\xff\xe2\x82 \xc3\n", "\xff\xe2\x82 \xc3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := stageSecrets(t, map[string]string{"id": test.file, "other-1": "another one"})
			// Among them are the names that the script itself uses.
			names := []string{"SITE_TOKEN", "value", "file", "LC_ALL", "REPLY"}
			var args []string
			for _, n := range names {
				args = append(args, n+"=id")
			}
			out, err := run(append(args, "LAST=other-1", "--", "env", "--null")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(string(out), "\x00")
			for _, n := range names {
				if want := n + "=" + test.want; !slices.Contains(got, want) {
					t.Errorf("%q is not in %q", want, got)
				}
			}
			if !slices.Contains(got, "LAST=another one") {
				t.Errorf("the last one is not in %q", got)
			}
		})
	}
}

func TestSecretsInTheEnvironmentRunTheCommand(t *testing.T) {
	t.Parallel()
	run := stageSecrets(t, map[string]string{"id": "x"})
	out, err := run("A=id", "--", "printf", "%s|", "B=c", "--", "a b", "", "*").Output()
	if want := "B=c|--|a b||*|"; err != nil || string(out) != want {
		t.Errorf("got %q (%v), want %q", out, err, want)
	}
	if err := run("A=id", "--", "bash", "-c", "exit 7").Run(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("the command's status 7 became %v", err)
	}
}

func TestSecretsThatFitInNoVariable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ args, want string }{
		"NUL":           {"A=nul", "secret nul has NUL bytes"},
		"NUL at first":  {"A=first", "secret first has NUL bytes"},
		"none":          {"A=none", "there is no secret none"},
		"after another": {"B=fine A=nul", "secret nul has NUL bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := stageSecrets(t, map[string]string{"nul": "hunter\x002", "first": "\x00", "fine": "fine"})
			out, err := run(append(strings.Fields(test.args), "--", "echo", "it ran")...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), test.want) || strings.Contains(string(out), "it ran") || strings.Contains(string(out), "hunter") {
				t.Errorf("got %v: %s", err, out)
			}
		})
	}
}
