package check

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/image"
)

func checkEtcUsretc(_ context.Context, t *Target) ([]Finding, error) {
	for _, name := range []string{"etc", "usr/etc"} {
		fi, err := t.lstat(name)
		if err != nil || fi == nil {
			return nil, err
		}
	}
	return found("usr/etc", "both /etc and /usr/etc are in the image"), nil
}

// apiDirectories are where the kernel's file systems, and those of systemd, are
// mounted on.
var apiDirectories = []string{"dev", "proc", "run", "sys", "tmp", "var"}

func checkAPIDirectories(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, name := range apiDirectories {
		fi, err := t.lstat(name)
		switch {
		case err != nil:
			return nil, err
		case fi == nil:
			out = append(out, finding(name, "it is missing"))
		case !fi.IsDir():
			out = append(out, finding(name, "it is a %s instead of a directory", describeType(fi.Mode())))
		}
	}
	return out, nil
}

func checkVarRun(_ context.Context, t *Target) ([]Finding, error) {
	fi, err := t.lstat("var/run")
	if err != nil || fi == nil || fi.Mode().Type() == fs.ModeSymlink {
		return nil, err
	}
	return found("var/run", "it is a %s instead of a symbolic link to ../run", describeType(fi.Mode())), nil
}

func checkOSTreeLayout(_ context.Context, t *Target) ([]Finding, error) {
	out, err := t.ostreeLayout("")
	if err != nil {
		return nil, err
	}
	if example, err := t.lstat(baseimageRef); err != nil || example == nil {
		return out, err
	}
	more, err := t.ostreeLayout(baseimageRef)
	return append(out, more...), err
}

// ostreeLayout looks at the layout below a folder of the image.
func (t *Target) ostreeLayout(dir string) ([]Finding, error) {
	var out []Finding
	name := path.Join(dir, "sysroot")
	sysroot, err := t.lstat(name)
	switch {
	case err != nil:
		return nil, err
	case sysroot == nil:
		out = append(out, finding(name, "it is missing"))
	case !sysroot.IsDir():
		out = append(out, finding(name, "it is a %s instead of a directory", describeType(sysroot.Mode())))
	}
	const want = "sysroot/ostree"
	name = path.Join(dir, "ostree")
	link, err := t.lstat(name)
	switch {
	case err != nil:
		return nil, err
	case link == nil:
		out = append(out, finding(name, "it is missing"))
	case link.Mode().Type() != fs.ModeSymlink:
		out = append(out, finding(name, "it is a %s instead of a symbolic link", describeType(link.Mode())))
	default:
		target, err := t.Root.ReadLink(name)
		if err != nil {
			return nil, err
		}
		if target != want {
			out = append(out, finding(name, "it leads to %q instead of %q", target, want))
		}
	}
	return out, nil
}

func visitNames(t *Target, f File) ([]Finding, error) {
	// A folder with such a name is one finding, not one for all that is in it.
	if !utf8.ValidString(path.Base(f.Name)) {
		return found(f.Name, "the name is not UTF-8"), nil
	}
	if f.Info.Mode().Type() != fs.ModeSymlink {
		return nil, nil
	}
	target, err := t.Root.ReadLink(f.Name)
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(target) {
		return found(f.Name, "the target of the link is not UTF-8: %q", target), nil
	}
	return nil, nil
}

// emptied are the folders whose content bootc leaves out of a deployment
// (crates/ostree-ext/src/tar/write.rs).
var emptied = []string{"dev", "proc", "run", "sys", "tmp"}

func inEmptied(name string) bool {
	top, _, below := strings.Cut(name, "/")
	return below && slices.Contains(emptied, top)
}

func visitSpecial(_ *Target, f File) ([]Finding, error) {
	if inEmptied(f.Name) {
		return nil, nil
	}
	base := path.Base(f.Name)
	switch f.Info.Mode().Type() {
	case 0, fs.ModeDir, fs.ModeSymlink:
		for _, prefix := range []string{".wh.", ".ostree-wh."} {
			if removed, ok := strings.CutPrefix(base, prefix); ok {
				return found(f.Name, "a whiteout of a container inside the build: where the image is unpacked, it removes %q", removed), nil
			}
		}
		return nil, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		if st := image.StatOf(f.Info); st.DevMajor == 0 && st.DevMinor == 0 {
			return found(f.Name, "a whiteout of overlayfs, left by a container inside the build"), nil
		}
	}
	return found(f.Name, "it is a %s", describeType(f.Info.Mode())), nil
}

func visitLogs(_ *Target, f File) ([]Finding, error) {
	if strings.HasPrefix(f.Name, "var/log/") && f.Info.Mode().IsRegular() && f.Info.Size() > 0 {
		return found(f.Name, "a log of %d bytes", f.Info.Size()), nil
	}
	return nil, nil
}

func checkBoot(_ context.Context, t *Target) ([]Finding, error) {
	boot, err := t.lstat("boot")
	if err != nil {
		return nil, err
	}
	if boot == nil || !boot.IsDir() {
		return found("boot", "there is no such directory"), nil
	}
	entries, err := t.Root.ReadDir("boot")
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, e := range entries {
		if e.Name() != "EFI" {
			out = append(out, finding(path.Join("boot", e.Name()), "it will not be seen"))
		}
	}
	return out, nil
}

// stubResolv is what buildah puts into images built on a systemd-resolved
// host, together with the folders that it is in.
const stubResolv = "run/systemd/resolve/stub-resolv.conf"

func checkRunTmp(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, top := range []string{"run", "tmp"} {
		if fi, err := t.lstat(top); err != nil {
			return nil, err
		} else if fi == nil || !fi.IsDir() {
			continue // rule api-directories says so
		}
		leaves, err := leaves(t, top)
		if err != nil {
			return nil, err
		}
		for _, name := range leaves {
			out = append(out, finding(name, "it will not be there"))
		}
	}
	return out, nil
}

// leaves lists what is in a folder: its files, and the folders that hold
// nothing. The stub of buildah is not there.
func leaves(t *Target, dir string) ([]string, error) {
	entries, err := t.Root.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case name == stubResolv:
		case !e.IsDir():
			out = append(out, name)
		default:
			below, err := leaves(t, name)
			if err != nil {
				return nil, err
			}
			if len(below) == 0 && !strings.HasPrefix(stubResolv, name+"/") {
				below = []string{name}
			}
			out = append(out, below...)
		}
	}
	return out, nil
}

func checkInjected(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	for _, name := range []string{"etc/hostname", "etc/resolv.conf"} {
		fi, err := t.lstat(name)
		if err != nil {
			return nil, err
		}
		if fi != nil && fi.Mode().IsRegular() && fi.Size() == 0 {
			out = append(out, finding(name, "it is empty, as container engines leave it behind"))
		}
	}
	return out, nil
}
