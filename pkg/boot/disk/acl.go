package disk

import (
	"encoding/binary"
	"fmt"
)

// The attributes that hold access control lists, acl(5).
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// Tags of the entries that name somebody, and so have an ID on disk: ACL_USER
// and ACL_GROUP of include/uapi/linux/posix_acl.h.
const (
	aclUser  = 0x02
	aclGroup = 0x08
)

// diskACL translates an access control list from what getxattr(2) returns
// (include/uapi/linux/posix_acl_xattr.h: version 2, entries of 8 bytes) to what
// ext4 stores (fs/ext4/acl.h: version 1, without the IDs that mean nothing).
func diskACL(v []byte) ([]byte, error) {
	if len(v) < 4 || (len(v)-4)%8 != 0 || binary.LittleEndian.Uint32(v) != 2 {
		return nil, fmt.Errorf("not an access control list of version 2: %d bytes", len(v))
	}
	out := binary.LittleEndian.AppendUint32(nil, 1)
	for e := v[4:]; len(e) > 0; e = e[8:] {
		out = append(out, e[:4]...) // tag and permissions
		if tag := binary.LittleEndian.Uint16(e); tag == aclUser || tag == aclGroup {
			out = append(out, e[4:8]...)
		}
	}
	return out, nil
}
