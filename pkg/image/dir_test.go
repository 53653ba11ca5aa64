package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// makeTree makes files and links ("-> target") under a new folder, and a file
// outside that nothing inside may reach.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	must(t, os.WriteFile(filepath.Join(top, "secret"), []byte("outside"), 0o600))
	root := filepath.Join(top, "root")
	must(t, os.Mkdir(root, 0o755))
	for name, content := range files {
		p := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case isLink:
			must(t, os.Symlink(target, p))
		case content == "/":
			must(t, os.MkdirAll(p, 0o755))
		default:
			must(t, os.WriteFile(p, []byte(content), 0o644))
		}
	}
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// forBothLookups runs a test with openat2 and with the replacement for it.
func forBothLookups(t *testing.T, folder string, test func(*testing.T, *dirRoot)) {
	t.Helper()
	for _, stepwise := range []bool{false, true} {
		t.Run(fmt.Sprintf("stepwise=%v", stepwise), func(t *testing.T) {
			r, err := openRoot(folder)
			must(t, err)
			defer r.Close()
			r.noOpenat2 = stepwise
			test(t, r)
		})
	}
}

// linkCases are lookups in linkTree; they hold for every kind of Root.
var linkTree = map[string]string{
	"etc/passwd":     "root",
	"usr/lib/a":      "a",
	"lib":            "-> usr/lib",
	"abs":            "-> /etc/passwd",
	"up":             "-> ../../../../secret",
	"dots":           "-> usr/../../../etc/passwd",
	"usr/lib/out":    "-> ../../../secret",
	"usr/lib/parent": "-> ../../etc/passwd",
	"dangling":       "-> nowhere",
	"loop":           "-> loop",
	"through":        "-> /lib/a",
	"slash":          "-> etc/passwd/",
	"dirslash":       "-> usr/lib/",
	"intofile":       "-> etc/passwd/..",
}

var linkCases = []struct {
	name string
	want string // content, "/" for a directory
	err  error
}{
	{name: "etc/passwd", want: "root"},
	{name: "lib/a", want: "a"},
	{name: "lib", want: "/"},
	{name: "abs", want: "root"},
	{name: "up", err: fs.ErrNotExist},
	{name: "dots", want: "root"},
	{name: "lib/out", err: fs.ErrNotExist},
	{name: "lib/parent", want: "root"},
	{name: "dangling", err: fs.ErrNotExist},
	{name: "loop", err: syscall.ELOOP},
	{name: "loop/x", err: syscall.ELOOP},
	{name: "through", want: "a"},
	{name: "slash", err: syscall.ENOTDIR},
	{name: "dirslash", want: "/"},
	{name: "intofile", err: syscall.ENOTDIR},
	{name: "etc/passwd/x", err: syscall.ENOTDIR},
	{name: "absent", err: fs.ErrNotExist},
	{name: "chain40", want: "root"},
	{name: "chain41", err: syscall.ELOOP},
	{name: "../secret", err: fs.ErrInvalid},
	{name: "/etc/passwd", err: fs.ErrInvalid},
	{name: "", err: fs.ErrInvalid},
	{name: "etc//passwd", err: fs.ErrInvalid},
	{name: "etc/\x00", err: fs.ErrInvalid},
}

// withChains adds chains of 40 and 41 links.
func withChains(files map[string]string) map[string]string {
	out := map[string]string{"chain1": "-> etc/passwd"}
	for i := 2; i <= 41; i++ {
		out[fmt.Sprintf("chain%d", i)] = fmt.Sprintf("-> chain%d", i-1)
	}
	for name, content := range files {
		out[name] = content
	}
	return out
}

