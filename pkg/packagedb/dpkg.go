package packagedb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// dpkgStatus are the places of dpkg's database: its own, and the one that
// bootable images use so that it is part of the image and not of /var.
var dpkgStatus = []string{"var/lib/dpkg/status", "usr/lib/sysimage/dpkg/status"}

func dpkgPackages(_ context.Context, root fs.FS) ([]Package, error) {
	f, name, err := first(root, dpkgStatus...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := ReadDpkgStatus(f)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return list, nil
}

// dpkgOwners reads the lists beside the status: info/NAME.list, or
// info/NAME:ARCHITECTURE.list for packages that can be there for several.
func dpkgOwners(ctx context.Context, root fs.FS) ([]Owner, error) {
	f, name, err := first(root, dpkgStatus...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	packages, err := ReadDpkgStatus(f)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	owners := make([]Owner, len(packages))
	for i, p := range packages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		owners[i].Package = p
		if owners[i].Files, err = dpkgFiles(root, path.Join(path.Dir(name), "info"), p); err != nil {
			return nil, err
		}
	}
	return owners, nil
}

func dpkgFiles(root fs.FS, info string, p Package) ([]string, error) {
	var f fs.File
	var err error
	var name string
	for _, stem := range []string{p.Name + ":" + p.Arch, p.Name} {
		name = path.Join(info, stem+".list")
		if f, err = root.Open(name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a package without files may have no list
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var files []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file := strings.TrimPrefix(path.Clean(lines.Text()), "/")
		if file == "" {
			file = "." // written "/."
		}
		files = append(files, file)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return files, nil
}

// maxLine is far above the longest line that packages have (a Depends field
// of some thousand packages).
const maxLine = 4 << 20

// ReadDpkgStatus reads the status file of dpkg (its format is that of
// deb-control(5)), and returns the packages that are installed, in the order
// of the file. Half-installed and removed ones are none. Errors name the line.
func ReadDpkgStatus(r io.Reader) ([]Package, error) {
	var list []Package
	err := dpkgEntries(r, func(stanza map[string]string) error {
		p, installed, err := dpkgPackage(stanza)
		if installed {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// dpkgEntries calls each for every entry of a status file, by the lower-case
// names of its fields. The map is used again.
func dpkgEntries(r io.Reader, each func(stanza map[string]string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	stanza := map[string]string{}
	number, begin := 0, 0
	end := func() error {
		if len(stanza) == 0 {
			return nil
		}
		if err := each(stanza); err != nil {
			return fmt.Errorf("entry at line %d: %w", begin, err)
		}
		clear(stanza)
		return nil
	}
	for lines.Scan() {
		number++
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			if err := end(); err != nil {
				return err
			}
		case line[0] == ' ' || line[0] == '\t':
			// The rest of a field; none of those that count goes over lines.
			if len(stanza) == 0 {
				return fmt.Errorf("line %d: continues no field", number)
			}
		default:
			key, value, ok := strings.Cut(line, ":")
			if !ok {
				return fmt.Errorf("line %d: no field", number)
			}
			if len(stanza) == 0 {
				begin = number
			}
			key = strings.ToLower(key)
			if _, ok := stanza[key]; ok {
				return fmt.Errorf("line %d: field %q is there twice", number, key)
			}
			stanza[key] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return end()
}

func dpkgPackage(stanza map[string]string) (p Package, installed bool, err error) {
	// "want flag status"; see dpkg-query(1).
	status := strings.Fields(stanza["status"])
	if len(status) != 3 {
		return p, false, fmt.Errorf("status %q is not three words", stanza["status"])
	}
	if status[2] != "installed" && !strings.HasPrefix(status[2], "triggers-") {
		return p, false, nil
	}
	p = Package{
		Name: stanza["package"], Version: stanza["version"], Arch: stanza["architecture"],
		Source: stanza["package"], Format: "dpkg",
	}
	if p.Name == "" || p.Version == "" {
		return p, false, errors.New("no name or version")
	}
	// "Source: name (version)", where the version is another one.
	if source := strings.Fields(stanza["source"]); len(source) > 0 {
		p.Source = source[0]
	}
	return p, true, nil
}
