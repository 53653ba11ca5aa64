package disk

import (
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

	"github.com/bootkiln/bootkiln/pkg/image"
)

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
