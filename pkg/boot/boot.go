// Package boot boots an image in a virtual machine, from its own kernel and its
// own initramfs on a throw-away disk, and says whether it reached its target and
// if not, why.
//
// What came of it is asked of the systemd in the guest (package guest). The
// serial console is the evidence, and the witness where systemd cannot be asked.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// Options say how an image is booted, and what is expected of it.
type Options struct {
	// Dir is a folder for the disk and all else that the machine needs, with room
	// for the image twice over. The caller removes it.
	Dir string
	// Mode is the way in; "" is the strongest that is possible.
	Mode disk.Mode
	// Reference is the image's name in containers-storage, which it can install
	// itself by; "" where it is not there.
	Reference string
	// Target is the unit to reach; "" is the image's default target.
	Target string
	Expect guest.Expect
	// Timeout is how long the guest may take; 0 is [DefaultTimeout].
	Timeout time.Duration
	// Memory of the guest in bytes, 0 is [DefaultMemory]; CPUs, 0 is
	// [DefaultCPUs].
	Memory int64
	CPUs   int
	// Accel is what runs the guest; "" is KVM where that works, else TCG.
	Accel qemu.Accel
	// Screenshot asks for a picture of the display, which is else taken only
	// where the image boots to a display manager.
	Screenshot bool
	// Causes returns what the checks find in the image, to explain a failure with;
	// nil for nothing. It is called at most once, and only after a failure.
	Causes func(ctx context.Context) ([]Cause, error)
	// Stage is told how it goes; nil for nobody.
	Stage progress.Stage
	// Live gets the console's bytes as they come; nil for nobody.
	Live io.Writer
	// Interact is given the guest while it still runs, when the verdict is in.
	// The machine then does nothing to shorten a failure. It is not called for a
	// machine that has ended by itself.
	Interact func(ctx context.Context, s Session) error
}

// Session is a guest that is left running.
type Session struct {
	Result *Result
	// Root is a root shell in the guest, nil where it opened none.
	Root io.ReadWriter
	// Console takes what is typed on the serial console, whose output goes to
	// [Options.Live].
	Console io.Writer
	// Ended is closed when the machine has.
	Ended <-chan struct{}
}

// What a machine gets that nothing else was said of.
const (
	DefaultMemory = 2 << 30
	DefaultCPUs   = 2
)

// DefaultTimeout is how long a guest may take.
func DefaultTimeout(a qemu.Accel) time.Duration {
	if a == qemu.KVM {
		return 5 * time.Minute
	}
	return 15 * time.Minute
}

// Boot boots the image. An image that fails is no error but a result: see
// [Result.Err]. Errors are those of this machine, as a [*qemu.MissingError] or a
// [*disk.SpaceError], and of ctx.
func Boot(ctx context.Context, img image.Image, o Options) (*Result, error) {
	if o.Stage == nil {
		o.Stage = progress.Discard.Stage("boot")
	}
	config, err := img.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("booting the image: %w", err)
	}
	model, err := qemu.ModelFor(config.Architecture)
	if err != nil {
		return nil, err
	}
	b := &booting{Options: o, model: model, result: &Result{
		Image: img.Location(), Verdict: Failed, Machine: model.Machine, Target: o.Target,
	}}
	if b.accel, err = b.chooseAccel(ctx); err == nil {
		err = b.prepare(ctx, img)
	} else if hopeless := startable(ctx, img); hopeless != nil {
		err = hopeless // on any machine, whatever this one lacks
	}
	var unbootable *disk.UnbootableError
	switch {
	case errors.As(err, &unbootable):
		b.result.Failure = &Failure{Class: Unbootable, Explanation: sentence(unbootable.Reason), Hint: unbootable.Hint}
		return b.explained(ctx)
	case err != nil:
		return nil, err
	}
	for {
		err := b.run(ctx)
		if broken, ok := errors.AsType[*acceleratorError](err); ok && o.Accel == "" && b.accel == qemu.KVM && ctx.Err() == nil {
			// The disk is what the guest made of it until then.
			b.note("KVM failed in the middle of a boot, so the image was booted in emulation: " + broken.Error())
			b.accel = qemu.TCG
			if err := b.prepare(ctx, img); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return b.explained(ctx)
	}
}
