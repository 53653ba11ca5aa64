//go:build e2e

// Package test holds what needs root, real runtimes or a real registry. Tests run in
// parallel, beside each other on the machine's one store, but for those about builds
// that are killed.
package test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"go.podman.io/image/v5/copy"
	ocilayout "go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

func TestMain(m *testing.M) {
	if build.InitReexec() {
		return
	}
	if os.Getenv(victimEnv) != "" {
		os.Exit(victim())
	}
	build.RedirectLogs(nil)
	os.Exit(runShared(m))
}

// isolations are those that every build test runs with.
var isolations = []build.Isolation{build.IsolationOCI, build.IsolationChroot}

const baseName = "localhost/busybox:latest"

// testStore is a private image store with a tiny base in it.
type testStore struct {
	dir, graphRoot, runRoot string
	// runs are the folders of builds that were seen alive.
	runs []string
}

// noteRuns remembers the builds that are alive now.
func (s *testStore) noteRuns(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.graphRoot, "bootkiln", "run-*"))
	if err != nil {
		t.Error(err)
	}
	s.runs = append(s.runs, found...)
	return found
}

// newTestStore makes a store in a new folder.
func newTestStore(t testing.TB) *testStore {
	t.Helper()
	return newTestStoreIn(t, t.TempDir())
}

func newTestStoreIn(t testing.TB, dir string) *testStore {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests need root: run them with 'sudo make e2e'")
	}
	s := &testStore{dir: dir, graphRoot: filepath.Join(dir, "graph"), runRoot: filepath.Join(dir, "run")}
	t.Cleanup(func() {
		// The overlay driver binds its folder to itself.
		for _, m := range mountsBelow(t, dir) {
			if err := unix.Unmount(m, unix.MNT_DETACH); err != nil {
				t.Errorf("unmounting %q: %v", m, err)
			}
		}
	})
	s.importBase(t)
	return s
}

func (s *testStore) options() build.StoreOptions {
	return build.StoreOptions{GraphRoot: s.graphRoot, RunRoot: s.runRoot, Driver: "overlay"}
}

// open opens a builder on the store.
func (s *testStore) open(t testing.TB) *build.Builder {
	t.Helper()
	b, err := build.Open(t.Context(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// store opens the store beside bootkiln.
func (s *testStore) store(t testing.TB) storage.Store {
	t.Helper()
	st, err := storage.GetStore(storage.StoreOptions{GraphRoot: s.graphRoot, RunRoot: s.runRoot, GraphDriverName: "overlay"})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

var baseTar = sync.OnceValues(func() ([]byte, error) {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, fmt.Errorf("%w: install the package busybox-static", err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(h tar.Header, content []byte) {
		h.Size = int64(len(content))
		err = errors.Join(err, w.WriteHeader(&h))
		_, werr := w.Write(content)
		err = errors.Join(err, werr)
	}
	for _, dir := range []string{"bin/", "etc/", "usr/", "usr/lib/", "tmp/", "var/", "root/", "run/"} {
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	add(tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, busybox)
	for _, name := range []string{"sh", "cat", "echo", "sleep", "ls", "test", "dd", "ip", "mkdir", "touch", "grep", "setsid", "wc", "nohup", "head"} {
		add(tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	add(tar.Header{Name: "usr/lib/os-release", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("NAME=Test\nID=debian\nVERSION_ID=\"12\"\n"))
	add(tar.Header{Name: "etc/os-release", Typeflag: tar.TypeSymlink, Linkname: "../usr/lib/os-release"}, nil)
	add(tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	return buf.Bytes(), errors.Join(err, w.Close())
})

// baseImage is an image of a static busybox.
func baseImage(t testing.TB, labels map[string]string) v1.Image {
	t.Helper()
	content, err := baseTar()
	if err != nil {
		t.Fatalf("making the base: %v", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config.Env = []string{"PATH=/bin"}
	config.Config.Labels = labels
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

// importBase puts the base into the store.
func (s *testStore) importBase(t testing.TB) {
	t.Helper()
	img := baseImage(t, nil)
	dir := filepath.Join(s.dir, "base-layout")
	lp, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := lp.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	src, err := ocilayout.NewReference(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	dst, err := istorage.Transport.ParseStoreReference(s.store(t), baseName)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copy.Image(t.Context(), policy, dst, src, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// containerFile returns a Containerfile on the base. Its lines come from the
// lines of "recipe.yaml" times ten, so that the two cannot be confused.
func containerFile(lines ...string) *containerfile.File {
	f := &containerfile.File{Context: map[string]plan.Source{}}
	lines = append([]string{"FROM " + baseName}, lines...)
	f.Text = []byte(strings.Join(lines, "\n") + "\n")
	for i := range strings.Split(strings.Join(lines, "\n"), "\n") {
		f.Origins = append(f.Origins, diag.Pos{File: "recipe.yaml", Line: 10 * (i + 1), Col: 1})
	}
	return f
}

// recorder collects what a build shows.
type recorder struct {
	progress.Stage

	mu    sync.Mutex
	buf   bytes.Buffer
	warns []string
	// seen is called with every line.
	seen func(line string)
}

func newRecorder() *recorder { return &recorder{Stage: progress.Discard.Stage("build")} }

func (r *recorder) Output() io.Writer { return r }

func (r *recorder) Warnf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warns = append(r.warns, fmt.Sprintf(format, args...))
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.buf.Write(p)
	r.mu.Unlock()
	if r.seen != nil {
		r.seen(strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// mustBuild builds, and returns what was shown.
func mustBuild(t testing.TB, b *build.Builder, f *containerfile.File, o build.Options) *recorder {
	t.Helper()
	rec := newRecorder()
	o.Stage, o.MinFree = rec, -1
	if o.Project == nil {
		o.Project = fstest.MapFS{}
	}
	if _, err := b.Build(t.Context(), f, o); err != nil {
		t.Fatalf("building: %v\n%s", err, rec.text())
	}
	return rec
}

// mountsBelow lists mount points below dir, deepest first.
func mountsBelow(t testing.TB, dir string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, dir+"/") {
			found = append([]string{point}, found...)
		}
	}
	return found
}

// processes lists the living processes whose command line holds mark.
func processes(t testing.TB, mark string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, dir := range dirs {
		cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && bytes.Contains(cmdline, []byte(mark)) {
			found = append(found, dir+" "+string(bytes.ReplaceAll(cmdline, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// assertClean fails the test if a build has left anything: working containers,
// mounts, processes with mark in their command line, files, control groups of
// the builds that were noted.
func (s *testStore) assertClean(t testing.TB, mark string) {
	t.Helper()
	containers, err := s.store(t).Containers()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		t.Errorf("working container %v is left", c.Names)
	}
	for _, m := range mountsBelow(t, s.dir) {
		if m != filepath.Join(s.graphRoot, "overlay") {
			t.Errorf("mount %q is left", m)
		}
	}
	if mark != "" {
		for _, p := range processes(t, mark) {
			t.Errorf("process is left: %s", p)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.graphRoot, "bootkiln"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lock" && e.Name() != "cache" && e.Name() != "answered" {
			t.Errorf("%q is left in the folder of builds", e.Name())
		}
	}
	for _, run := range s.runs {
		group := "bootkiln-" + strings.TrimPrefix(filepath.Base(run), "run-")
		for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
			groups, err := filepath.Glob(filepath.Join(dir, group))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				t.Errorf("control group %q is left", g)
			}
		}
	}
}

// readFile reads a file of an image.
func readFile(t testing.TB, b *build.Builder, name, file string) string {
	t.Helper()
	img, err := b.Image(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	root, err := img.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := root.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
