package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkMemory: solving a package transaction and compressing layers take some.
func (m *machine) checkMemory() {
	const check = "memory"
	info, err := m.read("/proc/meminfo")
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("reading the size of the memory: %v", err))
		return
	}
	memory, ok := kibibytes(info, "MemTotal")
	if !ok {
		m.add(check, Unknown, "/proc/meminfo has no readable MemTotal")
		return
	}
	swap, _ := kibibytes(info, "SwapTotal")
	about := fmt.Sprintf("%s and %s of swap", gib(memory), gib(swap))
	// In a container the limit is its root group's.
	if text, err := m.read("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64); err == nil && limit < memory {
			memory = limit
			about += ", limited to " + gib(limit)
		}
	}
	const least, wanted = 3 * oneGiB / 2, 7 * oneGiB / 2 // a machine of 4 GiB shows somewhat less
	mend := "add memory or swap"
	switch {
	case m.wsl == 2:
		mend = "in .wslconfig, under [wsl2]: memory=8GB and swap=8GB; then wsl --shutdown"
	case m.container:
		mend = "raise the container's memory limit"
	}
	switch {
	case memory+swap < least:
		m.add(check, Problem, about+": too little to install packages", mend)
	case memory+swap < wanted:
		m.add(check, Warning, about+": little for a desktop image", mend)
	default:
		m.add(check, OK, about)
	}
}

// kibibytes reads a line such as "MemTotal: 1234 kB"; the unit is always that.
func kibibytes(info, name string) (uint64, bool) {
	value := field(info, name)
	n, err := strconv.ParseUint(strings.TrimSuffix(value, " kB"), 10, 54)
	return n << 10, err == nil
}

// checkKVM: without it, images boot in emulation, some ten times slower.
func (m *machine) checkKVM() {
	const check = "kvm"
	err := m.sys.OpenKVM()
	if err == nil {
		m.add(check, OK, "/dev/kvm works")
		return
	}
	message, mend := fmt.Sprintf("images boot in emulation, slowly: %v", err), []string(nil)
	switch {
	case errors.Is(err, fs.ErrPermission):
		mend = []string{"run as root, or join the group of /dev/kvm: usermod --append --groups kvm <user>"}
		if m.container {
			mend = []string{"start the container with --device=/dev/kvm"}
		}
	case m.wsl == 2:
		if !m.exists("/run/systemd/system") {
			mend = append(mend, "the module is loaded by systemd: in /etc/wsl.conf under [boot]: systemd=true, then wsl --shutdown; or modprobe kvm_intel or kvm_amd")
		}
		mend = append(mend,
			"in .wslconfig, under [wsl2]: nestedVirtualization=true (its default, unless an administrator's policy says otherwise)",
			"Windows 10, and most processors for Arm, do not have nested virtualization")
	case m.container && errors.Is(err, fs.ErrNotExist):
		mend = []string{"start the container with --device=/dev/kvm, if the machine has it"}
	case m.github:
		mend = []string{"take a runner that has it: ubuntu-24.04 for x86_64 does, those for Arm may not"}
	case !m.cpuVirtualizes():
		mend = []string{"switch virtualization (VT-x, AMD-V) on in the firmware, or nested virtualization on in the hypervisor"}
	default:
		mend = []string{"load the module: modprobe kvm_intel or modprobe kvm_amd"}
	}
	m.add(check, Warning, message, mend...)
}

// cpuVirtualizes reports whether the processor shows Intel's or AMD's extension;
// other architectures do not list theirs, and get the benefit of the doubt.
func (m *machine) cpuVirtualizes() bool {
	if m.arch != "x86_64" {
		return true
	}
	info, err := m.read("/proc/cpuinfo")
	if err != nil {
		return true
	}
	flags := field(info, "flags")
	f := strings.Fields(flags)
	return slices.Contains(f, "vmx") || slices.Contains(f, "svm")
}

