package host

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkRoot: an OS image has files of many owners, device nodes and file
// capabilities, which only root can write.
func (m *machine) checkRoot() {
	const check = "root"
	if uid := m.sys.UID(); uid != 0 {
		m.add(check, Problem, fmt.Sprintf("running as user %d; building an image needs root", uid),
			"run bootkiln with sudo (validate, plan, render, and checks of layouts and remote images do without)")
		return
	}
	// user_namespaces(7): the initial namespace maps every ID to itself.
	if ids, err := m.read("/proc/self/uid_map"); err == nil {
		if f := strings.Fields(ids); len(f) >= 3 && (f[1] != "0" || f[2] != "4294967295") {
			m.add(check, Warning, fmt.Sprintf("root in a user namespace only (it is user %s outside): device nodes cannot be made", f[1]),
				"run bootkiln as root of the machine, outside of rootless containers and \"unshare --user\"")
			return
		}
	}
	m.add(check, OK, "running as root")
}

// neededCapabilities are what the builder's steps use: mounts and chroot, and
// files of any owner and mode.
var neededCapabilities = []struct {
	bit  uint
	name string
}{
	{unix.CAP_CHOWN, "CAP_CHOWN"},
	{unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
	{unix.CAP_FOWNER, "CAP_FOWNER"},
	{unix.CAP_FSETID, "CAP_FSETID"},
	{unix.CAP_SETGID, "CAP_SETGID"},
	{unix.CAP_SETUID, "CAP_SETUID"},
	{unix.CAP_SETPCAP, "CAP_SETPCAP"},
	{unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
	{unix.CAP_MKNOD, "CAP_MKNOD"},
	{unix.CAP_SETFCAP, "CAP_SETFCAP"},
}

// checkCapabilities: root in a container or a hardened service lacks some.
func (m *machine) checkCapabilities() {
	const check = "capabilities"
	if !m.root() {
		return
	}
	status, err := m.read("/proc/self/status")
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("reading the capabilities of this process: %v", err))
		return
	}
	value := field(status, "CapEff")
	effective, err := strconv.ParseUint(value, 16, 64)
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("/proc/self/status has no readable CapEff: %q", value))
		return
	}
	var missing []string
	for _, c := range neededCapabilities {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) == 0 {
		m.add(check, OK, "all that a build needs")
		return
	}
	mend := "run bootkiln outside of services and wrappers that take capabilities away"
	switch {
	case m.container && m.github:
		mend = "let the job run in a privileged container: `container: {image: …, options: --privileged}`"
	case m.container:
		mend = "start the container with --privileged"
	}
	m.add(check, Problem, "root lacks "+strings.Join(missing, ", "), mend)
}
