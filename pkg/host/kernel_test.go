package host

import (
	"syscall"
	"testing"
	"time"
)

func TestKernel(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"WSL 1", "kernel", func(f *fake) {
			f.Uname = func() (string, string, error) { return "4.4.0-19041-Microsoft", "x86_64", nil }
		}, []want{{Problem, "(WSL 1)", "--set-version"}}},
		{"WSL 2", "kernel", (*fake).wsl2, []want{{OK, "WSL2, x86_64 (WSL 2)", ""}}},
		{"older WSL 2", "kernel", func(f *fake) {
			f.Uname = func() (string, string, error) { return "4.19.84-microsoft-standard", "x86_64", nil }
		}, []want{{OK, "(WSL 2)", ""}}},
		{"WSL 2 by its sockets", "kernel", func(f *fake) { f.write("/run/WSL/8_interop", "") }, []want{{OK, "el10, x86_64 (WSL 2)", ""}}},
		{"WSL 2 by its programs", "kernel", func(f *fake) { f.write("/proc/sys/fs/binfmt_misc/WSLInterop-late", "") }, []want{{OK, "(WSL 2)", ""}}},
		{"environment alone is not WSL", "kernel", func(f *fake) { f.env["WSL_DISTRO_NAME"] = "Debian" }, []want{{OK, "6.12.0-1.el10, x86_64", ""}}},
		{"no uname", "kernel", func(f *fake) { f.Uname = func() (string, string, error) { return "", "", syscall.EFAULT } }, []want{{Unknown, "bad address", ""}}},
		{"cgroup 1", "cgroup", func(f *fake) { f.mount("/sys/fs/cgroup", "tmpfs", "tmpfs", "rw") }, []want{{Warning, "version 1 (tmpfs", "unified_cgroup_hierarchy"}}},
		{"cgroup 1 in WSL", "cgroup", func(f *fake) {
			f.wsl2()
			f.mount("/sys/fs/cgroup", "tmpfs", "tmpfs", "rw")
		}, []want{{Warning, "version 1", "wsl --update"}}},
		{"no cgroup", "cgroup", func(f *fake) { f.mounts = f.mounts[:2] }, []want{{Unknown, "nothing is mounted", ""}}},
		{"no mounts", "cgroup", func(f *fake) { f.mounts = nil }, []want{{Unknown, "reading the mounts", ""}}},
		{"no group of its own", "cgroup", func(f *fake) { delete(f.files, "proc/self/cgroup") }, []want{{OK, "version 2", ""}}},
		{"WSL's own group", "cgroup", func(f *fake) {
			f.wsl2()
			f.write("/proc/self/cgroup", "0::/wsl-user/distro-1\n")
		}, []want{{OK, "version 2", ""}, {Note, "(/wsl-user/distro-1)", "isolateDistroCgroup=false"}}},
		{"private root", "shared-mount", func(f *fake) { f.mounts[0] = "22 1 254:0 / / rw - ext4 /dev/vda rw" }, []want{{Note, "not a shared mount", "--make-rshared /"}}},
		{"private root in WSL", "shared-mount", (*fake).wsl2, []want{{Note, "as always in WSL", "/etc/wsl.conf"}}},
		{"unknown root", "shared-mount", func(f *fake) { f.mounts = f.mounts[1:] }, []want{{Unknown, "cannot be read", ""}}},
		{"clock behind", "clock", func(f *fake) { f.Now = func() time.Time { return time.Unix(0, 0) } }, []want{{Warning, "1970-01-01 00:00:00 UTC", "timedatectl"}}},
		{"clock behind in WSL", "clock", func(f *fake) {
			f.wsl2()
			f.Now = func() time.Time { return notBefore.Add(-1) }
		}, []want{{Warning, "2024-12-31", "hwclock -s"}}},
		{"clock at the limit", "clock", func(f *fake) { f.Now = func() time.Time { return notBefore } }, []want{{OK, "2025-01-01", ""}}},
		{"few files", "open-files", func(f *fake) { f.OpenFiles = func() (uint64, uint64, error) { return 256, 1024, nil } }, []want{{Warning, "256, at most 1024", "ulimit -n"}}},
		{"too few files", "open-files", func(f *fake) { f.OpenFiles = func() (uint64, uint64, error) { return 256, 1023, nil } }, []want{{Problem, "too few", "ulimit -n"}}},
		{"any number of files", "open-files", func(f *fake) { f.OpenFiles = func() (uint64, uint64, error) { return 4096, ^uint64(0), nil } }, []want{{OK, "at most unlimited", ""}}},
		{"unknown number of files", "open-files", func(f *fake) { f.OpenFiles = func() (uint64, uint64, error) { return 0, 0, syscall.EPERM } }, []want{{Unknown, "not permitted", ""}}},
	})
}
