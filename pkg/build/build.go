package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

// Options say how one image is built.
type Options struct {
	// Tag names the image in the store ("localhost/centos-kde:latest"); "" leaves
	// it without a name.
	Tag string
	// Project is the file system that the recipe was loaded from; it is only
	// read.
	Project fs.FS
	// Isolation says how commands are run.
	Isolation Isolation
	// NoCache runs every step, also where the store has its result.
	NoCache bool
	// Cache names repositories that finished steps are taken from and brought to;
	// the zero value is the store alone.
	Cache Cache
	// BaseKey is the public key (PEM) that the base must be signed with; nil
	// accepts any base. The base must then be pinned by digest.
	BaseKey []byte
	// Secrets holds the values of the Containerfile's secrets by ID. They are
	// held in memory, and reach no layer, history, log or cache key.
	Secrets map[string][]byte
	// Epoch, unless zero, is the time that the image says it was made at, and
	// the latest modification time of a file in its layers. It takes part in
	// the layer cache: steps are taken from the cache only if they were built
	// with the same Epoch.
	Epoch time.Time
	// MinFree is how much space must be free on the store's file system before
	// the build is begun, in bytes; 0 means [DefaultMinFree], and a negative
	// number switches the check off.
	MinFree int64
	// Stage is shown what the build prints; nil shows nothing.
	Stage progress.Stage
	// Log receives the same lines (build.log); nil keeps none. It is not
	// closed.
	Log io.Writer
}

// DefaultMinFree is the space that [Options.MinFree] asks for by default: a
// desktop's packages are installed in a few GB, and every step is kept.
const DefaultMinFree = 5 << 30

// Build builds f and returns the image. Steps whose results the store has are
// not run again.
//
// The error is a [*StepError] where an instruction failed, a [*PullError] where
// the base could not be had, a [*SpaceError] or [*DiskFullError] where the disk
// is too small, a [*RuntimeError] where OCI isolation is asked for in vain, an
// [*OfflineError] where a step must have no network and that cannot be had, and
// wraps ctx's cause where that ended the build. It is a [*diag.ListError] where
// a step found words of the recipe that name nothing in the image. Whatever
// happened, nothing of the build is left but the finished steps in the layer
// cache.
func (b *Builder) Build(ctx context.Context, f *containerfile.File, o Options) (image.Image, error) {
	id := ""
	err := b.work(ctx, f, o, func(v *view, end ending) error {
		if end.Error != "" {
			if in, ok := v.stepper.current(); ok && in.installs {
				b.forget(ctx, f)
			}
			return b.failure(v, end)
		}
		v.succeeded()
		id = end.ImageID
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.built(ctx, o.Tag, id)
}

// work runs the instructions of f in a worker, and ended is told how that
// ended; what it returns is the error.
func (b *Builder) work(ctx context.Context, f *containerfile.File, o Options, ended func(*view, ending) error) (err error) {
	if o.Stage == nil {
		o.Stage = progress.Discard.Stage("")
	}
	instructions, err := parseInstructions(f.Text)
	if err != nil {
		return err
	}
	secrets, err := secretsOf(f, o.Secrets)
	if err != nil {
		return err
	}
	if o.BaseKey != nil {
		if err := verifiable(f, instructions); err != nil {
			return err
		}
	}
	if err := b.sweep(ctx); err != nil {
		return err
	}
	if err := b.checkSpace(o.MinFree); err != nil {
		return err
	}
	how, err := b.choose(ctx, o.Isolation)
	if err != nil {
		return err
	}
	o.Stage.Infof("isolation: %s", how)
	if err := how.permits(f, instructions); err != nil {
		return err
	}

	r, err := b.runs.create()
	if err != nil {
		return b.diskFull(err, 0)
	}
	// Without the caller's ctx: a cancelled build is cleaned up as well.
	defer func() { err = errors.Join(err, b.discard(r)) }()
	if err := r.holdBallast(); err != nil {
		return b.diskFull(fmt.Errorf("preparing a build: %w", err), 0)
	}

	for ref, line := range bases(instructions) {
		if imageID.MatchString(ref) {
			continue
		}
		if kind, _, _, err := parseBase(ref); err != nil || kind == fromStore {
			continue // the builder finds it in the store, or says what is wrong
		}
		if _, err := b.pull(ctx, r, ref, o.BaseKey, o.Stage); err != nil {
			return b.stopped(ctx, b.diskFull(newPullError(ref, f.Origin(line), err), 0))
		}
	}
	j, err := b.layOut(r, f, o, how, secrets)
	if err != nil {
		return b.diskFull(err, 0)
	}
	if j.Cache, err = b.cacheJob(ctx, o.Cache); err != nil {
		return err
	}
	v := newView(f, instructions, o, b.log)
	end, err := runWorker(ctx, r, j, v)
	if err != nil {
		return b.stopped(ctx, fmt.Errorf("building: %w", err))
	}
	if err := ended(v, end); err != nil {
		return b.stopped(ctx, err)
	}
	if err := v.logErr; err != nil {
		return fmt.Errorf("writing the build log: %w", err)
	}
	return nil
}

// built returns the image with that ID, under the tag where it still is the
// image's: another build may have moved it since.
func (b *Builder) built(ctx context.Context, tag, id string) (image.Image, error) {
	if tag != "" {
		if img, err := b.stored(tag); err == nil && img.id == id {
			return img, nil
		}
	}
	return b.Image(ctx, id)
}

// verifiable refuses bases whose signatures nobody could look at.
func verifiable(f *containerfile.File, list []instruction) error {
	for ref, line := range bases(list) {
		kind, _, _, err := parseBase(ref)
		if err != nil {
			return newPullError(ref, f.Origin(line), err)
		}
		if kind != fromRegistry {
			return unverifiable(ref, f.Origin(line))
		}
	}
	return nil
}

// secretsOf returns the values that f needs.
func secretsOf(f *containerfile.File, values map[string][]byte) ([]secretValue, error) {
	var secrets []secretValue
	for _, s := range f.Secrets {
		value, ok := values[s.ID]
		if !ok {
			return nil, fmt.Errorf("building: secret %q has no value", s.ID)
		}
		if strings.ContainsAny(s.ID, ",=") {
			return nil, fmt.Errorf("building: secret %q: the ID holds a comma or an equals sign", s.ID)
		}
		secrets = append(secrets, secretValue{ID: s.ID, Value: value})
	}
	return secrets, nil
}

// layOut writes the files of the build.
func (b *Builder) layOut(r *run, f *containerfile.File, o Options, how chosen, secrets []secretValue) (*job, error) {
	if err := f.WriteContext(r.path("context"), o.Project); err != nil {
		return nil, err
	}
	if err := os.WriteFile(r.path("Containerfile"), f.Text, 0o600); err != nil {
		return nil, err
	}
	files, err := writePolicy(r.dir, nil, nil)
	if err != nil {
		return nil, err
	}
	ulimits, err := ulimits()
	if err != nil {
		return nil, err
	}
	j := &job{
		GraphRoot: b.store.GraphRoot(), RunRoot: b.store.RunRoot(), ImageStore: b.store.ImageStore(),
		Driver: b.store.GraphDriverName(), DriverOptions: b.store.GraphOptions(),
		RunDir: r.dir, Suffix: r.suffix(), Cgroup: r.cgroup(), Policy: files.policy,
		Tag: o.Tag, Runtime: how.runtime.Path, NoCache: o.NoCache, Ulimits: ulimits, Contents: secrets,
	}
	if !o.Epoch.IsZero() {
		seconds := o.Epoch.Unix()
		j.Epoch = &seconds
	}
	return j, nil
}

// maxUlimit is what buildah asks for where nothing is said, and where it fails
// if the process may have less. More does not help: some programs walk through
// all descriptors that they could have open.
const maxUlimit = 1 << 20

// ulimits returns this process's limits for the steps.
func ulimits() ([]string, error) {
	var list []string
	for _, l := range []struct {
		name     string
		resource int
	}{{"nofile", unix.RLIMIT_NOFILE}, {"nproc", unix.RLIMIT_NPROC}} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(l.resource, &limit); err != nil {
			return nil, fmt.Errorf("reading the limit %q of this process: %w", l.name, err)
		}
		list = append(list, fmt.Sprintf("%s=%d:%d", l.name, min(limit.Cur, maxUlimit), min(limit.Max, maxUlimit)))
	}
	return list, nil
}

// stopped makes err the cause of ctx, where that ended the build.
func (b *Builder) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("building: stopped: %w", context.Cause(ctx))
	}
	return err
}

