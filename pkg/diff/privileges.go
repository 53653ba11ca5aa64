package diff

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// rights returns what a program gives to whoever starts it, nil where that is
// nothing.
func (w *walker) rights(name string, files pair) (rights [2]*Privilege, err error) {
	for i, fi := range files {
		if fi == nil || !fi.Mode().IsRegular() {
			continue
		}
		st := image.StatOf(fi)
		var p Privilege
		if st.Mode&unix.S_ISUID != 0 {
			p.SetUID = &st.UID
		}
		if st.Mode&unix.S_ISGID != 0 {
			p.SetGID = &st.GID
		}
		// What cannot be executed has no use for capabilities, and asking every
		// file for them takes longer than all the rest.
		if st.Mode&0o111 != 0 {
			attrs, err := w.sides[i].root.Xattrs(name)
			if err != nil {
				return rights, err
			}
			if value, ok := attrs["security.capability"]; ok {
				p.Capabilities = capabilities(value)
			}
		}
		if p != (Privilege{}) {
			rights[i] = &p
		}
	}
	return rights, nil
}

func (p *Privilege) equal(q *Privilege) bool {
	if p == nil || q == nil {
		return p == q
	}
	same := func(a, b *int) bool {
		return a == b || a != nil && b != nil && *a == *b
	}
	return same(p.SetUID, q.SetUID) && same(p.SetGID, q.SetGID) && p.Capabilities == q.Capabilities
}

func (p *Privilege) sameCapabilities(q *Privilege) bool {
	var texts [2]string
	for i, x := range []*Privilege{p, q} {
		if x != nil {
			texts[i] = x.Capabilities
		}
	}
	return texts[0] == texts[1]
}

// String is for reading: "setuid 0, cap_net_raw=ep".
func (p *Privilege) String() string {
	if p == nil {
		return "none"
	}
	var parts []string
	if p.SetUID != nil {
		parts = append(parts, fmt.Sprintf("setuid %d", *p.SetUID))
	}
	if p.SetGID != nil {
		parts = append(parts, fmt.Sprintf("setgid %d", *p.SetGID))
	}
	if p.Capabilities != "" {
		parts = append(parts, p.Capabilities)
	}
	return strings.Join(parts, ", ")
}

// Revisions of the attribute security.capability, in the high byte of its
// first word (include/uapi/linux/capability.h of Linux).
const (
	capRevision1     = 0x01000000
	capRevision2     = 0x02000000
	capRevision3     = 0x03000000
	capRevisionMask  = 0xff000000
	capFlagEffective = 0x000001
)

// capabilities writes the attribute as getcap(8) does. One that the kernel
// would not take is given in hexadecimal.
func capabilities(attr []byte) string {
	unknown := "unknown (" + hex.EncodeToString(attr) + ")"
	if len(attr) < 4 {
		return unknown
	}
	le := binary.LittleEndian
	magic, sets := le.Uint32(attr), 0
	switch size := len(attr); {
	case magic&capRevisionMask == capRevision1 && size == 12:
		sets = 1
	case magic&capRevisionMask == capRevision2 && size == 20, magic&capRevisionMask == capRevision3 && size == 24:
		sets = 2
	default:
		return unknown
	}
	var permitted, inheritable uint64
	for i := range sets {
		permitted |= uint64(le.Uint32(attr[4+8*i:])) << (32 * i)
		inheritable |= uint64(le.Uint32(attr[8+8*i:])) << (32 * i)
	}
	text := capabilityText(permitted, inheritable, magic&capFlagEffective != 0)
	if len(attr) == 24 {
		if owner := le.Uint32(attr[20:]); owner != 0 {
			text += fmt.Sprintf(" [rootid=%d]", owner)
		}
	}
	return text
}

func capabilityText(permitted, inheritable uint64, effective bool) string {
	names := map[string][]string{}
	for bit := range 64 {
		flags := ""
		p, i := permitted>>bit&1 != 0, inheritable>>bit&1 != 0
		if (p || i) && effective {
			flags += "e"
		}
		if i {
			flags += "i"
		}
		if p {
			flags += "p"
		}
		if flags == "" {
			continue
		}
		name := fmt.Sprintf("%d", bit)
		if bit < len(capability.ListKnown()) {
			name = capability.Cap(bit).String()
		}
		names[flags] = append(names[flags], "cap_"+name)
	}
	var clauses []string
	for _, flags := range []string{"ep", "p", "eip", "ip", "ei", "i"} {
		if list := names[flags]; list != nil {
			clauses = append(clauses, strings.Join(list, ",")+"="+flags)
		}
	}
	if clauses == nil {
		return "="
	}
	return strings.Join(clauses, " ")
}
