package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/image"
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func openRoot(t *testing.T, layers ...fake.Files) image.Root {
	t.Helper()
	root, err := fake.New(t, imgspecv1.Image{}, layers...).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// onDisk is what an inode says. Names of one file have the same inode.
type onDisk struct {
	mode     string // st_mode, octal
	uid, gid string
	content  string // or a link's target
	device   string
	xattrs   map[string]string
	inode    string
	mtime    string
}

// debugfs reads a file system as the kernel would, and shares no code with what
// wrote it. It needs no root.
func debugfs(t *testing.T, disk, command string) string {
	t.Helper()
	cmd := exec.Command("debugfs", "-R", command, disk)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+systemPath)
	program, err := lookPath("debugfs")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Err = program, nil
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("debugfs %s: %v", command, err)
	}
	return string(out)
}

func readDisk(t *testing.T, disk string) map[string]onDisk {
	t.Helper()
	files := map[string]onDisk{}
	var visit func(dir, inode string)
	visit = func(dir, inode string) {
		for line := range strings.Lines(debugfs(t, disk, "ls -p <"+inode+">")) {
			f := strings.Split(strings.Trim(line, "/\n"), "/")
			if len(f) < 5 || f[0] == "0" || f[4] == "." && dir != "." || f[4] == ".." || f[4] == "lost+found" {
				continue
			}
			name := path.Join(dir, f[4])
			if dir == much && f[4] != "0500" {
				files[name] = onDisk{} // it is there, and that is enough
				continue
			}
			files[name] = readInode(t, disk, f[0], onDisk{mode: f[1], uid: unsigned(t, f[2]), gid: unsigned(t, f[3]), inode: f[0]})
			if strings.HasPrefix(f[1], "04") && name != "." {
				visit(name, f[0])
			}
		}
	}
	visit(".", "2")
	return files
}

// unsigned mends what debugfs prints of large IDs.
func unsigned(t *testing.T, id string) string {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(uint64(uint32(n)), 10)
}

func readInode(t *testing.T, disk, inode string, f onDisk) onDisk {
	t.Helper()
	at := "<" + inode + ">"
	stat := debugfs(t, disk, "stat "+at)
	if _, rest, ok := strings.Cut(stat, "mtime: 0x"); ok {
		seconds, _ := strconv.ParseInt(rest[:8], 16, 64)
		f.mtime = strconv.FormatInt(seconds, 10)
	}
	switch f.mode[:2] {
	case "10":
		f.content = debugfs(t, disk, "cat "+at)
	case "12":
		if _, rest, ok := strings.Cut(stat, `Fast link dest: "`); ok {
			f.content = rest[:strings.LastIndex(rest, `"`)]
		} else {
			f.content = debugfs(t, disk, "cat "+at)
		}
	case "02", "06":
		_, rest, _ := strings.Cut(stat, "Device major/minor number: ")
		f.device, _, _ = strings.Cut(rest, " ")
	}
	for line := range strings.Lines(debugfs(t, disk, "ea_list "+at)) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), " (")
		if !ok {
			continue
		}
		file := filepath.Join(t.TempDir(), "value")
		debugfs(t, disk, "ea_get -f "+file+" "+at+" "+name)
		value, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if f.xattrs == nil {
			f.xattrs = map[string]string{}
		}
		f.xattrs[name] = string(value)
	}
	return f
}

