package guest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// asking is how long the answer to a question takes at most, before the shell
// is taken for lost. An emulated machine under load is slow.
const asking = 30 * time.Second

// greeting is how long a shell may take to greet before it is asked again.
const greeting = 10 * time.Second

// channel runs commands in the guest's shell, one after the other.
type channel struct {
	frames frames
	// in brings what the guest writes, and is closed after failed has got why
	// there is no more.
	in     chan []byte
	failed chan error
	out    chan string
	open   bool
	last   int
}

// newChannel reads and writes conn until it is closed or the context ends.
func newChannel(ctx context.Context, conn io.ReadWriter) *channel {
	c := &channel{
		// The guest sees the word when it is used. It keeps what the guest's
		// programs print by chance from being taken for an answer, no more.
		frames: frames{word: "bk" + strings.ToLower(rand.Text()[:12])},
		in:     make(chan []byte), failed: make(chan error, 2), out: make(chan string),
	}
	go func() {
		for {
			data := make([]byte, 4096)
			n, err := conn.Read(data)
			if n > 0 {
				select {
				case c.in <- data[:n]:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				c.failed <- err
				return
			}
		}
	}()
	go func() {
		for {
			select {
			case text := <-c.out:
				if _, err := io.WriteString(conn, text); err != nil {
					c.failed <- err
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// errSilent is of a shell that does not answer in time.
var errSilent = errors.New("the shell does not answer")

// exchange writes text and feeds what comes until done says so, the context
// ends, or the patience does, which is zero for without an end.
func (c *channel) exchange(ctx context.Context, text string, patience time.Duration, done func([]byte) bool) error {
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	out := c.out
	if text == "" {
		out = nil
	}
	for {
		select {
		case out <- text:
			out = nil
		case data := <-c.in:
			if done(data) {
				return nil
			}
		case err := <-c.failed:
			return fmt.Errorf("talking to the guest's shell: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("talking to the guest's shell: %w", ctx.Err())
		case <-over:
			return errSilent
		}
	}
}

// connect waits for the shell's prompt, and makes of the shell one that neither
// prompts nor echoes.
func (c *channel) connect(ctx context.Context) error {
	if !c.open {
		// What is written before the tty is open gets lost in parts.
		if err := c.exchange(ctx, "", 0, func([]byte) bool { return true }); err != nil {
			return err
		}
	}
	for {
		c.last++
		id, greeted := c.last, false
		// The interrupt ends a line that was begun. Quotes are avoided: of a
		// line that lost its start, the rest must not wait for another.
		line := "\x03\nstty raw -echo; export LC_ALL=C SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat; " +
			c.frames.printing(helloMark, id) + "; exec /bin/sh 2>/dev/null\n"
		err := c.exchange(ctx, line, greeting, func(data []byte) bool {
			c.frames.feed(data, func(got int) { greeted = greeted || got == id }, func(answer) {})
			return greeted
		})
		if errors.Is(err, errSilent) {
			continue
		}
		c.open = c.open || err == nil
		return err
	}
}

// run runs a command of a POSIX shell as root and returns what it printed,
// standard error included. A command that is lost, as with a shell that was
// killed, runs once more.
func (c *channel) run(ctx context.Context, command string) (answer, error) {
	for {
		if !c.open {
			if err := c.connect(ctx); err != nil {
				return answer{}, err
			}
		}
		got, err := c.once(ctx, command, asking)
		if !errors.Is(err, errSilent) {
			return got, err
		}
		if err := c.connect(ctx); err != nil {
			return answer{}, err
		}
	}
}

// once is run for a command that must not run twice, and may take as long as
// patience says; it ends with errSilent where there is no answer by then.
func (c *channel) once(ctx context.Context, command string, patience time.Duration) (answer, error) {
	c.last++
	id := c.last
	line := fmt.Sprintf("%s; ( %s ) </dev/null 2>&1; s=$?; echo; %s $s\n",
		c.frames.printing(beginMark, id), command, c.frames.printing(endMark, id))
	var got *answer
	err := c.exchange(ctx, line, patience, func(data []byte) bool {
		c.frames.feed(data, func(int) {}, func(a answer) {
			if a.id == id {
				a.output = append([]byte(nil), a.output...)
				got = &a
			}
		})
		return got != nil
	})
	if err != nil {
		return answer{}, err
	}
	return *got, nil
}

// quote returns a text as one word of a POSIX shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