// checkQEMU: the boot test runs images in it.
func (m *machine) checkQEMU() {
	const check = "qemu"
	program := "qemu-system-" + m.arch
	for _, name := range []string{program, "qemu-kvm"} {
		if found, err := m.sys.LookPath(name); err == nil {
			m.add(check, OK, found)
			return
		}
	}
	const fedora = "/usr/libexec/qemu-kvm" // as CentOS and RHEL install it, outside of PATH
	if m.exists(fedora) {
		m.add(check, OK, fedora)
		return
	}
	pkg := "qemu-system-x86"
	if m.arch != "x86_64" {
		pkg = "qemu-system-arm"
	}
	m.add(check, Warning, program+" is not installed: images cannot be booted, and without that they are not published",
		"apt install "+pkg+", or dnf install qemu-kvm; or leave it out: \"boot: off\" in the recipe, or --boot=off")
}

// machineNames maps GOARCH, as platforms have it, to the kernel's and QEMU's
// name of the architecture.
var machineNames = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "arm",
	"ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64", "loong64": "loongarch64",
}

// checkBinfmt: steps of an image for another architecture run in QEMU, which
// the kernel has to be told.
func (m *machine) checkBinfmt() {
	const check = "binfmt"
	for _, platform := range m.o.Platforms {
		_, arch, _ := strings.Cut(platform, "/")
		arch, _, _ = strings.Cut(arch, "/")
		name, ok := machineNames[arch]
		if !ok {
			m.add(check, Unknown, fmt.Sprintf("platform %q has an architecture that is not known here", platform))
			continue
		}
		if name == m.arch || m.arch == "x86_64" && name == "i386" || m.arch == "aarch64" && name == "arm" {
			continue
		}
		message := m.binfmtProblem(name)
		if message == "" {
			m.add(check, OK, platform+" runs in QEMU")
			continue
		}
		mend := []string{"apt install qemu-user-static binfmt-support, or dnf install qemu-user-static; then systemctl restart systemd-binfmt"}
		if m.wsl == 2 {
			mend = append(mend, "WSL has one table for all distributions, and one that stops can clear it: stop the others while you build, or wsl --update")
		}
		if m.github {
			mend = append(mend, "on GitHub, a job on a runner of that architecture (ubuntu-24.04-arm) is faster than emulation")
		}
		m.add(check, Problem, platform+": "+message, mend...)
	}
}

// binfmtProblem says why the kernel cannot run programs of the architecture in
// containers, "" where it can. The table is documented in
// Documentation/admin-guide/binfmt-misc.rst of the kernel.
func (m *machine) binfmtProblem(arch string) string {
	const table = "/proc/sys/fs/binfmt_misc"
	if status, err := m.read(table + "/status"); err != nil || strings.TrimSpace(status) != "enabled" {
		return "the kernel's table of foreign programs (binfmt_misc) is not mounted or switched off"
	}
	entries, err := fs.ReadDir(m.sys.FS, rel(table))
	if err != nil {
		return fmt.Sprintf("reading the table of foreign programs: %v", err)
	}
	problem := "no QEMU is registered for its programs"
	for _, e := range entries {
		text, err := m.read(path.Join(table, e.Name()))
		if err != nil || !registers(text, arch) {
			continue
		}
		state, _, _ := strings.Cut(text, "\n")
		flags := field(text, "flags")
		switch {
		case state != "enabled":
			problem = e.Name() + " is registered, but switched off"
		case !strings.Contains(flags, "F"):
			problem = e.Name() + " is registered without the flag F, so that it is not found in containers"
		default:
			return ""
		}
	}
	return problem
}

// registers reports whether an entry of the table is for the architecture. The
// interpreter's name tells, since the names of entries are free.
func registers(entry, arch string) bool {
	for line := range strings.Lines(entry) {
		interpreter, ok := strings.CutPrefix(line, "interpreter ")
		if !ok {
			continue
		}
		name := path.Base(strings.TrimSpace(interpreter))
		name = strings.TrimSuffix(strings.TrimSuffix(name, "-static"), "-binfmt-P")
		return name == "qemu-"+arch || arch == "x86_64" && strings.HasPrefix(name, "rosetta")
	}
	return false
}
