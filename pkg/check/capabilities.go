package check

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/moby/sys/capability"
)

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
	known := len(capability.ListKnown())
	for i := range 64 {
		if (permitted|inheritable)>>i&1 == 0 {
			continue
		}
		if i < known {
			names = append(names, capability.Cap(i).String())
		} else {
			names = append(names, fmt.Sprintf("number %d", i))
		}
	}
	if names == nil {
		return "that are none"
	}
	return strings.Join(names, ", ")
}