// wanted is the same of a Root. Inodes are named after the first name.
func wanted(t *testing.T, root image.Root) map[string]onDisk {
	t.Helper()
	types := map[fs.FileMode]uint32{
		0: syscall.S_IFREG, fs.ModeDir: syscall.S_IFDIR, fs.ModeSymlink: syscall.S_IFLNK, fs.ModeNamedPipe: syscall.S_IFIFO,
		fs.ModeDevice: syscall.S_IFBLK, fs.ModeDevice | fs.ModeCharDevice: syscall.S_IFCHR,
	}
	files := map[string]onDisk{}
	var visit func(name string)
	visit = func(name string) {
		fi, err := root.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		st := image.StatOf(fi)
		f := onDisk{
			mode: fmt.Sprintf("%06o", types[fi.Mode().Type()]|st.Mode), uid: strconv.Itoa(st.UID), gid: strconv.Itoa(st.GID),
			inode: strconv.FormatUint(st.Inode, 10), mtime: strconv.FormatInt(max(0, fi.ModTime().Unix()), 10),
		}
		switch {
		case fi.Mode().IsRegular():
			b, err := fs.ReadFile(root, name)
			if err != nil {
				t.Fatal(err)
			}
			f.content = string(b)
		case fi.Mode()&fs.ModeSymlink != 0:
			if f.content, err = root.ReadLink(name); err != nil {
				t.Fatal(err)
			}
		case fi.Mode()&fs.ModeDevice != 0:
			f.device = fmt.Sprintf("%02d:%02d", st.DevMajor, st.DevMinor)
		}
		attrs, err := root.Xattrs(name)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range attrs {
			if f.xattrs == nil {
				f.xattrs = map[string]string{}
			}
			f.xattrs[key] = string(value)
		}
		files[name] = f
		if fi.IsDir() {
			entries, err := root.ReadDir(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				visit(path.Join(name, e.Name()))
			}
		}
	}
	visit(".")
	return files
}

// byFirstName replaces the numbers of inodes, which no two file systems share.
func byFirstName(files map[string]onDisk) map[string]onDisk {
	first := map[string]string{}
	for name, f := range files {
		if old, ok := first[f.inode]; !ok || name < old {
			first[f.inode] = name
		}
	}
	out := maps.Clone(files)
	for name, f := range out {
		f.inode = first[f.inode]
		out[name] = f
	}
	return out
}

// acl is an access control list as getxattr(2) returns it: the owner, user 1000,
// the group, the mask, the others. Where an entry names nobody debugfs says 0.
const acl = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\x00\x00\x00\x00" + "\x02\x00\x04\x00\xe8\x03\x00\x00" + "\x04\x00\x04\x00\x00\x00\x00\x00" +
	"\x10\x00\x06\x00\x00\x00\x00\x00" + "\x20\x00\x04\x00\x00\x00\x00\x00"

// much is a folder of more than a block.
const much = "usr/share/much"

// everyKind has what an image can have, and what writers of file systems get
// wrong.
func everyKind() fake.Files {
	files := fake.Files{
		"etc/fstab":                    fake.Text("LABEL=data /var/data ext4 nofail 0 2\n"),
		"etc/empty":                    fake.Text(""),
		"etc/shadow":                   {Mode: 0o640, GID: 42, Content: "root:*:::::::\n"},
		"usr/bin/sudo":                 {Mode: 0o755 | fs.ModeSetuid, Content: "sudo"},
		"usr/bin/write":                {Mode: 0o755 | fs.ModeSetgid, GID: 5, Content: "write"},
		"usr/bin/ping":                 {Mode: 0o755, Content: "ping", Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "security.selinux": "system_u:object_r:ping_exec_t:s0\x00"}},
		"usr/bin/twin":                 {HardLink: "usr/bin/ping"},
		"usr/bin/zwilling":             {HardLink: "usr/bin/ping"},
		"usr/lib/many":                 {Mode: 0o644, Content: "x", Xattrs: map[string]string{"user.component": "kiln", "security.ima": strings.Repeat("i", 300), "security.selinux": "system_u:object_r:lib_t:s0\x00", "user.big": strings.Repeat("v", 2000), "trusted.t": "t"}},
		"var/log/journal":              {Mode: fs.ModeDir | 0o755 | fs.ModeSetgid, GID: 999, Xattrs: map[string]string{aclAccess: acl, aclDefault: acl}},
		"tmp":                          {Mode: fs.ModeDir | 0o777 | fs.ModeSticky},
		"usr/lib/short":                fake.Link("../x"),
		"usr/lib/long":                 fake.Link("/" + strings.Repeat("long/", 200) + "target"),
		"dev/null":                     {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3},
		"dev/loop0":                    {Mode: fs.ModeDevice | 0o660, GID: 6, Major: 7, Minor: 0},
		"run/pipe":                     {Mode: fs.ModeNamedPipe | 0o600},
		"home/owner":                   {Mode: 0o600, UID: 4_000_000_000, GID: 3_000_000_000, Content: "far"},
		"usr/share/" + long('n'):       fake.Text("a name of 255 bytes"),
		"usr/share/caf\xe9":            fake.Text("a name that is not UTF-8"),
		"usr/share/two words \"\\ 'x*": fake.Text("a name with signs"),
		"usr/share/block":              fake.Text(strings.Repeat("b", blockSize)),
		"usr/share/more":               fake.Text(strings.Repeat("m", 3*blockSize+1)),
		"usr/share/holes":              fake.Text("begin" + strings.Repeat("\x00", 20*blockSize) + "middle" + strings.Repeat("\x00", 20*blockSize)),
		"usr/share/zeros":              fake.Text(strings.Repeat("\x00", 32<<20)),
	}
	for i := range 1000 {
		files[fmt.Sprintf(much+"/%04d", i)] = fake.Link("x")
	}
	return files
}

