package host

import (
	"os"
	"syscall"
	"testing"
)

func TestVirtual(t *testing.T) {
	t.Parallel()
	noPermission := &os.PathError{Op: "open", Path: "/dev/kvm", Err: syscall.EACCES}
	noDevice := &os.PathError{Op: "open", Path: "/dev/kvm", Err: syscall.ENOENT}
	runChecks(t, []checkCase{
		{"little memory", "memory", func(f *fake) { f.write("/proc/meminfo", "MemTotal: 3000000 kB\nSwapTotal: 0 kB\n") }, []want{{Warning, "2.9 GiB", "swap"}}},
		{"swap helps", "memory", func(f *fake) { f.write("/proc/meminfo", "MemTotal: 3000000 kB\nSwapTotal: 3000000 kB\n") }, []want{{OK, "2.9 GiB and 2.9 GiB of swap", ""}}},
		{"too little memory", "memory", func(f *fake) { f.write("/proc/meminfo", "MemTotal: 1000000 kB\n") }, []want{{Problem, "1.0 GiB and 0.0 GiB", "swap"}}},
		{"little memory in WSL", "memory", func(f *fake) {
			f.wsl2()
			f.write("/proc/meminfo", "MemTotal: 1000000 kB\n")
		}, []want{{Problem, "too little", ".wslconfig"}}},
		{"limited container", "memory", func(f *fake) {
			f.inContainer()
			f.write("/proc/meminfo", "MemTotal: 16000000 kB\nSwapTotal: 0 kB\n")
			f.write("/sys/fs/cgroup/memory.max", "2147483648\n")
		}, []want{{Warning, "limited to 2.0 GiB", "limit"}}},
		{"unlimited container", "memory", func(f *fake) { f.write("/sys/fs/cgroup/memory.max", "max\n") }, []want{{OK, "15.3 GiB and 3.8 GiB of swap", ""}}},
		{"no meminfo", "memory", func(f *fake) { delete(f.files, "proc/meminfo") }, []want{{Unknown, "reading the size", ""}}},
		{"odd meminfo", "memory", func(f *fake) { f.write("/proc/meminfo", "MemTotal: many\n") }, []want{{Unknown, "no readable MemTotal", ""}}},
		{"KVM not allowed", "kvm", func(f *fake) { f.OpenKVM = func() error { return noPermission } }, []want{{Warning, "permission denied", "--groups kvm"}}},
		{"KVM not allowed in a container", "kvm", func(f *fake) {
			f.inContainer()
			f.OpenKVM = func() error { return noPermission }
		}, []want{{Warning, "permission denied", "--device=/dev/kvm"}}},
		{"no KVM in a container", "kvm", func(f *fake) {
			f.inContainer()
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "--device=/dev/kvm"}}},
		{"no KVM in WSL", "kvm", func(f *fake) {
			f.wsl2()
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "in .wslconfig, under [wsl2]: nestedVirtualization=true"}}},
		{"no KVM in WSL without systemd", "kvm", func(f *fake) {
			f.wsl2()
			delete(f.files, "run/systemd/system")
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "systemd=true"}}},
		{"no KVM on GitHub", "kvm", func(f *fake) {
			f.env["GITHUB_ACTIONS"] = "true"
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "ubuntu-24.04"}}},
		{"switched off", "kvm", func(f *fake) {
			f.write("/proc/cpuinfo", "flags : fpu\n")
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "firmware"}}},
		{"module not loaded", "kvm", func(f *fake) { f.OpenKVM = func() error { return noDevice } }, []want{{Warning, "no such file", "modprobe kvm_intel"}}},
		{"unknown processor", "kvm", func(f *fake) {
			delete(f.files, "proc/cpuinfo")
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "modprobe"}}},
		{"no KVM on Arm", "kvm", func(f *fake) {
			f.Uname = func() (string, string, error) { return "6.12", "aarch64", nil }
			f.write("/proc/cpuinfo", "Features : fp\n")
			f.OpenKVM = func() error { return noDevice }
		}, []want{{Warning, "no such file", "modprobe"}}},
		{"no QEMU", "qemu", func(f *fake) { f.programs = nil }, []want{{Warning, "qemu-system-x86_64 is not installed", "qemu-system-x86,"}}},
		{
			"no QEMU on Arm", "qemu", func(f *fake) { f.Uname = func() (string, string, error) { return "6.12", "aarch64", nil } },
			[]want{{Warning, "qemu-system-aarch64 is not installed", "qemu-system-arm"}},
		},
		{"QEMU of Fedora", "qemu", func(f *fake) { f.programs = map[string]string{"qemu-kvm": "/usr/bin/qemu-kvm"} }, []want{{OK, "/usr/bin/qemu-kvm", ""}}},
		{"QEMU of CentOS", "qemu", func(f *fake) {
			f.programs = nil
			f.write("/usr/libexec/qemu-kvm", "")
		}, []want{{OK, "/usr/libexec/qemu-kvm", ""}}},
		{"own platforms", "binfmt", func(f *fake) { f.options.Platforms = []string{"linux/amd64", "linux/amd64/v3", "linux/386"} }, nil},
		{"own platforms on Arm", "binfmt", func(f *fake) {
			f.Uname = func() (string, string, error) { return "6.12", "aarch64", nil }
			f.options.Platforms = []string{"linux/arm64/v8", "linux/arm/v7"}
		}, nil},
		{"unheard-of platform", "binfmt", func(f *fake) { f.options.Platforms = []string{"linux/vax", "linux"} }, []want{{Unknown, `"linux/vax"`, ""}, {Unknown, `"linux"`, ""}}},
		{"no table", "binfmt", func(f *fake) { f.options.Platforms = []string{"linux/arm64"} }, []want{{Problem, "not mounted or switched off", "qemu-user-static"}}},
		{"empty table", "binfmt", func(f *fake) { binfmt(f, "enabled\n", "") }, []want{{Problem, "no QEMU is registered", "qemu-user-static"}}},
		{"table switched off", "binfmt", func(f *fake) { binfmt(f, "disabled\n", "") }, []want{{Problem, "switched off", "qemu-user-static"}}},
		{
			"registered", "binfmt", func(f *fake) {
				binfmt(f, "enabled\n", "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: POCF\n")
			},
			[]want{{OK, "linux/arm64 runs in QEMU", ""}},
		},
		{
			"entry switched off", "binfmt", func(f *fake) { binfmt(f, "enabled\n", "disabled\ninterpreter /usr/bin/qemu-aarch64\nflags: F\n") },
			[]want{{Problem, "entry is registered, but switched off", "qemu-user-static"}},
		},
		{"entry without F", "binfmt", func(f *fake) {
			binfmt(f, "enabled\n", "enabled\ninterpreter /usr/libexec/qemu-binfmt/qemu-aarch64-binfmt-P\nflags: P\n")
		}, []want{{Problem, "without the flag F", "qemu-user-static"}}},
		{
			"entry of another architecture", "binfmt", func(f *fake) { binfmt(f, "enabled\n", "enabled\ninterpreter /usr/bin/qemu-aarch64_be\nflags: F\n") },
			[]want{{Problem, "no QEMU is registered", "qemu-user-static"}},
		},
		{"foreign build in WSL, on GitHub", "binfmt", func(f *fake) {
			f.wsl2()
			f.env["GITHUB_ACTIONS"] = "true"
			f.options.Platforms = []string{"linux/arm64"}
		}, []want{{Problem, "not mounted", "one table for all distributions, and one that stops can clear it: stop the others while you build, or wsl --update\non GitHub"}}},
		{"Rosetta", "binfmt", func(f *fake) {
			f.Uname = func() (string, string, error) { return "6.12", "aarch64", nil }
			binfmt(f, "enabled\n", "enabled\ninterpreter /mnt/rosetta\nflags: F\n")
			f.options.Platforms = []string{"linux/amd64"}
		}, []want{{OK, "linux/amd64", ""}}},
	})
}

// binfmt gives the kernel's table of foreign programs one entry, and asks for
// linux/arm64.
func binfmt(f *fake, status, entry string) {
	f.options.Platforms = []string{"linux/arm64"}
	f.write("/proc/sys/fs/binfmt_misc/status", status)
	f.write("/proc/sys/fs/binfmt_misc/register", "")
	if entry != "" {
		f.write("/proc/sys/fs/binfmt_misc/entry", entry)
	}
}
