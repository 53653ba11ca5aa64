// Package listing describes the files of an image for tests, so that two images
// can be compared.
package listing

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// Of describes every file below a root but for its time, by name: type, mode,
// owner, device, extended attributes, content, target, and which other names it
// has. leaveOut, where it is not nil, says which files are left out (attr is "")
// and which extended attributes.
func Of(t testing.TB, root image.Root, leaveOut func(name, attr string) bool) map[string]string {
	t.Helper()
	if leaveOut == nil {
		leaveOut = func(string, string) bool { return false }
	}
	list := map[string]string{}
	first := map[uint64]string{} // by inode
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || leaveOut(name, "") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		attrs, err := root.Xattrs(name)
		if err != nil {
			return err
		}
		maps.DeleteFunc(attrs, func(key string, _ []byte) bool { return leaveOut(name, key) })
		st := image.StatOf(info)
		text := fmt.Sprintf("%v %04o %d:%d %d:%d %q", info.Mode(), st.Mode, st.UID, st.GID, st.DevMajor, st.DevMinor, attrs)
		switch info.Mode().Type() {
		case 0:
			sum, err := sumOf(root, name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", info.Size(), sum)
		case fs.ModeSymlink:
			target, err := root.ReadLink(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" -> %q", target)
		}
		if !d.IsDir() && st.Nlink > 1 {
			if _, ok := first[st.Inode]; !ok {
				first[st.Inode] = name
			}
			text += fmt.Sprintf(" = %q %d", first[st.Inode], st.Nlink)
		}
		list[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sumOf(root image.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), err
}
