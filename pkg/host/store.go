package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// checkGraphDriver: the image store wants overlay, which podman and bootc share.
func (m *machine) checkGraphDriver() {
	const (
		check = "graph-driver"
		mend  = "in /etc/containers/storage.conf, under [storage]: driver = \"overlay\" (images that are in the store have to be made or pulled again)"
	)
	switch m.o.GraphDriver {
	case "":
	case "overlay", "overlay2":
		m.add(check, OK, m.o.GraphDriver)
	case "vfs":
		m.add(check, Warning, "vfs: it copies the whole image for every step", mend)
	default:
		m.add(check, Problem, m.o.GraphDriver+" is not supported", mend)
	}
}

// probeDir returns where the image store's abilities are tried out; ok is false
// where they cannot be, which has been said then.
func (m *machine) probeDir(check string) (dir string, ok bool) {
	if m.o.GraphRoot == "" {
		return "", false
	}
	if !m.root() {
		m.add(check, Unknown, "not tried: that needs root")
		return "", false
	}
	for _, f := range m.findings {
		if f.Check == "graph-root" && f.Status == Problem {
			m.add(check, Unknown, "not tried on this file system: see graph-root")
			return "", false
		}
	}
	dir, err := m.existing(m.o.GraphRoot)
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("not tried: finding %q: %v", m.o.GraphRoot, err))
		return "", false
	}
	return dir, true
}

// checkOverlay mounts one: no list of kernels and file systems is as good.
func (m *machine) checkOverlay() {
	const check = "overlay"
	if m.o.GraphDriver == "vfs" {
		return
	}
	dir, ok := m.probeDir(check)
	if !ok {
		return
	}
	err := m.sys.MountOverlay(dir)
	switch {
	case err == nil:
		m.add(check, OK, "can be mounted in "+dir)
	case errors.Is(err, syscall.ENODEV):
		m.add(check, Problem, fmt.Sprintf("the kernel has no overlay file system: %v", err), "modprobe overlay, or boot the distribution's own kernel")
	case errors.Is(err, syscall.ENOSPC):
		m.add(check, Problem, fmt.Sprintf("the disk is full: %v", err), "make room in "+dir)
	case errors.Is(err, fs.ErrPermission) && m.container:
		m.add(check, Problem, fmt.Sprintf("the container may not mount: %v", err), "start the container with --privileged")
	default:
		m.add(check, Problem, fmt.Sprintf("cannot be mounted: %v", err),
			"put the image store on ext4, xfs (with ftype=1) or btrfs: graphroot in /etc/containers/storage.conf")
	}
}

// checkFileFeatures tries out what files can be, rather than to trust the name
// of the file system.
func (m *machine) checkFileFeatures() {
	const check = "file-features"
	dir, ok := m.probeDir(check)
	if !ok {
		return
	}
	features, err := m.sys.ProbeFiles(dir)
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("trying out the file system: %v", err))
		return
	}
	var missing []string
	for _, f := range []struct {
		what string
		err  error
	}{
		{"device nodes", features.DeviceNode},
		{"owners", features.Owner},
		{"trusted extended attributes", features.TrustedXattr},
		{"file capabilities", features.CapabilityXattr},
		{"case-sensitive names", features.Case},
	} {
		if f.err != nil {
			missing = append(missing, fmt.Sprintf("%s (%v)", f.what, f.err))
		}
	}
	if len(missing) > 0 {
		m.add(check, Problem, dir+" does without "+strings.Join(missing, ", "),
			"put the image store on ext4, xfs or btrfs of the machine itself: graphroot in /etc/containers/storage.conf")
		return
	}
	m.add(check, OK, "device nodes, owners, extended attributes and case are kept in "+dir)
}

// checkRuntimes passes on what the builder found.
func (m *machine) checkRuntimes(ctx context.Context) {
	const (
		check = "oci-runtime"
		mend  = "install crun 1.14.3 or newer, or runc; without one, steps run in a chroot, less isolated"
	)
	if m.o.Runtimes == nil {
		return
	}
	usable := false
	for _, r := range m.o.Runtimes(ctx) {
		about := strings.TrimSpace(r.Path + " " + r.Version)
		switch {
		case r.Reason != "":
			m.add(check, Note, about+" cannot be used: "+r.Reason)
		case usable:
			m.add(check, Note, about+" would do as well")
		default:
			m.add(check, OK, about)
			usable = true
		}
	}
	if !usable {
		m.add(check, Warning, "no OCI runtime can be used", mend)
	}
}

// checkContainersConfig: the files that podman, skopeo and bootkiln share. Each
// has a default, so that none is missed.
func (m *machine) checkContainersConfig() {
	const check = "containers-config"
	var found []string
	for _, name := range []string{
		"/etc/containers/storage.conf", "/etc/containers/registries.conf", "/etc/containers/registries.conf.d", "/etc/containers/policy.json",
	} {
		if m.exists(name) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		m.add(check, OK, "no files in /etc/containers: the defaults are used")
	} else {
		m.add(check, OK, strings.Join(found, ", "))
	}
	policy, err := m.read("/etc/containers/policy.json")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		m.add(check, Warning, fmt.Sprintf("reading the policy: %v", err))
	case !json.Valid([]byte(policy)):
		m.add(check, Warning, "/etc/containers/policy.json is not JSON: podman and skopeo will refuse every image", "mend it, or move it out of the way")
	}
}
