package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ostreeTool runs ostree on the sysroot in the caller's folder: that of this
// machine, or that of the image.
type ostreeTool struct {
	// prefix is what the command line begins with; it ends with "ostree".
	prefix []string
	// sysroot is the folder by the name that the program sees.
	sysroot string
	// id is the file that podman writes the container's ID to, "" without one.
	id string
	// features is what ostree says of itself.
	features string
}

// containerSysroot is where a container sees the sysroot.
const containerSysroot = "/run/bootkiln-sysroot"

// findOSTree takes the ostree of this machine if it is there and fits, else the
// image's own. That one runs in a container that reaches the sysroot and nothing
// else: not the network, and with the few privileges that podman gives to all.
func (m *maker) findOSTree(ctx context.Context, fits func(features string) error) (*ostreeTool, error) {
	dir, err := filepath.Abs(m.dir)
	if err != nil {
		return nil, fmt.Errorf("making a disk: %w", err)
	}
	host := &ostreeTool{prefix: []string{"ostree"}, sysroot: filepath.Join(dir, sysrootDir)}
	why := host.ask(ctx, fits)
	if why == nil || ctx.Err() != nil {
		return host, why
	}
	if m.reference == "" || !exists(m.root, "usr/bin/ostree") {
		return nil, why
	}
	if _, err := lookPath("podman"); err != nil {
		return nil, why
	}
	id := filepath.Join(dir, "ostree.id")
	prefix := append([]string{"podman", "run"}, ulimits...)
	own := &ostreeTool{
		prefix: append(prefix,
			"--rm", "--interactive", "--network=none", "--pull=never", "--security-opt=label=disable",
			"--cidfile="+id, "--env=LC_ALL=C.UTF-8", "--env="+mutable,
			"--volume="+filepath.Join(dir, sysrootDir)+":"+containerSysroot, "--entrypoint=ostree", m.reference),
		sysroot: containerSysroot, id: id,
	}
	// The version of the image's is asked for without a sysroot.
	ask := &ostreeTool{prefix: slices.DeleteFunc(slices.Clone(own.prefix), func(arg string) bool { return strings.HasPrefix(arg, "--volume=") }), id: id}
	if err := ask.ask(ctx, fits); err != nil {
		return nil, errors.Join(why, fmt.Errorf("and with the image's own: %w", err))
	}
	m.note("The deployment was made with the ostree of the image: %s.", strings.TrimPrefix(why.Error(), "making a disk: "))
	return own, nil
}

// ask finds out whether the program is there and fits.
func (t *ostreeTool) ask(ctx context.Context, fits func(features string) error) (err error) {
	if t.features, err = t.run(ctx, nil, "--version"); err != nil {
		return err
	}
	return fits(t.features)
}

// run runs ostree with stdin. A container that is left, because podman was
// killed, is removed.
func (t *ostreeTool) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	out, err := run(ctx, stdin, append(slices.Clone(t.prefix), args...)...)
	if t.id == "" {
		return out, err
	}
	if err != nil {
		err = errors.Join(err, removeContainer(ctx, t.id))
	}
	return out, errors.Join(err, removeFiles(t.id))
}

// ulimits are small limits for a container. Podman asks for its own, larger
// ones where nothing is said, which a root without CAP_SYS_RESOURCE is refused
// even where they are those that it has.
var ulimits = []string{"--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"}

// removeContainer removes what a podman that was killed left. That ctx ended may
// be the reason, and does not end this.
func removeContainer(ctx context.Context, id string) error {
	if fi, err := os.Stat(id); errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
	defer cancel()
	_, err := run(ctx, nil, "podman", "rm", "--force", "--ignore", "--time=0", "--cidfile="+id)
	return err
}

// removeTime is how long the removal of a container may take.
const removeTime = 30 * time.Second
