package host

import (
	"fmt"
	"strings"
	"time"
)

// checkKernel: the kernel's release, and whether it is one of the two WSLs.
func (m *machine) checkKernel() {
	const check = "kernel"
	if m.unameErr != nil {
		m.add(check, Unknown, fmt.Sprintf("asking for the kernel's release: %v", m.unameErr))
		return
	}
	about := fmt.Sprintf("%s, %s", m.release, m.arch)
	switch m.wsl {
	case 1:
		m.add(check, Problem, about+" (WSL 1): it has no overlay file system and no loop devices",
			"in PowerShell: wsl --set-version <distribution> 2")
	case 2:
		m.add(check, OK, about+" (WSL 2)")
	default:
		m.add(check, OK, about)
	}
}

// checkCgroup: runtimes are giving up version 1.
func (m *machine) checkCgroup() {
	const check = "cgroup"
	mount := m.mountOf("/sys/fs/cgroup")
	switch {
	case m.mountsErr != nil:
		m.add(check, Unknown, fmt.Sprintf("reading the mounts: %v", m.mountsErr))
		return
	case mount == nil || mount.Mountpoint != "/sys/fs/cgroup":
		m.add(check, Unknown, "nothing is mounted at /sys/fs/cgroup")
		return
	case mount.FSType == "cgroup2":
		m.add(check, OK, "version 2")
	default:
		mend := []string{"boot with systemd.unified_cgroup_hierarchy=1, or a newer systemd"}
		if m.wsl == 2 {
			mend = []string{
				"in PowerShell: wsl --update, then wsl --shutdown; and no `cgroups=v1` under [automount] in /etc/wsl.conf",
				"or in .wslconfig, under [wsl2]: kernelCommandLine=cgroup_no_v1=all",
			}
		}
		m.add(check, Warning, fmt.Sprintf("version 1 (%s is mounted at /sys/fs/cgroup), which current OCI runtimes no longer support well", mount.FSType), mend...)
	}
	own, err := m.read("/proc/self/cgroup")
	if err != nil {
		return // not every kernel has control groups
	}
	for line := range strings.Lines(own) {
		if strings.HasPrefix(line, "0::/wsl-user/") {
			m.add(check, Note, "WSL keeps this distribution in a control group of its own ("+strings.TrimSpace(line[3:])+"), where some controllers can be missing",
				"if an OCI runtime says that a controller is not available, in .wslconfig under [wsl2]: isolateDistroCgroup=false")
		}
	}
}

// checkSharedMount: builds do without; containers that mount for others do not.
func (m *machine) checkSharedMount() {
	const check = "shared-mount"
	root := m.mountOf("/")
	switch {
	case m.mountsErr != nil || root == nil:
		m.add(check, Unknown, "how / is mounted cannot be read")
	case strings.Contains(root.Optional, "shared:"):
		m.add(check, OK, "/ is a shared mount")
	case m.wsl == 2:
		m.add(check, Note, "/ is not a shared mount, as always in WSL; builds do not mind",
			"where something else does: mount --make-rshared /, and for good in /etc/wsl.conf under [boot]: command = \"mount --make-rshared /\"")
	default:
		m.add(check, Note, "/ is not a shared mount; builds do not mind", "where something else does: mount --make-rshared /")
	}
}

// notBefore is a day that is past: a clock before it is wrong.
var notBefore = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// checkClock: certificates are not valid yet for a clock that is behind.
func (m *machine) checkClock() {
	const check = "clock"
	now := m.sys.Now().UTC()
	text := now.Format("2006-01-02 15:04:05 UTC")
	if !now.Before(notBefore) {
		m.add(check, OK, text)
		return
	}
	mend := "timedatectl set-ntp true, or set it with date --set"
	if m.wsl == 2 {
		mend = "hwclock -s, or in PowerShell: wsl --shutdown (the clock stands still while the machine sleeps)"
	}
	m.add(check, Warning, text+" is in the past: TLS certificates and signatures will be refused", mend)
}

// checkOpenFiles: a package transaction opens hundreds of files at once.
func (m *machine) checkOpenFiles() {
	const (
		check  = "open-files"
		least  = 1024
		wanted = 4096
	)
	soft, hard, err := m.sys.OpenFiles()
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("asking for the limit of open files: %v", err))
		return
	}
	about := fmt.Sprintf("%s, at most %s", limit(soft), limit(hard))
	const mend = "raise it: `ulimit -n 65536`, LimitNOFILE= in a service, --ulimit nofile=65536 for a container"
	switch {
	case hard < least:
		m.add(check, Problem, about+": too few for installing packages", mend)
	case hard < wanted:
		m.add(check, Warning, about+": few for installing many packages", mend)
	default:
		m.add(check, OK, about)
	}
}

func limit(n uint64) string {
	if n == ^uint64(0) { // RLIM_INFINITY
		return "unlimited"
	}
	return fmt.Sprint(n)
}
