package disk

import (
	"bytes"
	"testing"
)

// FuzzDiskACL checks that what is taken has one entry on disk for each, and that
// nothing panics.
func FuzzDiskACL(f *testing.F) {
	f.Add([]byte(acl))
	f.Add([]byte("\x02\x00\x00\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x06\x00"))
	f.Fuzz(func(t *testing.T, v []byte) {
		out, err := diskACL(v)
		if err != nil {
			return
		}
		entries := (len(v) - 4) / 8
		if !bytes.HasPrefix(out, []byte{1, 0, 0, 0}) || len(out) < 4+4*entries || len(out) > 4+8*entries {
			t.Errorf("%d entries became %x", entries, out)
		}
	})
}
