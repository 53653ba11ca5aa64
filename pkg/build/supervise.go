package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/resolve"
)

// view shows a running build, and remembers what an error needs.
type view struct {
	file      *containerfile.File
	stage     progress.Stage
	log       io.Writer
	stepper   *stepper
	secrets   *progress.Redactor
	libraries *slog.Logger

	output *output
	tail   tail
	// report is what the step that runs says of the recipe's words.
	report resolve.Report
	logErr error
}

func newView(f *containerfile.File, list []instruction, o Options, libraries *slog.Logger) *view {
	v := &view{
		file: f, stage: o.Stage, log: o.Log, stepper: newStepper(list),
		secrets: newRedactor(o.Secrets), libraries: libraries,
	}
	v.output = newOutput(v.secrets, func(line string) {
		if v.report.Add(line) {
			return
		}
		v.tail.add(line)
		v.print(line)
	})
	return v
}

// handle takes one event of the worker.
func (v *view) handle(ctx context.Context, e event) {
	switch {
	case e.Step != nil:
		v.output.flush()
		v.succeeded()
		v.step(*e.Step)
	case e.Output != nil:
		_, _ = v.output.Write(e.Output) // it ends in a lineWriter, which takes everything
	case e.Log != nil:
		e.Log.redacted(v.secrets).log(ctx, v.libraries)
	}
}

// found returns what the step that runs, or ran last, found wrong with the
// recipe's words.
func (v *view) found() diag.List {
	in, ok := v.stepper.current()
	if !ok {
		return nil
	}
	return v.report.Diagnostics(v.file.Words[in.line], v.file.Origin(in.line))
}

// succeeded shows what a step found that went well all the same.
func (v *view) succeeded() {
	for _, d := range v.found() {
		if d.Severity == diag.Note {
			v.stage.Infof("%s", d)
		} else {
			v.stage.Warnf("%s", d)
		}
	}
	v.report = resolve.Report{}
}

// step announces an instruction.
func (v *view) step(announced string) {
	v.tail.reset()
	if !v.stepper.advance(announced) {
		v.print(v.secrets.String(announced)) // COMMIT
		return
	}
	in, _ := v.stepper.current()
	text := strings.Join(strings.Fields(in.text), " ")
	v.print(fmt.Sprintf("STEP %d/%d: %s", v.stepper.at+1, len(v.stepper.list), v.secrets.String(text)))
}

func (v *view) print(line string) {
	fmt.Fprintln(v.stage.Output(), line)
	if v.log != nil && v.logErr == nil {
		_, v.logErr = fmt.Fprintln(v.log, line)
	}
}

// runWorker runs j in a worker and returns how it ended. When ctx is done the
// worker is killed, and the error wraps ctx's. When runWorker returns, no
// process and no mount of the worker is left.
func runWorker(ctx context.Context, r *run, j *job, v *view) (ending, error) {
	jobR, jobW, err := os.Pipe()
	if err != nil {
		return ending{}, err
	}
	defer jobW.Close()
	eventR, eventW, err := os.Pipe()
	if err != nil {
		return ending{}, errors.Join(err, jobR.Close())
	}
	defer eventR.Close()

	cmd := reexec.CommandContext(ctx, workerCommand)
	cmd.ExtraFiles = []*os.File{jobR, eventW, r.worker}
	// buildah puts its temporary folders where TMPDIR says.
	cmd.Env = append(workerEnvironment(os.Environ()), "TMPDIR="+r.path("tmp"))
	cmd.Dir = "/"
	// What the libraries write to standard error is a crash, or the OCI
	// runtime's words: both explain what happened.
	words := &tail{}
	stray := newOutput(v.secrets, words.add)
	cmd.Stdout, cmd.Stderr = stray, stray
	cmd.SysProcAttr = ownNamespaces()
	err = cmd.Start()
	err = errors.Join(err, jobR.Close(), eventW.Close())
	if err != nil {
		return ending{}, fmt.Errorf("starting the worker: %w", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- json.NewEncoder(jobW).Encode(j) }()

	var end *ending
	events := json.NewDecoder(eventR)
	for end == nil {
		var e event
		if err := events.Decode(&e); err != nil {
			break // the worker is dead
		}
		if end = e.End; end == nil {
			v.handle(ctx, e)
		}
	}
	waitErr := cmd.Wait()
	v.output.flush()
	stray.flush()
	switch {
	case ctx.Err() != nil:
		return ending{}, context.Cause(ctx)
	case end == nil:
		return ending{}, workerDied(waitErr, words.lines)
	}
	end.Error = v.secrets.String(end.Error)
	return *end, <-sent
}

// workerDied words the death of a worker that said nothing.
func workerDied(err error, words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("the build process died: %w: %s", err, strings.Join(words, "\n"))
	}
	var status interface{ Sys() any }
	if errors.As(err, &status) {
		if ws, ok := status.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
			return errors.New("the build process was killed; was the memory used up? (dmesg shows it)")
		}
	}
	return fmt.Errorf("the build process died: %w", err)
}

// ownNamespaces starts a process as the first one of a PID namespace, and in a
// mount namespace: with it go all processes and mounts that it made. It has to
// begin with [mountProc].
func ownNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		// A process group of its own: Ctrl-C on the terminal is for the
		// caller, which knows what to do.
		Setpgid:      true,
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS, // and makes all mounts private
	}
}

// mountProc shows the process its own PID namespace.
func mountProc() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc for the build: %w", err)
	}
	return nil
}
