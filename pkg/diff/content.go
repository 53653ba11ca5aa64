package diff

import (
	"bytes"
	"io"
	"io/fs"
	"time"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// differs says in what a file differs that both images have.
func (w *walker) differs(name string, files pair) ([]string, error) {
	a, b := files[0], files[1]
	if a.Mode().Type() != b.Mode().Type() {
		return []string{"type"}, nil
	}
	x, y := image.StatOf(a), image.StatOf(b)
	var what []string
	switch a.Mode().Type() {
	case 0:
		same, err := w.sameContent(name, files)
		if err != nil {
			return nil, err
		}
		if !same {
			what = append(what, "content")
		}
	case fs.ModeSymlink:
		var targets [2]string
		for i, s := range w.sides {
			var err error
			if targets[i], err = s.root.ReadLink(name); err != nil {
				return nil, err
			}
		}
		if targets[0] != targets[1] {
			what = append(what, "target")
		}
	}
	if x.DevMajor != y.DevMajor || x.DevMinor != y.DevMinor {
		what = append(what, "device")
	}
	// The mode of a link means nothing, and file systems invent it.
	if x.Mode != y.Mode && a.Mode().Type() != fs.ModeSymlink {
		what = append(what, "mode")
	}
	if x.UID != y.UID || x.GID != y.GID {
		what = append(what, "owner")
	}
	return what, nil
}

// noTime ends the times of modification that say nothing: ostree and others
// set every file's to the first second of 1970 or near it.
var noTime = time.Unix(0, 0).AddDate(1, 0, 0)

func (w *walker) sameContent(name string, files pair) (bool, error) {
	a, b := files[0], files[1]
	switch {
	case a.Size() != b.Size():
		return false, nil
	case a.Size() == 0 || w.sameLayers:
		return true, nil
	case !w.exact && a.ModTime().Equal(b.ModTime()) && a.ModTime().After(noTime) && w.sameBuild(name):
		w.report.Files.Unread++
		return true, nil
	}
	return w.readBoth(name)
}

// sameBuild reports whether a name belongs to one build of a package in both
// images.
func (w *walker) sameBuild(name string) bool {
	owners := w.owned.of(name)
	for i, owner := range owners {
		if owner == 0 || !w.settled[i][owner-1] {
			return false
		}
	}
	x, y := w.sides[0].packages[owners[0]-1], w.sides[1].packages[owners[1]-1]
	return x.Name == y.Name && x.Arch == y.Arch && x.Version == y.Version
}

// readBoth reads a file in both images up to the first difference.
func (w *walker) readBoth(name string) (same bool, err error) {
	const chunk = 256 << 10
	var readers [2]fs.File
	for i, s := range w.sides {
		if w.buffers[i] == nil {
			w.buffers[i] = make([]byte, chunk)
		}
		if readers[i], err = s.root.Open(name); err != nil {
			return false, err
		}
		defer readers[i].Close()
	}
	for {
		if err := w.ctx.Err(); err != nil {
			return false, err
		}
		var n [2]int
		for i, r := range readers {
			n[i], err = io.ReadFull(r, w.buffers[i])
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		if !bytes.Equal(w.buffers[0][:n[0]], w.buffers[1][:n[1]]) {
			return false, nil
		}
		if n[0] < chunk {
			return true, nil
		}
	}
}
