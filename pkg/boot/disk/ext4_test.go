package disk

import (
	"fmt"
	"io/fs"
	"os"
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
