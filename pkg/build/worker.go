package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"go.podman.io/buildah"
	"go.podman.io/buildah/define"
	"go.podman.io/buildah/imagebuildah"
	nettypes "go.podman.io/common/libnetwork/types"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"
)

// workerCommand is the name that this program runs under as a worker.
const workerCommand = "bootkiln-build-worker"

// The worker's descriptors beside the standard ones.
const (
	jobFD    = 3 + iota // the job; its other end stays open while the caller lives
	eventFD             // what the worker says
	workerFD            // the lock of the run
)

func init() { reexec.Register(workerCommand, workerMain) }

// job is what the worker is told, as JSON.
type job struct {
	GraphRoot     string   `json:"graphRoot"`
	RunRoot       string   `json:"runRoot"`
	ImageStore    string   `json:"imageStore,omitempty"`
	Driver        string   `json:"driver"`
	DriverOptions []string `json:"driverOptions,omitempty"`

	RunDir   string        `json:"runDir"`
	Suffix   string        `json:"suffix"`
	Cgroup   string        `json:"cgroup"`
	Policy   string        `json:"policy"`
	Tag      string        `json:"tag,omitempty"`
	Runtime  string        `json:"runtime,omitempty"` // path; "" is chroot
	NoCache  bool          `json:"noCache,omitempty"`
	Epoch    *int64        `json:"epoch,omitempty"`
	Ulimits  []string      `json:"ulimits"`
	Contents []secretValue `json:"secrets,omitempty"`
	Cache    *cacheJob     `json:"cache,omitempty"`
}

// secretValue travels through a pipe, and is kept in memory.
type secretValue struct {
	ID    string `json:"id"`
	Value []byte `json:"value"`
}

// event is one thing that the worker says: exactly one field is set.
type event struct {
	// Step is an instruction that begins.
	Step *string `json:"step,omitempty"`
	// Output is a piece of the steps' output.
	Output []byte    `json:"output,omitempty"`
	Log    *logEntry `json:"log,omitempty"`
	End    *ending   `json:"end,omitempty"`
}

// ending is the last event.
type ending struct {
	ImageID string `json:"imageID,omitempty"`
	// Error is "" where the build succeeded.
	Error string `json:"error,omitempty"`
	// Step says that an instruction failed, ExitCode with which status.
	Step     bool `json:"step,omitempty"`
	ExitCode int  `json:"exitCode,omitempty"`
	// NoSpace says that a write found the disk full.
	NoSpace bool `json:"noSpace,omitempty"`
}

// workerMain is the worker. It is PID 1 of its namespace: when it ends, so does
// everything else in there.
func workerMain() {
	for fd := jobFD; fd <= workerFD; fd++ {
		unix.CloseOnExec(fd)
	}
	say := &speaker{enc: json.NewEncoder(os.NewFile(eventFD, "events"))}
	end := work(os.NewFile(jobFD, "job"), say)
	say.event(event{End: &end})
	os.Exit(0)
}

func work(jobs io.Reader, say *speaker) ending {
	var j job
	in := json.NewDecoder(jobs)
	if err := in.Decode(&j); err != nil {
		return newEnding("", fmt.Errorf("reading the job: %w", err))
	}
	go func() {
		// Nothing more comes but the end, when the caller is gone.
		_, _ = io.Copy(io.Discard, jobs)
		os.Exit(1)
	}()
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.InfoLevel) // see RedirectLogs
	logrus.AddHook(slogHook{emit: func(e logEntry) { say.event(event{Log: &e}) }})
	return newEnding(j.run(say))
}

func newEnding(id string, err error) ending {
	if err == nil {
		return ending{ImageID: id}
	}
	e := ending{Error: err.Error(), NoSpace: errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), unix.ENOSPC.Error())}
	if inner := stepCause(err); inner != nil {
		e.Step, e.Error = true, inner.Error()
		var exit *exec.ExitError
		if errors.As(inner, &exit) {
			e.ExitCode = max(exit.ExitCode(), 0)
		}
	}
	return e
}

// stepCause returns what the library wrapped as the error of an instruction,
// `building at STEP "<instruction>": …`, and nil for other errors.
func stepCause(err error) error {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.HasPrefix(err.Error(), `building at STEP "`) {
			return errors.Unwrap(err)
		}
	}
	return nil
}

