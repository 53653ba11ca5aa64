package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// env is the world that commands act in; tests give them another one.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// stderrIsTerminal decides between bars and plain lines, and whether colours
	// are shown.
	stderrIsTerminal, stdoutIsTerminal bool
	lookup                             func(name string) (string, bool)
	now                                func() time.Time
	log                                *slog.Logger
	// readPassword asks on the terminal, without echo; nil where there is none.
	readPassword func(prompt string) ([]byte, error)
	// stdinTerminal is standard input where it is a terminal, else nil.
	stdinTerminal *terminal
}

func newEnv(ctx context.Context) *env {
	e := &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		stderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		stdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		lookup:           os.LookupEnv,
		now:              time.Now,
		log:              slog.New(slog.DiscardHandler),
	}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) && e.stderrIsTerminal {
		e.stdinTerminal = &terminal{os.Stdin}
		e.readPassword = func(prompt string) ([]byte, error) {
			state, err := term.GetState(fd)
			if err != nil {
				return nil, fmt.Errorf("reading the terminal's state: %w", err)
			}
			fmt.Fprint(e.stderr, prompt)
			defer fmt.Fprintln(e.stderr)
			password, err := interruptible(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
			if ctx.Err() != nil {
				err = errors.Join(err, term.Restore(fd, state))
			}
			return password, err
		}
	}
	return e
}

// interruptible waits for what a person types, or for ctx. The reading itself
// cannot be stopped: it ends with the program.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := read()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// getenv returns a variable's value, "" where it is not set.
func (e *env) getenv(name string) string {
	v, _ := e.lookup(name)
	return v
}

// color reports whether text for the user may be coloured: on a terminal, and
// not where NO_COLOR (no-color.org) is set.
func (e *env) color(terminal bool) bool {
	return terminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