func checkLinks(t *testing.T, r Root) {
	t.Helper()
	for _, c := range linkCases {
		got, err := "", error(nil)
		fi, err := r.Stat(c.name)
		if err == nil && fi.IsDir() {
			got = "/"
		} else if err == nil {
			var b []byte
			b, err = fs.ReadFile(r, c.name)
			got = string(b)
		}
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: got %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

func TestDirLinks(t *testing.T) {
	t.Parallel()
	forBothLookups(t, makeTree(t, withChains(linkTree)), func(t *testing.T, r *dirRoot) { checkLinks(t, r) })
}

func TestDirNamesThatAreNotText(t *testing.T) {
	t.Parallel()
	const name = "caf\xe9"
	folder := makeTree(t, map[string]string{"d/" + name: "x", "link\xff": "-> d/" + name})
	forBothLookups(t, folder, func(t *testing.T, r *dirRoot) {
		entries, err := r.ReadDir("d")
		must(t, err)
		if len(entries) != 1 || entries[0].Name() != name {
			t.Fatalf("ReadDir = %v", entries)
		}
		if got, err := fs.ReadFile(r, "d/"+name); err != nil || string(got) != "x" {
			t.Errorf("ReadFile = %q, %v", got, err)
		}
		if _, err := r.Lstat("d/" + name); err != nil {
			t.Error(err)
		}
		if got, err := r.ReadLink("link\xff"); err != nil || got != "d/"+name {
			t.Errorf("ReadLink = %q, %v", got, err)
		}
	})
}

func TestDirStat(t *testing.T) {
	t.Parallel()
	folder := makeTree(t, map[string]string{"a": "one", "d": "/", "l": "-> a"})
	must(t, os.Link(filepath.Join(folder, "a"), filepath.Join(folder, "d/b")))
	must(t, os.Chmod(filepath.Join(folder, "a"), 0o4755|fs.ModeSetuid))
	must(t, os.Chmod(filepath.Join(folder, "d"), 0o777|fs.ModeSticky))
	must(t, os.Chtimes(filepath.Join(folder, "a"), time.Time{}, time.Unix(1000, 5)))
	must(t, unix.Mkfifo(filepath.Join(folder, "fifo"), 0o600))
	forBothLookups(t, folder, func(t *testing.T, r *dirRoot) {
		a, err := r.Stat("a")
		must(t, err)
		b, err := r.Lstat("d/b")
		must(t, err)
		want := &Stat{UID: os.Getuid(), GID: os.Getgid(), Mode: 0o4755, Inode: StatOf(b).Inode, Nlink: 2}
		if diff := cmp.Diff(want, StatOf(a)); diff != "" {
			t.Errorf("Stat (-want +got):\n%s", diff)
		}
		if a.Mode() != 0o755|fs.ModeSetuid || a.Size() != 3 || !a.ModTime().Equal(time.Unix(1000, 5)) {
			t.Errorf("a: %v %d %v", a.Mode(), a.Size(), a.ModTime())
		}
		if d, err := r.Stat("d"); err != nil || d.Mode() != fs.ModeDir|fs.ModeSticky|0o777 || StatOf(d).Mode != 0o1777 {
			t.Errorf("d: %v, %v", d, err)
		}
		if l, err := r.Lstat("l"); err != nil || l.Mode().Type() != fs.ModeSymlink {
			t.Errorf("l: %v, %v", l, err)
		}
		if _, err := r.Open("fifo"); !errors.Is(err, errNotRegular) {
			t.Errorf("opening a FIFO: %v", err)
		}
		if _, err := r.ReadLink("a"); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("ReadLink of a file: %v", err)
		}
		f, err := r.Open("a")
		must(t, err)
		defer f.Close()
		got := make([]byte, 2)
		if _, err := f.(io.ReaderAt).ReadAt(got, 1); err != nil || string(got) != "ne" {
			t.Errorf("ReadAt = %q, %v", got, err)
		}
	})
}

func TestDirXattrs(t *testing.T) {
	t.Parallel()
	folder := makeTree(t, map[string]string{"a": "", "l": "-> a", "none": ""})
	must(t, unix.Setxattr(filepath.Join(folder, "a"), "user.colour", []byte("red\x00"), 0))
	must(t, unix.Setxattr(filepath.Join(folder, "a"), "user.empty", nil, 0))
	forBothLookups(t, folder, func(t *testing.T, r *dirRoot) {
		for name, want := range map[string]map[string][]byte{
			"a":    {"user.colour": []byte("red\x00"), "user.empty": {}},
			"l":    nil,
			"none": nil,
			".":    nil,
		} {
			got, err := r.Xattrs(name)
			must(t, err)
			delete(got, "security.selinux") // where the machine itself labels files
			if diff := cmp.Diff(want, got); diff != "" && len(got)+len(want) > 0 {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
}

func TestDirClosed(t *testing.T) {
	t.Parallel()
	r, err := OpenRoot(t.TempDir())
	must(t, err)
	must(t, r.Close())
	if _, err := r.Stat("."); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Stat after Close: %v", err)
	}
}

func TestOpenDir(t *testing.T) {
	t.Parallel()
	folder := makeTree(t, map[string]string{"usr/lib/x": "x", "a": "a"})
	img, err := OpenDir(folder)
	must(t, err)
	if got := img.Location(); got != "dir-rootfs:"+folder {
		t.Errorf("Location = %q", got)
	}
	if c, err := img.Config(t.Context()); err != nil || c.Architecture != "" || c.OS != "linux" {
		t.Errorf("Config = %v, %v", c, err)
	}
	r, err := img.Root(t.Context())
	must(t, err)
	defer r.Close()
	must(t, fstest.TestFS(r, "usr/lib/x", "a"))
	for _, bad := range []string{filepath.Join(folder, "a"), filepath.Join(folder, "absent")} {
		if _, err := OpenDir(bad); err == nil {
			t.Errorf("OpenDir(%q) succeeded", bad)
		}
	}
}

// Inode numbers stay unique where a mount or overlayfs mixes devices.
func TestInodesOfSeveralDevices(t *testing.T) {
	t.Parallel()
	r := &dirRoot{device: 1, foreign: map[deviceInode]uint64{}}
	seen := map[uint64]deviceInode{}
	for range 2 {
		for dev := uint64(1); dev <= 3; dev++ {
			for ino := uint64(1); ino <= 3; ino++ {
				key := deviceInode{dev, ino}
				n := r.inode(&unix.Stat_t{Dev: dev, Ino: ino})
				if old, ok := seen[n]; ok && old != key {
					t.Errorf("%v and %v are both %d", old, key, n)
				}
				seen[n] = key
			}
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d numbers for 9 files", len(seen))
	}
}

func BenchmarkWalkDir(b *testing.B) {
	folder := os.Getenv("BOOTKILN_BENCH_ROOT")
	if folder == "" {
		folder = "/usr"
	}
	r, err := OpenRoot(folder)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for b.Loop() {
		n := 0
		err := fs.WalkDir(r, ".", func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = d.Info()
			}
			n++
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "files")
	}
}
