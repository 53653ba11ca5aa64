package host

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// machine is what several checks need to know, and the findings so far.
type machine struct {
	o        Options
	sys      *System
	findings []Finding

	release, arch string // of the kernel; "" where uname failed
	unameErr      error
	wsl           int // 1 or 2, 0 elsewhere
	container     bool
	github        bool
	mounts        []*mountinfo.Info
	mountsErr     error
}

func newMachine(o Options, sys *System) *machine {
	m := &machine{o: o, sys: sys, github: sys.Getenv("GITHUB_ACTIONS") == "true"}
	m.release, m.arch, m.unameErr = sys.Uname()
	m.wsl = m.wslVersion()
	table, err := fs.ReadFile(sys.FS, "proc/self/mountinfo")
	if err == nil {
		m.mounts, err = mountinfo.GetMountsFromReader(bytes.NewReader(table), nil)
	}
	m.mountsErr = err
	// The marks of Podman, Docker, systemd's and other managers, and Kubernetes.
	// That / is an overlay says nothing: it is one on bootc machines, too.
	m.container = m.exists("/run/.containerenv") || m.exists("/.dockerenv") ||
		sys.Getenv("container") != "" || sys.Getenv("KUBERNETES_SERVICE_HOST") != ""
	return m
}

// wslVersion tells the Windows Subsystem for Linux by its kernel, and where that
// is one of the user's own by what WSL puts beside it. Its environment variables
// say nothing: sudo and services drop them.
func (m *machine) wslVersion() int {
	switch {
	case strings.Contains(m.release, "Microsoft"):
		return 1
	case strings.Contains(m.release, "microsoft"), m.exists("/run/WSL"),
		m.exists("/proc/sys/fs/binfmt_misc/WSLInterop"), m.exists("/proc/sys/fs/binfmt_misc/WSLInterop-late"):
		return 2
	}
	return 0
}

// add appends a finding. mend is a list of lines.
func (m *machine) add(check string, status Status, message string, mend ...string) {
	m.findings = append(m.findings, Finding{
		Check: check, Status: status, Message: message, Mend: strings.Join(mend, "\n"),
	})
}

func (m *machine) root() bool { return m.sys.UID() == 0 }

// rel turns an absolute path other than "/" into one of fs.FS.
func rel(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

func (m *machine) exists(name string) bool {
	_, err := fs.Stat(m.sys.FS, rel(name))
	return err == nil
}

// read returns the text of a file.
func (m *machine) read(name string) (string, error) {
	b, err := fs.ReadFile(m.sys.FS, rel(name))
	return string(b), err
}

// field returns the value of a line "name: value", as the files of /proc have
// them, "" where there is none.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// existing returns the folder, or the nearest above it that exists, without
// symbolic links.
func (m *machine) existing(dir string) (string, error) {
	for dir = path.Clean(dir); dir != "/" && !m.exists(dir); {
		dir = path.Dir(dir)
	}
	return m.sys.RealPath(dir)
}

// mountOf returns the mount that a path without symbolic links is on, nil where
// that is not known.
func (m *machine) mountOf(name string) *mountinfo.Info {
	var found *mountinfo.Info
	for _, mount := range m.mounts {
		if within(name, mount.Mountpoint) && (found == nil || len(mount.Mountpoint) >= len(found.Mountpoint)) {
			found = mount // the last one covers those before it
		}
	}
	return found
}

func within(name, dir string) bool {
	return dir == "/" || name == dir || strings.HasPrefix(name, dir+"/")
}

// gib writes bytes in the unit that sizes of disks and memory are thought in.
func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