func long(c byte) string { return strings.Repeat(string(c), 255) }

// TestExt4KeepsEverything reads the disk back with e2fsprogs.
func TestExt4KeepsEverything(t *testing.T) {
	t.Parallel()
	root := openRoot(t, everyKind())
	disk := filepath.Join(t.TempDir(), "disk")
	const free = DefaultFree
	if err := makeExt4(t.Context(), root, disk, free, &streamer{root: root}); err != nil {
		t.Fatal(err)
	}
	if out, err := run(t.Context(), nil, "e2fsck", "-fn", disk); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	got, want := readDisk(t, disk), wanted(t, root)
	for name := range want {
		if path.Dir(name) == much && path.Base(name) != "0500" {
			want[name] = onDisk{}
		}
	}
	if diff := cmp.Diff(byFirstName(want), byFirstName(got), cmp.AllowUnexported(onDisk{})); diff != "" {
		t.Errorf("the disk differs (-image +disk):\n%s", diff)
	}

	super := debugfs(t, disk, "show_super_stats -h")
	for _, word := range []string{"UUID:          " + rootUUID, "name:   " + rootLabel, "has_journal", "dir_index"} {
		if !strings.Contains(super, word) {
			t.Errorf("the file system has no %q:\n%s", word, super)
		}
	}
	if strings.Contains(strings.Replace(super, "Remount read-only", "", 1), "read-only") {
		t.Error("the file system may not be written to")
	}
	if n := number(t, super, "Free blocks:") * blockSize; n < free*9/10 {
		t.Errorf("%d bytes are free, of %d asked for", n, free)
	}
	if n := number(t, super, "Free inodes:"); n < 1000 {
		t.Errorf("only %d files more can be made", n)
	}
	fi, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	if used := fi.Sys().(*syscall.Stat_t).Blocks * 512; used > 24<<20 {
		t.Errorf("the file takes %d bytes of %d", used, fi.Size())
	}
}

func number(t *testing.T, text, after string) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(text, after)
	field, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	n, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", after, err)
	}
	return n
}

// TestSparseFile compares with a file in memory.
func TestSparseFile(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &sparseFile{f: f}
	want := make([]byte, 10*blockSize+7)
	put := func(at int, b []byte) {
		copy(want[at:], b)
		if _, err := s.Seek(int64(at), 0); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
	}
	put(0, bytes.Repeat([]byte{1}, 3*blockSize+5))
	put(blockSize, make([]byte, blockSize)) // zeros over data
	put(5*blockSize+1, append(make([]byte, 3*blockSize), 2))
	put(10*blockSize, make([]byte, 7))
	put(2, []byte{3})
	read := make([]byte, len(want))
	if _, err := s.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(read); {
		n, err := s.Read(read[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += n
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read, want) || !bytes.Equal(file, want) {
		t.Error("it is not what was written")
	}
}

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
