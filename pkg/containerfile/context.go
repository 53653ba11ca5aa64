package containerfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"time"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// epoch dates everything in a build context.
var epoch = time.Unix(0, 0)

// WriteContext lays out the build context in the folder dir, which has to
// exist and is best empty. Files of the project are read from project, the
// file system that the plan was made with; it is an error if they have changed
// since.
//
// What is written does not depend on the user, the umask or the time: modes
// are those of the plan, and everything is dated 1970-01-01, as ostree dates
// what it deploys. Symbolic links in folders of the project are written as
// they are and never followed. Nothing is written outside dir.
func (f *File) WriteContext(dir string, project fs.FS) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the build context: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, name := range slices.Sorted(maps.Keys(f.Context)) {
		if err := writeSource(root, name, f.Context[name], project); err != nil {
			return fmt.Errorf("writing %q into the build context: %w", name, err)
		}
	}
	return nil
}

// writeSource writes src as name.
func writeSource(root *os.Root, name string, src plan.Source, project fs.FS) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	sum := plan.NewSum()
	var folders []string
	err := src.Walk(project, func(e plan.Entry) error {
		sum.Add(e)
		if e.Mode.IsDir() {
			folders = append(folders, path.Join(name, e.Path))
		}
		return writeEntry(root, path.Join(name, e.Path), e, sum)
	})
	if err != nil {
		return err
	}
	// Writing into a folder dates it, so they come when all is written.
	for _, folder := range folders {
		if err := root.Chtimes(folder, epoch, epoch); err != nil {
			return err
		}
	}
	if sum.Digest() != src.Digest {
		return fmt.Errorf("%q has changed since it was planned", src.Path)
	}
	return nil
}

// writeEntry writes e as name, and its content to sum too.
func writeEntry(root *os.Root, name string, e plan.Entry, sum io.Writer) error {
	switch e.Mode.Type() {
	case fs.ModeDir:
		if err := root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case fs.ModeSymlink:
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(e.Target, name)
	default:
		if err := writeFile(root, name, e, sum); err != nil {
			return err
		}
	}
	// The umask has had its say.
	if err := root.Chmod(name, e.Mode); err != nil {
		return err
	}
	return root.Chtimes(name, epoch, epoch)
}

// writeFile copies the content of e to name, and to sum.
func writeFile(root *os.Root, name string, e plan.Entry, sum io.Writer) (err error) {
	in, err := e.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	// A file that is there may be one that its mode forbids to write.
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(io.MultiWriter(out, sum), in)
	return err
}
