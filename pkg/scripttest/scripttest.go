// Package scripttest has what scripts for the program need beside the commands
// of testscript: images, a registry, and exit statuses. Scripts show the
// program as its users see it, in a process of its own, with what it prints and
// the status that it ends with.
//
//	exits N PROGRAM ARG…         runs a program, which must end with status N
//	interrupt SIGNAL N PROGRAM…  runs a program against the silent registry, sends it INT or TERM
//	                             once it is connected, and expects status N; the registry ends
//	let NAME FILE                sets a variable to the text of a file, or of stdout
//	widest N FILE                fails when the file, or stdout, has a line of more columns
//	json FILE                    fails when the file, or stdout, is no JSON document
//	rootfs DIR [CHANGE…]         lays down a root file system that passes every rule, and
//	                             changes it: NAME=TEXT replaces a file, NAME removes one
//	layout DIR NAME [CHANGE…]    lays down such an image as an OCI layout
//	registry [basic|plain]       starts a registry; sets HOST, CERTS, CREDS, AUTH and WRONGAUTH
//	registry silent              starts one that takes connections and never answers; sets HOST
//	requests FILE                writes down what the registry was asked since the last time
//	tags REPOSITORY [TAG…]       fails unless the repository has exactly these tags
//	tamper REPOSITORY DIGEST     adds another image and gives it the signature of that one;
//	                             sets TAMPERED to its digest
package scripttest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

// Params are those for the scripts of a folder, which testscript.Run takes.
func Params(t *testing.T, dir string) testscript.Params {
	t.Helper()
	// testscript's own folders are closed to others than their owner.
	work := t.TempDir()
	for dir := work; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){}
	for name, run := range map[string]func(*testscript.TestScript, []string){
		"exits": exits, "interrupt": interrupt, "let": let, "widest": widest, "json": isJSON,
		"rootfs": rootfs, "layout": layout,
		"registry": startRegistry, "requests": requests, "tags": tags, "tamper": tamper,
		"sigstore": startSigstore,
	} {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("%s cannot be negated", name)
			}
			run(ts, args)
		}
	}
	return testscript.Params{
		Dir:                 dir,
		WorkdirRoot:         work,
		Setup:               setup,
		Cmds:                commands,
		UpdateScripts:       golden.Updating(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
	}
}

// nobody is a user without any right.
const nobody = 65534

// LeaveRoot makes the process that of an ordinary user, where it is root's. The
// program calls it first when a script runs it: what the scripts show needs no
// root, and as root it would write into caches of this machine.
func LeaveRoot() {
	if os.Geteuid() != 0 {
		return
	}
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
		if err != nil {
			panic(err) // root may
		}
	}
}

// handOver gives what root has laid down to the user that LeaveRoot makes.
func handOver(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(name, nobody, nobody)
	})
}

// setup gives a script a home of its own, so that nothing of this
// machine's user is read or written.
func setup(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, ".home")
	runtime := filepath.Join(home, "run")
	if err := os.MkdirAll(runtime, 0o755); err != nil {
		return err
	}
	e.Setenv("HOME", home)
	e.Setenv("XDG_RUNTIME_DIR", runtime)
	e.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(e.WorkDir))
	e.Values[registryKey] = &scriptRegistry{t: e.T().(testing.TB)}
	return handOver(e.WorkDir)
}

func exits(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM ARG…")
	}
	checkStatus(ts, args[0], ts.Exec(args[1], args[2:]...))
}

func checkStatus(ts *testscript.TestScript, want string, err error) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

func let(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: let NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

func widest(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: widest N FILE")
	}
	columns, err := strconv.Atoi(args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > columns {
			ts.Fatalf("a line of %d columns: %s", n, line)
		}
	}
}
