//go:build e2e

package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // what rpm keeps its database in

	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/image/storeimage"
)

// mutant is an image with the root file system of the base but for what was
// changed: an overlay in memory. Its methods change it. Links lead nowhere out
// of it, and what goes wrong fails the test.
type mutant struct {
	t      testing.TB
	dir    string
	root   *os.Root
	config imgspecv1.Image
	// kver is the release of the kernel.
	kver string
	// options are for its check.
	options check.Options
}

// newMutant puts an overlay over lower folders, the uppermost first, until the
// end of the test.
func newMutant(t testing.TB, config *imgspecv1.Image, lower ...string) *mutant {
	t.Helper()
	dir := t.TempDir()
	mount := func(kind, target, data string) {
		if err := unix.Mount(kind, target, kind, 0, data); err != nil {
			t.Fatalf("mounting %s: %v", kind, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
				t.Errorf("unmounting %q: %v", target, err)
			}
		})
	}
	// In memory, because one of the mutations is more than ext4 takes.
	mount("tmpfs", dir, "")
	for _, name := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := filepath.Join(dir, "merged")
	mount("overlay", merged, "lowerdir="+strings.Join(lower, ":")+",upperdir="+dir+"/upper,workdir="+dir+"/work")
	return mutantIn(t, config, merged)
}

// mutantIn makes a mutant of a folder that holds the base and may be changed.
func mutantIn(t testing.TB, config *imgspecv1.Image, dir string) *mutant {
	t.Helper()
	m := &mutant{t: t, dir: dir, config: *config}
	root, err := os.OpenRoot(m.dir)
	m.must(err)
	t.Cleanup(func() { _ = root.Close() })
	m.root = root
	kernels, err := filepath.Glob(filepath.Join(m.dir, "usr/lib/modules/*/vmlinuz"))
	m.must(err)
	if len(kernels) != 1 {
		t.Fatalf("kernels of the base: %q", kernels)
	}
	m.kver = path.Base(path.Dir(kernels[0]))
	m.config.Config.Labels = map[string]string{}
	for name, value := range config.Config.Labels {
		m.config.Config.Labels[name] = value
	}
	return m
}

// Location, Config and Root make it an [image.Image].
func (m *mutant) Location() string { return "mutant:" + m.dir }

func (m *mutant) Config(context.Context) (*imgspecv1.Image, error) { return &m.config, nil }

func (m *mutant) Root(context.Context) (image.Root, error) { return image.OpenRoot(m.dir) }

// check applies all rules to it.
func (m *mutant) check() *check.Report {
	m.t.Helper()
	report, err := check.Run(m.t.Context(), m, m.options)
	m.must(err)
	return report
}

func (m *mutant) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// of returns the name of a file in the kernel's folder.
func (m *mutant) of(name string) string { return path.Join("usr/lib/modules", m.kver, name) }

// write writes a file of root's with mode 0644, in the place of whatever has
// its name.
func (m *mutant) write(name, content string) {
	m.t.Helper()
	m.must(m.root.MkdirAll(path.Dir(name), 0o755))
	if err := m.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	m.must(m.root.WriteFile(name, []byte(content), 0o644))
	m.must(m.root.Chmod(name, 0o644)) // whatever the umask is
}

func (m *mutant) read(name string) string {
	m.t.Helper()
	data, err := m.root.ReadFile(name)
	m.must(err)
	return string(data)
}

// edit replaces what a file holds, and nothing else of it: text that is not
// there fails the test.
func (m *mutant) edit(name, old, text string) {
	m.t.Helper()
	content := m.read(name)
	if !strings.Contains(content, old) {
		m.t.Fatalf("%s does not hold %q", name, old)
	}
	m.must(m.root.WriteFile(name, []byte(strings.ReplaceAll(content, old, text)), 0o644))
}

// add puts lines at the end of a file.
func (m *mutant) add(name, text string) {
	m.t.Helper()
	m.must(m.root.WriteFile(name, []byte(m.read(name)+text), 0o644))
}

// patch replaces bytes at an offset.
func (m *mutant) patch(name string, offset int, text string) {
	m.t.Helper()
	content := m.read(name)
	m.must(m.root.WriteFile(name, []byte(content[:offset]+text+content[offset+len(text):]), 0o644))
}

// remove removes files and folders that are there.
func (m *mutant) remove(names ...string) {
	m.t.Helper()
	for _, name := range names {
		if _, err := m.root.Lstat(name); err != nil {
			m.t.Fatal(err)
		}
		m.must(m.root.RemoveAll(name))
	}
}

// link puts a symbolic link in the place of whatever has its name.
func (m *mutant) link(name, target string) {
	m.t.Helper()
	m.must(m.root.MkdirAll(path.Dir(name), 0o755))
	m.must(m.root.RemoveAll(name))
	m.must(m.root.Symlink(target, name))
}

func (m *mutant) folder(name string) { m.t.Helper(); m.must(m.root.MkdirAll(name, 0o755)) }

func (m *mutant) chmod(name string, mode fs.FileMode) { m.t.Helper(); m.must(m.root.Chmod(name, mode)) }

// program writes a program.
func (m *mutant) program(name string) {
	m.t.Helper()
	m.write(name, m.read("usr/bin/env"))
	m.chmod(name, 0o755)
}

