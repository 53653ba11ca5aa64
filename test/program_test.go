//go:build e2e

package test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.podman.io/storage"

	"github.com/bootkiln/bootkiln/pkg/pipeline"
)

// debianBase is made by 'make base'.
const debianBase = "localhost/bootkiln/debian-bootc:bookworm"

// program compiles bootkiln as it is now, once a run, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../.cache/e2e/bootkiln")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", path, "../cmd/bootkiln").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building bootkiln: %w: %s", err, out)
	}
	return path, nil
})

// invocation is bootkiln with arguments, ready to be started.
type invocation struct {
	*exec.Cmd
	// tmp is its folder for temporary files.
	tmp string
}

// command prepares a run of bootkiln. Nothing of the caller's environment makes
// it behave in another way.
func command(t testing.TB, args ...string) *invocation {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests need root: run them with 'sudo make e2e'")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := &invocation{exec.Command(path, args...), t.TempDir()}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "GITHUB_"), strings.HasPrefix(name, "COSIGN_"),
			name == "REGISTRY_AUTH_FILE", name == "SOURCE_DATE_EPOCH", strings.HasSuffix(strings.ToLower(name), "_proxy"):
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "COSIGN_PASSWORD="+keyPassword, "TMPDIR="+cmd.tmp)
	return cmd
}

// outcome is how a run of bootkiln ended.
type outcome struct {
	status         int
	stdout, stderr string
}

// run runs it to its end, after which no temporary file may be left.
func (cmd *invocation) run(t testing.TB) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	assertEmpty(t, cmd.tmp)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// bootkiln runs bootkiln to its end.
func bootkiln(t testing.TB, args ...string) outcome {
	t.Helper()
	return command(t, args...).run(t)
}

// want fails the test unless the run ended with that status, and said all
// words on stderr.
func (o outcome) want(t testing.TB, status int, words ...string) {
	t.Helper()
	if o.status != status {
		t.Fatalf("exit status %d, want %d\n%s%s", o.status, status, o.stdout, o.stderr)
	}
	for _, w := range words {
		if !strings.Contains(o.stderr, w) {
			t.Errorf("stderr lacks %q:\n%s", w, o.stderr)
		}
	}
}

// running is a run of bootkiln that goes on.
type running struct {
	*invocation
	lines chan string   // of stderr; closed at the end
	ended chan struct{} // closed when stderr is

	mu   sync.Mutex
	text strings.Builder
}

// start starts bootkiln; what is left of it at the end of the test is killed.
func start(t testing.TB, args ...string) *running {
	t.Helper()
	r := &running{invocation: command(t, args...), lines: make(chan string, 1024), ended: make(chan struct{})}
	stderr, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		defer close(r.lines)
		for in := bufio.NewReader(stderr); ; {
			line, err := in.ReadString('\n')
			r.mu.Lock()
			r.text.WriteString(line)
			r.mu.Unlock()
			if err != nil {
				return
			}
			r.lines <- line
		}
	}()
	t.Cleanup(func() {
		if r.ProcessState == nil {
			_ = r.Process.Kill()
			r.wait()
		}
	})
	return r
}

// until waits for a line that holds word.
func (r *running) until(t testing.TB, word string) {
	t.Helper()
	for line := range r.lines {
		if strings.Contains(line, word) {
			return
		}
	}
	t.Fatalf("bootkiln ended and never said %q:\n%s", word, r.said())
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// wait waits for the end and returns the exit status, -1 for a signal.
func (r *running) wait() int {
	for line := range r.lines {
		_ = line // all of it has to be read before Wait
	}
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

const keyPassword = "the key's password"

// keys are a key pair made by 'bootkiln keygen'.
type keys struct{ private, public string }

func newKeys(t testing.TB) keys {
	t.Helper()
	dir := t.TempDir()
	bootkiln(t, "keygen", dir).want(t, 0)
	return keys{filepath.Join(dir, "cosign.key"), filepath.Join(dir, "cosign.pub")}
}

// project is a folder with a recipe on the Debian base.
type project struct {
	dir, out string
	// mark is random. It is in the history of all that is built from the
	// recipe, so nothing comes from the cache of an earlier run, and all of it
	// can be found and removed.
	mark string
	tag  string // name of the image in the store
}

// newProject makes a folder. What is built from it is removed at the end of
// the test.
func newProject(t testing.TB) *project {
	t.Helper()
	p := &project{dir: t.TempDir(), mark: "e2e-" + strings.ToLower(rand.Text())}
	p.out, p.tag = filepath.Join(p.dir, "out"), "localhost/bootkiln/"+p.mark+":latest"
	t.Cleanup(func() { p.removeImages(t) })
	return p
}

// write writes the recipe; more are its last lines. The first step copies a file
// into a folder that is named by the mark, so that the mark is in the history.
func (p *project) write(t testing.TB, more ...string) {
	t.Helper()
	head := fmt.Sprintf(`version: 1
name: e2e
base: {image: "containers-storage:%s"}
kernel: {initramfs: never}
files:
  - {content: "of a test", destination: /usr/lib/%s/file}
`, debianBase, p.mark)
	write(t, p.recipe(), []byte(head+strings.Join(more, "\n")+"\n"))
}

func (p *project) recipe() string { return filepath.Join(p.dir, "recipe.yaml") }

// args returns the arguments for a command that builds the recipe.
func (p *project) args(name string, more ...string) []string {
	return append([]string{name, "--out", p.out, "--tag", p.tag, p.recipe()}, more...)
}

// file reads a file of the output folder.
func (p *project) file(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.out, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// result reads result.json.
func (p *project) result(t testing.TB) pipeline.Result {
	t.Helper()
	var r pipeline.Result
	if err := json.Unmarshal([]byte(p.file(t, "result.json")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// removeImages removes the image and what is cached of its steps.
func (p *project) removeImages(t testing.TB) {
	t.Helper()
	store := machineStore(t)
	images, err := store.Images()
	if err != nil {
		t.Error(err)
	}
	for _, img := range images {
		config, err := store.ImageBigData(img.ID, "sha256:"+img.ID)
		if err != nil || !bytes.Contains(config, []byte(p.mark)) {
			continue // another image, or one that somebody removes just now
		}
		if _, err := store.DeleteImage(img.ID, true); err != nil {
			t.Errorf("removing image %v: %v", img.Names, err)
		}
	}
	if store.Exists(p.tag) {
		t.Errorf("image %q is left in the store", p.tag)
	}
}

// machineStore opens the machine's image store.
func machineStore(t testing.TB) storage.Store {
	t.Helper()
	o, err := storage.DefaultStoreOptions()
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.GetStore(o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// assertEmpty fails the test if there is anything in the folder.
func assertEmpty(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("temporary file %q is left", e.Name())
	}
}

// readAll reads to the end, and closes.
func readAll(t testing.TB, r io.ReadCloser) []byte {
	t.Helper()
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