// run builds. The process is the worker's own: its working state (umask,
// environment, mounts) may be changed.
func (j *job) run(say *speaker) (id string, err error) {
	if err := mountProc(); err != nil {
		return "", err
	}
	unix.Umask(0o022)
	secrets, err := j.mountSecrets()
	if err != nil {
		return "", err
	}
	store, err := storage.GetStore(storage.StoreOptions{
		GraphRoot: j.GraphRoot, RunRoot: j.RunRoot, ImageStore: j.ImageStore,
		GraphDriverName: j.Driver, GraphDriverOptions: j.DriverOptions,
	})
	if err != nil {
		return "", fmt.Errorf("opening the image store %q: %w", j.GraphRoot, err)
	}
	options := j.options(say, secrets)
	//nolint:forbidigo // the worker is not cancelled, but killed
	id, _, err = imagebuildah.BuildDockerfiles(context.Background(), store, options, filepath.Join(j.RunDir, "Containerfile"))
	return id, err
}

func (j *job) options(say *speaker, secrets []string) define.BuildOptions {
	// The bases are in the store by now: no registry is asked but that of a cache.
	sys := &types.SystemContext{BigFilesTemporaryDir: filepath.Join(j.RunDir, "tmp")}
	sys.SignaturePolicyPath = j.Policy
	o := define.BuildOptions{
		ContextDirectory: filepath.Join(j.RunDir, "context"),
		ContainerSuffix:  j.Suffix,
		Output:           j.Tag,
		OutputFormat:     buildah.OCIv1ImageManifest,
		PullPolicy:       define.PullIfMissing,
		Isolation:        define.IsolationChroot,
		CommonBuildOpts: &define.CommonBuildOptions{
			Ulimit: j.Ulimits, Secrets: secrets, HTTPProxy: true, CgroupParent: j.Cgroup,
			// The builder's version would make the image another one.
			IdentityLabel: types.OptionalBoolFalse,
		},
		NamespaceOptions:        define.NamespaceOptions{{Name: "network", Host: true}},
		NetworkInterface:        noNetworks{},
		Layers:                  true,
		NoCache:                 j.NoCache,
		SkipUnusedStages:        types.OptionalBoolTrue,
		RemoveIntermediateCtrs:  true,
		ForceRmIntermediateCtrs: true,
		SystemContext:           sys,
		SignaturePolicyPath:     j.Policy,
		Out:                     say,
		Err:                     say,
		ReportWriter:            say,
		Log: func(format string, args ...any) {
			step := fmt.Sprintf(format, args...)
			say.event(event{Step: &step})
		},
	}
	if j.Runtime != "" {
		o.Isolation, o.Runtime = define.IsolationOCI, j.Runtime
		// What the runtime remembers of a killed container goes with the run.
		o.RuntimeArgs = []string{"--root", filepath.Join(j.RunDir, "runtime")}
	}
	j.Cache.apply(&o)
	if j.Epoch != nil {
		epoch := time.Unix(*j.Epoch, 0).UTC()
		o.SourceDateEpoch, o.RewriteTimestamp = &epoch, true
	}
	return o
}

// noNetworks is the manager of container networks that there are none of: every
// step has the host's network, or none. Without one, buildah looks for netavark
// and fails on hosts that do not have it. Its methods are never called.
type noNetworks struct{ nettypes.ContainerNetwork }

// mountSecrets lays the secrets out in memory, and returns them in the words of
// buildah's --secret.
func (j *job) mountSecrets() ([]string, error) {
	if len(j.Contents) == 0 {
		return nil, nil
	}
	dir := filepath.Join(j.RunDir, "secrets")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing secrets: %w", err)
	}
	if err := unix.Mount("secrets", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return nil, fmt.Errorf("preparing secrets: %w", err)
	}
	args := make([]string, 0, len(j.Contents))
	for i, s := range j.Contents {
		// IDs are the user's words; they make no file names.
		file := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(file, s.Value, 0o400); err != nil {
			return nil, fmt.Errorf("preparing secrets: %w", err)
		}
		args = append(args, "id="+s.ID+",src="+file)
	}
	return args, nil
}

// speaker writes events, from several goroutines. What is written to it is
// output.
type speaker struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// Write implements [io.Writer].
func (s *speaker) Write(p []byte) (int, error) {
	if len(p) > 0 {
		s.event(event{Output: p})
	}
	return len(p), nil
}

func (s *speaker) event(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enc.Encode(e); err != nil {
		// Nobody listens any more.
		os.Exit(int(syscall.EPIPE))
	}
}
