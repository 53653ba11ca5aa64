package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/bootkiln/bootkiln/pkg/boot"
)

// endOfSession is Ctrl-].
const endOfSession = 0x1d

// terminal is the one that the user types on.
type terminal struct{ *os.File }

// raw hands every key on, also Ctrl-C, until restore is called.
func (t terminal) raw() (restore func() error, err error) {
	state, err := term.MakeRaw(int(t.Fd()))
	if err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	return func() error { return term.Restore(int(t.Fd()), state) }, nil
}

// mutable is a writer that can be told to be silent.
type mutable struct {
	to     io.Writer
	silent atomic.Bool
}

func (m *mutable) mute(silent bool) { m.silent.Store(silent) }

func (m *mutable) Write(b []byte) (int, error) {
	if m.silent.Load() {
		return len(b), nil
	}
	return m.to.Write(b)
}

// interact makes the user's terminal the guest's, until Ctrl-] or the guest's
// end.
func (e *env) interact(ctx context.Context, s boot.Session) error {
	to, what := s.Console, "its console; log in as a user of the image that has a password"
	if s.Root != nil {
		to, what = s.Root, "a root shell in it, which asks for no password"
	}
	fmt.Fprintf(e.stderr, "\nThe guest runs on. This terminal is %s. Ctrl-] ends it.\n", what)
	restore, err := e.stdinTerminal.raw()
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	if s.Root != nil {
		go func() {
			_, err := io.Copy(e.stderr, s.Root)
			ended <- err
		}()
		if _, err := io.WriteString(s.Root, "stty sane; cd /root 2>/dev/null; PS1='guest:\\w# '\n"); err != nil {
			return errors.Join(fmt.Errorf("opening the shell: %w", err), restore())
		}
	}
	go func() { ended <- copyKeys(to, e.stdinTerminal) }()
	select {
	case err = <-ended:
	case <-s.Ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	fmt.Fprint(e.stderr, "\r\n")
	return errors.Join(err, restore())
}

// copyKeys copies what is typed until Ctrl-].
func copyKeys(to io.Writer, from io.Reader) error {
	keys := make([]byte, 256)
	for {
		n, err := from.Read(keys)
		typed, _, end := bytes.Cut(keys[:n], []byte{endOfSession})
		if _, werr := to.Write(typed); werr != nil {
			return fmt.Errorf("writing to the guest: %w", werr)
		}
		if end || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the terminal: %w", err)
		}
	}
}
