package host

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestStore(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"driver left open", "graph-driver", func(f *fake) { f.options.GraphDriver = "" }, nil},
		{"vfs", "graph-driver", func(f *fake) { f.options.GraphDriver = "vfs" }, []want{{Warning, "copies the whole image", "overlay"}}},
		{"vfs needs no overlay", "overlay", func(f *fake) { f.options.GraphDriver = "vfs" }, nil},
		{"btrfs", "graph-driver", func(f *fake) { f.options.GraphDriver = "btrfs" }, []want{{Problem, "btrfs is not supported", "overlay"}}},
		{"overlay as a user", "overlay", func(f *fake) { f.UID = func() int { return 1 } }, []want{{Unknown, "needs root", ""}}},
		{"overlay where it cannot be", "overlay", func(f *fake) {
			f.mount("/var/lib/containers", "vfat", "/dev/sdb1", "rw")
			f.MountOverlay = func(string) error { panic("tried") }
		}, []want{{Unknown, "see graph-root", ""}}},
		{"no store", "overlay", func(f *fake) { f.options.GraphRoot = "" }, nil},
		{"overlay nowhere", "overlay", func(f *fake) { f.RealPath = func(string) (string, error) { return "", syscall.ELOOP } }, []want{{Unknown, "not tried", ""}}},
		{"overlay in the nearest folder", "overlay", func(f *fake) {
			f.MountOverlay = func(dir string) error {
				if dir != "/var/lib/containers" {
					return fmt.Errorf("tried in %q", dir)
				}
				return nil
			}
		}, []want{{OK, "/var/lib/containers", ""}}},
		{"no overlay in the kernel", "overlay", func(f *fake) { f.MountOverlay = func(string) error { return syscall.ENODEV } }, []want{{Problem, "kernel has no overlay", "modprobe overlay"}}},
		{"full disk", "overlay", func(f *fake) { f.MountOverlay = func(string) error { return syscall.ENOSPC } }, []want{{Problem, "disk is full", "make room"}}},
		{"container may not mount", "overlay", func(f *fake) {
			f.inContainer()
			f.MountOverlay = func(string) error { return syscall.EPERM }
		}, []want{{Problem, "may not mount", "--privileged"}}},
		{"overlay refused", "overlay", func(f *fake) { f.MountOverlay = func(string) error { return syscall.EINVAL } }, []want{{Problem, "invalid argument", "ftype=1"}}},
		{"file features missing", "file-features", func(f *fake) {
			f.ProbeFiles = func(string) (FileFeatures, error) {
				return FileFeatures{
					DeviceNode: syscall.EPERM, Owner: syscall.EPERM, TrustedXattr: syscall.ENOTSUP, CapabilityXattr: syscall.ENOTSUP,
					Case: errors.New("one file"),
				}, nil
			}
		}, []want{{Problem, "device nodes (operation not permitted), owners (operation not permitted), trusted extended attributes (operation not supported), " +
			"file capabilities (operation not supported), case-sensitive names (one file)", "storage.conf"}}},
		{"file features unknown", "file-features", func(f *fake) {
			f.ProbeFiles = func(string) (FileFeatures, error) { return FileFeatures{}, syscall.EROFS }
		}, []want{{Unknown, "read-only file system", ""}}},
		{"runtimes not asked for", "oci-runtime", func(*fake) {}, nil},
		{"runtimes", "oci-runtime", func(f *fake) {
			f.options.Runtimes = func(context.Context) []Runtime {
				return []Runtime{{"/usr/bin/crun", "1.14.1", "unknown version specified"}, {"/usr/local/bin/crun", "1.20", ""}, {"/usr/bin/runc", "", ""}}
			}
		}, []want{{Note, "/usr/bin/crun 1.14.1 cannot be used: unknown", ""}, {OK, "/usr/local/bin/crun 1.20", ""}, {Note, "/usr/bin/runc would do", ""}}},
		{"no runtime", "oci-runtime", func(f *fake) { f.options.Runtimes = func(context.Context) []Runtime { return nil } }, []want{{Warning, "no OCI runtime", "crun 1.14.3"}}},
		{"configuration", "containers-config", func(f *fake) {
			f.write("/etc/containers/policy.json", "{}")
			f.write("/etc/containers/registries.conf", "")
		}, []want{{OK, "/etc/containers/registries.conf, /etc/containers/policy.json", ""}}},
		{"broken policy", "containers-config", func(f *fake) { f.write("/etc/containers/policy.json", "{") }, []want{{OK, "policy.json", ""}, {Warning, "not JSON", "mend it"}}},
		{"unreadable policy", "containers-config", func(f *fake) { f.write("/etc/containers/policy.json/x", "") }, []want{{OK, "policy.json", ""}, {Warning, "reading the policy", ""}}},
	})
}
