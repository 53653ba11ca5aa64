package check

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// size adds the regular files up; a file with several names counts once.
func (a *assertions) size() error {
	if a.tests.Size == 0 {
		return nil
	}
	var sum int64
	seen := map[uint64]bool{}
	folders := map[string]int64{}
	err := fs.WalkDir(a.root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = a.ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := image.StatOf(info)
		if st.Nlink > 1 {
			if seen[st.Inode] {
				return nil
			}
			seen[st.Inode] = true
		}
		sum += info.Size()
		folders[topFolders(name)] += info.Size()
		return nil
	})
	if err != nil || sum <= a.tests.Size {
		return err
	}
	a.fail(a.tests.SizePos, "tests.size", "too-large", "the largest folders are "+largest(folders, 3),
		"the root file system has %s, and may have %s", bytesText(sum), bytesText(a.tests.Size))
	return nil
}

// topFolders is the folder that a file's size is booked to: two levels deep.
func topFolders(name string) string {
	parts := strings.SplitN(path.Dir(name), "/", 3)
	return "/" + path.Join(parts[:min(2, len(parts))]...)
}

func largest(folders map[string]int64, n int) string {
	var names []string
	for name := range folders {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		if folders[x] != folders[y] {
			return int(min(1, max(-1, folders[y]-folders[x])))
		}
		return strings.Compare(x, y)
	})
	names = names[:min(n, len(names))]
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%s)", quotePath(name), bytesText(folders[name]))
	}
	return strings.Join(names, ", ")
}

// bytesText writes a size in the units that recipes use.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}