// exitError is how the library words the status of a command.
var exitError = regexp.MustCompile(`exit status \d+$`)

// failure turns what the worker reported into an error.
func (b *Builder) failure(v *view, end ending) error {
	err := errors.New(end.Error)
	if in, ok := v.stepper.current(); ok && end.Step {
		if err := v.found().Err(); err != nil && end.ExitCode != 0 {
			return err
		}
		if end.ExitCode != 0 && exitError.MatchString(end.Error) {
			err = fmt.Errorf("the command ended with status %d", end.ExitCode)
		}
		err = &StepError{
			Pos: v.file.Origin(in.line), Title: v.file.Title(in.line), Line: in.line, Instruction: in.text,
			Output: v.tail.lines, ExitCode: end.ExitCode, Err: err,
		}
	} else {
		err = fmt.Errorf("building: %w", err)
	}
	noSpace := end.NoSpace
	for _, line := range v.tail.lines {
		noSpace = noSpace || strings.Contains(strings.ToLower(line), unix.ENOSPC.Error())
	}
	if noSpace {
		return b.diskFull(err, nearlyFull)
	}
	return b.diskFull(err, 0)
}

// nearlyFull is the space below which a complaint about space in a step's
// output is about this disk, and not about one that the step looked at.
const nearlyFull = 256 << 20

// diskFull makes err a [*DiskFullError] if it is about space, or if less than
// atMost bytes are free.
func (b *Builder) diskFull(err error, atMost int64) error {
	free, statErr := freeSpace(b.store.GraphRoot())
	if errors.Is(err, unix.ENOSPC) || statErr == nil && free < atMost {
		return &DiskFullError{Dir: b.store.GraphRoot(), Free: free, Err: err}
	}
	return err
}

// checkSpace refuses to begin what cannot end well.
func (b *Builder) checkSpace(need int64) error {
	if need == 0 {
		need = DefaultMinFree
	}
	// Temporary files are in the graph root too.
	free, err := freeSpace(b.store.GraphRoot())
	if err != nil {
		return err
	}
	if free < need {
		return &SpaceError{Dir: b.store.GraphRoot(), Free: free, Needed: need}
	}
	return nil
}

// freeSpace returns the bytes that are free for this process below dir.
func freeSpace(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("reading the free space of %q: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
