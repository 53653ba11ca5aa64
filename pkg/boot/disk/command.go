package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// commandError says that a program of this machine failed.
type commandError struct {
	command string
	status  int // of its exit; -1 where it did not exit by itself
	// output is the end of what it said.
	output string
	err    error
}

func (e *commandError) Error() string {
	text := fmt.Sprintf("running %q: %v", e.command, e.err)
	if e.output != "" {
		text += ": " + strings.ReplaceAll(e.output, "\n", "; ")
	}
	return text
}

func (e *commandError) Unwrap() error { return e.err }

// MissingError says that this machine lacks a program.
type MissingError struct {
	// Program is its name, and Package the Debian package that has it.
	Program, Package string
}

// Error names the program; the hint is apart.
func (e *MissingError) Error() string {
	return fmt.Sprintf("making a disk: the program %q is not installed", e.Program)
}

// MendHint says what can be done about it.
func (e *MissingError) MendHint() string {
	return fmt.Sprintf("install the package %s", e.Package)
}

// programs are those of this machine that the ways need, with the packages that
// have them.
var programs = map[string]string{
	"e2fsck": "e2fsprogs", "resize2fs": "e2fsprogs", "tune2fs": "e2fsprogs", "debugfs": "e2fsprogs",
	"ostree": "ostree", "podman": "podman",
}

// systemPath is where programs of the administrator are, which the PATH of a
// user need not have.
const systemPath = "/usr/local/sbin:/usr/sbin:/sbin"

func lookPath(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	for dir := range strings.SplitSeq(systemPath, ":") {
		if p, err := exec.LookPath(dir + "/" + program); err == nil {
			return p, nil
		}
	}
	return "", &MissingError{Program: program, Package: programs[program]}
}

// mutable keeps ostree from making a deployment immutable, in which state the
// folder could not be removed; makeImmutable does it on the disk.
const mutable = "OSTREE_SYSROOT_DEBUG=mutable-deployments"

// killAfter is how long a program that was told to end may take.
const killAfter = 5 * time.Second

// run runs a program of this machine, and returns what it printed. It ends with
// ctx, and with the whole process group that it made.
func run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	program, err := lookPath(args[0])
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args[1:]...)
	var out bytes.Buffer
	said := &tail{max: 4 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, said
	// Without a terminal nothing asks; in English, because texts are compared.
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", mutable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err == nil {
		return out.String(), nil
	}
	failed := &commandError{command: strings.Join(args, " "), status: -1, err: err, output: strings.TrimSpace(said.String())}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		failed.status = exit.ExitCode()
	}
	if strings.Contains(failed.output, "No space left on device") {
		failed.err = errors.Join(err, syscall.ENOSPC)
	}
	return "", failed
}

// tail keeps the end of what is written to it.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - t.max; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.kept), "�") }
