package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// broken is a root whose files fail to open, or that tells of it.
type broken struct {
	image.Root
	fail func(name string) error
}

func (b broken) Open(name string) (fs.File, error) {
	if err := b.fail(name); err != nil {
		return nil, err
	}
	return b.Root.Open(name)
}

// TestNothingIsLeft stops in the middle, in each way.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	files := bootable().With(everyKind())
	for name, stop := range map[string]func(cancel context.CancelFunc) error{
		"cancelled":     func(cancel context.CancelFunc) error { cancel(); return nil },
		"reading fails": func(context.CancelFunc) error { return syscall.EIO },
		"disk full":     func(context.CancelFunc) error { return syscall.ENOSPC },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			root := broken{openRoot(t, files), func(name string) error {
				if name == "usr/share/more" {
					return stop(cancel)
				}
				return nil
			}}
			dir := t.TempDir()
			b, err := Make(ctx, root, dir, Options{Mode: Direct, Free: 1 << 20})
			full := (*SpaceError)(nil)
			switch {
			case b != nil || err == nil:
				t.Errorf("it made %+v", b)
			case name == "cancelled" && !errors.Is(err, context.Canceled),
				name == "reading fails" && !errors.Is(err, syscall.EIO),
				name == "disk full" && (!errors.As(err, &full) || full.Needed == 0):
				t.Errorf("the error is %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