// initramfs is the name of the initramfs.
func (m *mutant) initramfs() string { return m.of("initramfs.img") }

// layInitramfs puts a file over the initramfs, in a folder that it has or not:
// the kernel unpacks a second archive over the first.
func (m *mutant) layInitramfs(name, content string) {
	m.t.Helper()
	out := []byte(m.read(m.initramfs()))
	pad := func() { out = append(out, make([]byte, -len(out)&3)...) }
	pad() // where the kernel looks for the next archive
	entry := func(name string, mode uint32, content string) {
		out = append(out, "070701"...)
		for _, v := range []uint32{0, mode, 0, 0, 1, 0, uint32(len(content)), 0, 0, 0, 0, uint32(len(name) + 1), 0} {
			out = fmt.Appendf(out, "%08X", v)
		}
		out = append(out, name+"\x00"...)
		pad()
		out = append(out, content...)
		pad()
	}
	for i := range name {
		if name[i] == '/' {
			entry(name[:i], 0o040755, "")
		}
	}
	entry(name, 0o100755, content)
	entry("TRAILER!!!", 0, "")
	m.must(m.root.WriteFile(m.initramfs(), out, 0o600))
}

// unifiedKernel writes the kernel and its initramfs as a unified kernel image
// for amd64.
func (m *mutant) unifiedKernel(name, cmdline string) {
	m.t.Helper()
	sections := []struct{ name, content string }{
		{".linux", m.read(m.of("vmlinuz"))}, {".initrd", m.read(m.initramfs())}, {".uname", m.kver}, {".cmdline", cmdline},
	}
	const peOffset, table = 64, 64 + 24
	le := binary.LittleEndian
	out := make([]byte, table+40*len(sections))
	copy(out, "MZ")
	le.PutUint32(out[60:], peOffset)
	copy(out[peOffset:], "PE\x00\x00")
	le.PutUint16(out[peOffset+4:], 0x8664)
	le.PutUint16(out[peOffset+6:], uint16(len(sections)))
	for i, s := range sections {
		h := out[table+40*i:]
		copy(h[:8], s.name)
		le.PutUint32(h[8:], uint32(len(s.content)))
		le.PutUint32(h[16:], uint32(len(s.content)))
		le.PutUint32(h[20:], uint32(len(out)))
		out = append(out, s.content...)
	}
	m.write(name, string(out))
}

// rpmDatabase writes a database of rpm without packages. With a log, what made
// its table waits there.
func (m *mutant) rpmDatabase(name string, log bool) {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", "file:"+file)
	m.must(err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	statements := []string{"PRAGMA journal_mode=WAL", "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"}
	if !log {
		statements = append(statements, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	for _, s := range statements {
		_, err := db.ExecContext(m.t.Context(), s)
		m.must(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(file + suffix)
		m.must(err)
		if len(data) > 0 {
			m.write(name+suffix, string(data))
		}
	}
}

// cutInitramfs leaves out files of the initramfs whose name ends in one of the
// endings, each of which there must be.
func (m *mutant) cutInitramfs(endings ...string) {
	m.t.Helper()
	r, err := zstd.NewReader(nil)
	m.must(err)
	defer r.Close()
	archive, err := r.DecodeAll([]byte(m.read(m.initramfs())), nil)
	m.must(err)
	var kept bytes.Buffer
	cut := map[string]bool{}
	for len(archive) > 0 {
		// The header of "newc" has 110 bytes: a magic number and 13 numbers of
		// eight digits, of which the 7th is the size, and the 12th that of the name.
		number := func(n int) int {
			var b [4]byte
			_, err := hex.Decode(b[:], archive[6+8*(n-1):6+8*n])
			m.must(err)
			return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		}
		size, nameSize := number(7), number(12)
		name := string(archive[110 : 110+nameSize-1])
		end := min((110+nameSize+3)&^3+(size+3)&^3, len(archive))
		if i := slices.IndexFunc(endings, func(e string) bool { return strings.HasSuffix("/"+name, e) }); i >= 0 {
			cut[endings[i]] = true
		} else {
			kept.Write(archive[:end])
		}
		if archive = archive[end:]; name == "TRAILER!!!" {
			break
		}
	}
	for _, e := range endings {
		if !cut[e] {
			m.t.Fatalf("no file of the initramfs ends in %q", e)
		}
	}
	m.must(m.root.WriteFile(m.initramfs(), kept.Bytes(), 0o600))
}

// modules lists the files of the kernel's own modules.
func (m *mutant) modules() []string {
	m.t.Helper()
	var files []string
	m.must(fs.WalkDir(m.root.FS(), m.of("kernel"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, ".ko") {
			files = append(files, name)
		}
		return err
	}))
	if len(files) == 0 {
		m.t.Fatal("the base has no modules")
	}
	return files
}

// debian is the stored base.
func debian(t testing.TB) (img image.Image, config *imgspecv1.Image) {
	t.Helper()
	img, err := storeimage.Open(machineStore(t), debianBase)
	if err != nil {
		t.Fatalf("%v: run 'make base'", err)
	}
	if config, err = img.Config(t.Context()); err != nil {
		t.Fatal(err)
	}
	return img, config
}
