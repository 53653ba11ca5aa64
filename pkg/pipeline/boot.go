package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// The modes of [recipe.Boot] that are no way into the image.
const (
	BootAuto = "auto"
	BootOff  = "off"
)

// Boot is what result.json says of the boot; boot.json has all of it.
type Boot struct {
	// Skipped says that the image was not booted, because that was asked for; then
	// nothing else is set.
	Skipped       bool         `json:"skipped,omitempty"`
	Verdict       boot.Verdict `json:"verdict,omitempty"`
	Mode          disk.Mode    `json:"mode,omitempty"`
	Accelerator   string       `json:"accelerator,omitempty"`
	Target        string       `json:"target,omitempty"`
	Seconds       float64      `json:"seconds,omitempty"`
	Times         *boot.Times  `json:"times,omitempty"`
	ConsoleDigest string       `json:"consoleDigest,omitempty"`
}

func (r *run) bootsOff() bool { return r.in.Recipe.Boot.Mode.Value == BootOff }

// bootable fails before the long build where nothing could be booted after it.
func (r *run) bootable(ctx context.Context) error {
	if r.bootsOff() || r.passed("boot", r.bootWords()) {
		return nil
	}
	return r.BootReady(ctx)
}

// boot keeps an image that does not boot from going any further.
func (r *run) boot(ctx context.Context, img image.Image) error {
	if r.bootsOff() {
		return r.stage("boot", func(st progress.Stage) error {
			r.result.Boot = &Boot{Skipped: true}
			st.Warnf("the image is not booted, because its boot is off: that it starts is a guess")
			return nil
		})
	}
	return r.stage("boot", func(st progress.Stage) error {
		if r.passed("boot", r.bootWords()) {
			var b boot.Result
			st.Infof("booted already")
			if err := r.left(boot.ReportName, &b); err != nil {
				return err
			}
			r.booted(&b)
			return nil
		}
		o := bootOptions(r.in.Recipe.Boot)
		o.Stage = st
		o.Causes = func(context.Context) ([]boot.Cause, error) { return boot.CausesIn(r.report), nil }
		b, err := r.Boot(ctx, img, o)
		if err != nil {
			return err
		}
		r.booted(b)
		if err := r.keepBoot(b); err != nil {
			return err
		}
		if err := b.Err(); err != nil {
			return err
		}
		for line := range strings.Lines(b.Text()) {
			st.Infof("%s", strings.TrimSuffix(line, "\n"))
		}
		return r.pass("boot", r.bootWords(), boot.ReportName)
	})
}

// bootWords are what a boot depends on beside the image.
func (r *run) bootWords() digest.Digest { return wordsOf(r.in.Recipe.Boot) }

func (r *run) booted(b *boot.Result) {
	r.result.Boot = &Boot{
		Verdict: b.Verdict, Mode: b.Mode, Accelerator: b.Accelerator, Target: b.Target,
		Seconds: b.Seconds, Times: b.Times, ConsoleDigest: b.Console.Digest,
	}
}

// keepBoot writes what was seen to the output folder, where there is one.
func (r *run) keepBoot(b *boot.Result) error {
	if r.in.Out == "" {
		return nil
	}
	err := errors.Join(r.keep(boot.ReportName, b), writeFile(filepath.Join(r.in.Out, boot.ConsoleName), b.Log))
	if b.Picture != nil {
		err = errors.Join(err, writeFile(filepath.Join(r.in.Out, boot.ScreenshotName), b.Picture))
	}
	return err
}

// bootOptions turns the words of a recipe into what package boot takes.
func bootOptions(words recipe.Boot) boot.Options {
	o := boot.Options{Target: words.Target.Value, Timeout: words.Timeout, Memory: words.Memory}
	if mode := words.Mode.Value; mode != BootAuto {
		o.Mode = disk.Mode(mode)
	}
	e := words.Expect
	o.Expect = guest.Expect{Active: values(e.Active), AllowFailed: values(e.Failed), Within: e.Within}
	for _, c := range e.Commands {
		command := guest.Command{Run: c.Run.Value, Status: c.Status, Contains: given(c.Contains), Equals: given(c.Equals)}
		if c.Matches.IsSet() {
			command.Matches = regexp.MustCompile(c.Matches.Value) // the recipe's rule compiled it
		}
		o.Expect.Commands = append(o.Expect.Commands, command)
	}
	for _, l := range e.Listening {
		port, protocol, _ := strings.Cut(l.Value, "/")
		number, err := strconv.Atoi(port)
		if err != nil {
			panic(fmt.Sprintf("the port %q passed the recipe's rule", l.Value))
		}
		o.Expect.Ports = append(o.Expect.Ports, guest.Port{Number: number, Protocol: protocol})
	}
	return o
}

func values(words []recipe.String) []string {
	var all []string
	for _, w := range words {
		all = append(all, w.Value)
	}
	return all
}

// given returns the value of a word, nil for one that the recipe does not have.
func given(word recipe.String) *string {
	if !word.IsSet() {
		return nil
	}
	return &word.Value
}
