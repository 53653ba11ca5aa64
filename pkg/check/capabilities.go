package check

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// capabilityNames are those of linux/capability.h, by their number.
var capabilityNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
	"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
	"sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
	"audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
	"perfmon", "bpf", "checkpoint_restore",
}

// describeCapabilities names those that a security.capability attribute gives
// (struct vfs_cap_data of linux/capability.h): what the program may have by
// itself, and what it may keep.
func describeCapabilities(value []byte) string {
	// Magic and flags, then permitted and inheritable in one or two words each.
	if len(value) < 12 {
		return "that cannot be read"
	}
	permitted, inheritable := uint64(binary.LittleEndian.Uint32(value[4:])), uint64(binary.LittleEndian.Uint32(value[8:]))
	if len(value) >= 20 {
		permitted |= uint64(binary.LittleEndian.Uint32(value[12:])) << 32
		inheritable |= uint64(binary.LittleEndian.Uint32(value[16:])) << 32
	}
	var names []string
	for i := range 64 {
		if (permitted|inheritable)>>i&1 == 0 {
			continue
		}
		if i < len(capabilityNames) {
			names = append(names, capabilityNames[i])
		} else {
			names = append(names, fmt.Sprintf("number %d", i))
		}
	}
	if names == nil {
		return "that are none"
	}
	return strings.Join(names, ", ")
}
