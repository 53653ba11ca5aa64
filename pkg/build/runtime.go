package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-tools/generate"
	"go.podman.io/common/pkg/config"
	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
)

// Isolation says how the commands of a build are run.
type Isolation string

// The isolations.
const (
	// IsolationAuto is OCI where a runtime proves itself, else chroot. It is
	// also what the empty string means.
	IsolationAuto Isolation = "auto"
	// IsolationOCI runs commands in containers of an OCI runtime.
	IsolationOCI Isolation = "oci"
	// IsolationChroot runs commands in a chroot with a mount and UTS
	// namespace of its own.
	IsolationChroot Isolation = "chroot"
)

// ParseIsolation accepts "auto", "oci" and "chroot".
func ParseIsolation(s string) (Isolation, error) {
	switch i := Isolation(s); i {
	case IsolationAuto, IsolationOCI, IsolationChroot:
		return i, nil
	}
	return "", fmt.Errorf("parsing isolation %q: it is auto, oci or chroot", s)
}

// Runtime is an OCI runtime of this machine.
type Runtime struct {
	// Name is "crun", "runc", or another that containers.conf names.
	Name string
	Path string
	// Version is as the program prints it; the zero Version where it prints
	// none that is understood.
	Version Version
	// Err says why it cannot be used, and is nil where it has proved itself.
	Err error
}

// minCrun is the first crun that accepts the version of the runtime
// specification that buildah writes; older ones say "unknown version
// specified".
var minCrun = Version{1, 14, 3}

// Version is a version of three numbers.
type Version [3]int

// String returns "major.minor.patch".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

var versionLine = regexp.MustCompile(`(?m)^\S+ version (\d+)\.(\d+)(?:\.(\d+))?`)

// parseVersion reads what "runc --version" and "crun --version" print:
// "<name> version 1.14.3" with any suffix on a line of its own.
func parseVersion(output string) (Version, bool) {
	m := versionLine.FindStringSubmatch(output)
	if m == nil {
		return Version{}, false
	}
	var v Version
	for i, digits := range m[1:] {
		if digits == "" {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil {
			return Version{}, false
		}
		v[i] = n
	}
	return v, true
}

// ProbeRuntimes tries the OCI runtimes of this machine, best first, and stops
// after the first that can be used: it is the last of the list, with a nil Err.
// It needs root, but no store; without root every runtime has an Err.
func ProbeRuntimes(ctx context.Context) (_ []Runtime, err error) {
	scratch, err := os.MkdirTemp("", "bootkiln-probe-")
	if err != nil {
		return nil, fmt.Errorf("probing OCI runtimes: %w", err)
	}
	cgroup := "/" + filepath.Base(scratch)
	defer func() { err = errors.Join(err, removeCgroups(cgroup), os.RemoveAll(scratch)) }()
	return probeRuntimes(ctx, scratch, cgroup), nil
}

// probeRuntimes is [ProbeRuntimes] with a folder and a control group that the
// caller removes.
func probeRuntimes(ctx context.Context, scratch, cgroup string) []Runtime {
	var found []Runtime
	for _, r := range candidates() {
		r.probe(ctx, scratch, cgroup)
		found = append(found, r)
		if r.Err == nil {
			break
		}
	}
	return found
}

// candidates lists installed runtimes, each file once: the one that
// containers.conf chooses, then crun and runc. Folders of the administrator come
// first, because hosts that got a new runtime there keep the distribution's
// old one in /usr/bin.
func candidates() []Runtime {
	names := []string{"crun", "runc"}
	paths := map[string][]string{}
	if conf, err := config.Default(); err == nil {
		if name := conf.Engine.OCIRuntime; name != "" && !slices.Contains(names, name) {
			names = append([]string{name}, names...)
		} else if name == "runc" {
			slices.Reverse(names)
		}
		paths = conf.Engine.OCIRuntimes
	}
	var found []Runtime
	seen := map[string]bool{}
	for _, name := range names {
		tries := []string{name}
		if !filepath.IsAbs(name) {
			tries = []string{"/usr/local/bin/" + name, "/usr/local/sbin/" + name}
			tries = append(tries, paths[name]...)
			if p, err := exec.LookPath(name); err == nil {
				tries = append(tries, p)
			}
		}
		for _, path := range tries {
			file, err := filepath.EvalSymlinks(path)
			if err != nil || seen[file] {
				continue
			}
			seen[file] = true
			found = append(found, Runtime{Name: filepath.Base(name), Path: path})
		}
	}
	return found
}

// probe finds the version and proves that the runtime works here.
func (r *Runtime) probe(ctx context.Context, scratch, cgroup string) {
	out, err := exec.CommandContext(ctx, r.Path, "--version").Output()
	if err != nil {
		r.Err = fmt.Errorf("asking for its version: %w", err)
		return
	}
	var ok bool
	r.Version, ok = parseVersion(string(out))
	if ok && r.Name == "crun" && slices.Compare(r.Version[:], minCrun[:]) < 0 {
		r.Err = fmt.Errorf("version %s is too old, %s is needed", r.Version, minCrun)
		return
	}
	r.Err = r.prove(ctx, scratch, cgroup)
}

// prove creates a container: namespaces, mounts, control group and the version
// of the specification are then known to work. Its program is never started, so
// none is needed. What is left of the container is in scratch and in the control
// group.
func (r *Runtime) prove(ctx context.Context, scratch, cgroup string) error {
	bundle, err := os.MkdirTemp(scratch, "bundle-")
	if err != nil {
		return err
	}
	if err := writeProbeBundle(bundle, cgroup); err != nil {
		return err
	}
	var words bytes.Buffer
	cmd := reexec.CommandContext(ctx, proveCommand, r.Path,
		"--root", filepath.Join(bundle, "state"), "create", "--bundle", bundle, filepath.Base(bundle))
	cmd.Dir, cmd.Stdout, cmd.Stderr = bundle, &words, &words
	cmd.SysProcAttr = ownNamespaces()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("creating a container: %w: %s", err, strings.TrimSpace(words.String()))
	}
	return nil
}

