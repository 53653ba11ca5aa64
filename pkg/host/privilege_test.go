package host

import (
	"testing"
)

func TestPrivileges(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"user", "root", func(f *fake) { f.UID = func() int { return 1000 } }, []want{{Problem, "user 1000", "sudo"}}},
		{"user has no capabilities to speak of", "capabilities", func(f *fake) { f.UID = func() int { return 1000 } }, nil},
		{"user namespace", "root", func(f *fake) { f.write("/proc/self/uid_map", "0 1000 1\n1 100000 65536\n") }, []want{{Warning, "user 1000 outside", "rootless"}}},
		{"part of the users", "root", func(f *fake) { f.write("/proc/self/uid_map", "0 0 65536\n") }, []want{{Warning, "user 0 outside", "rootless"}}},
		{"no user namespaces", "root", func(f *fake) { delete(f.files, "proc/self/uid_map") }, []want{{OK, "running as root", ""}}},
		{
			"fewer capabilities", "capabilities", func(f *fake) { f.write("/proc/self/status", "CapEff:\t00000000a80425fb\n") },
			[]want{{Problem, "root lacks CAP_SYS_ADMIN", "services"}},
		},
		{"fewer in a container", "capabilities", func(f *fake) {
			f.write("/proc/self/status", "CapEff:\t00000000a00425fb\n")
			f.inContainer()
		}, []want{{Problem, "CAP_SYS_ADMIN, CAP_MKNOD", "--privileged"}}},
		{"fewer in a container job", "capabilities", func(f *fake) {
			f.write("/proc/self/status", "CapEff:\t0\n")
			f.inContainer()
			f.env["GITHUB_ACTIONS"] = "true"
		}, []want{{Problem, "CAP_CHOWN, CAP_DAC_OVERRIDE", "options: --privileged"}}},
		{"unreadable status", "capabilities", func(f *fake) { delete(f.files, "proc/self/status") }, []want{{Unknown, "reading the capabilities", ""}}},
		{"unreadable capabilities", "capabilities", func(f *fake) { f.write("/proc/self/status", "CapEff:\tx\n") }, []want{{Unknown, `CapEff: "x"`, ""}}},
	})
}