// proveCommand is the name that this program runs under to become a runtime.
const proveCommand = "bootkiln-prove-runtime"

func init() { reexec.Register(proveCommand, proveMain) }

// proveMain becomes the runtime, as the first process of a PID namespace: the
// container that it creates dies when it ends.
func proveMain() {
	err := mountProc()
	if err == nil {
		err = unix.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// writeProbeBundle writes a bundle with a specification like those that
// buildah writes.
func writeProbeBundle(bundle, cgroup string) error {
	g, err := generate.New("linux")
	if err != nil {
		return err
	}
	g.SetRootPath("rootfs")
	g.SetProcessTerminal(false)
	g.SetProcessArgs([]string{"/program"})
	g.SetLinuxCgroupsPath(cgroup)
	if err := g.RemoveLinuxNamespace("network"); err != nil {
		return err
	}
	spec, err := json.Marshal(g.Config)
	if err != nil {
		return err
	}
	rootfs := filepath.Join(bundle, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(rootfs, "program"), []byte("#!/program\n"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), spec, 0o600)
}

// chosen is how a build runs its commands.
type chosen struct {
	isolation Isolation // IsolationOCI or IsolationChroot
	runtime   Runtime   // for IsolationOCI
}

func (c chosen) String() string {
	if c.isolation == IsolationChroot {
		return "chroot"
	}
	return fmt.Sprintf("%s %s (%s)", c.runtime.Name, c.runtime.Version, c.runtime.Path)
}

// permits refuses a build with steps that cannot be kept from the network.
func (c chosen) permits(f *containerfile.File, list []instruction) error {
	if c.isolation != IsolationChroot {
		return nil
	}
	for _, in := range list {
		if in.offline {
			return &OfflineError{Pos: f.Origin(in.line)}
		}
	}
	return nil
}

// choose settles on an isolation. The error is a [*RuntimeError] where OCI is
// asked for and there is no runtime.
func (b *Builder) choose(ctx context.Context, want Isolation) (chosen, error) {
	if want == "" {
		want = IsolationAuto
	}
	if _, err := ParseIsolation(string(want)); err != nil {
		return chosen{}, err
	}
	if want == IsolationChroot {
		return chosen{isolation: IsolationChroot}, nil
	}
	tried, err := b.probe(ctx)
	if err != nil {
		return chosen{}, err
	}
	if n := len(tried); n > 0 && tried[n-1].Err == nil {
		return chosen{isolation: IsolationOCI, runtime: tried[n-1]}, nil
	}
	if want == IsolationOCI {
		return chosen{}, &RuntimeError{Tried: tried}
	}
	return chosen{isolation: IsolationChroot}, nil
}

// probe returns the runtimes of this machine, as [probeRuntimes] finds them; the
// first time that takes a moment.
func (b *Builder) probe(ctx context.Context) (_ []Runtime, err error) {
	b.probing.Lock()
	defer b.probing.Unlock()
	if b.probed {
		return b.runtimes, nil
	}
	r, err := b.runs.create()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.discard(r)) }()
	runtimes := probeRuntimes(ctx, r.path("tmp"), r.cgroup())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.runtimes, b.probed = runtimes, true
	return runtimes, nil
}
