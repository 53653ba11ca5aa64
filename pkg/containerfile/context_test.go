package containerfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
)

func TestWriteContext(t *testing.T) {
	t.Parallel()
	_, f, project := render(t, "debian-desktop")
	dir := t.TempDir()
	// A second time, over the first: what cannot be written to is replaced.
	for range 2 {
		if err := f.WriteContext(dir, project); err != nil {
			t.Fatal(err)
		}
	}

	got := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		parts[1] = "DIGEST"
		got[strings.Join(parts, "/")] = info.Mode().String()
		if d.Type().IsRegular() && info.ModTime().Unix() != 0 {
			t.Errorf("%s is dated %s", rel, info.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"files/DIGEST/a_b.conf/a b.conf":    "-rw-------",
		"files/DIGEST/etc/skel/.bashrc":     "-rw-r--r--",
		"files/DIGEST/etc/skel/.profile":    "Lrwxrwxrwx",
		"files/DIGEST/motd/motd":            "-rw-r--r--",
		"files/DIGEST/tool/tool":            "urwxr-xr-x",
		"kernel/DIGEST/50-bootkiln.toml":    "-rw-r--r--",
		"kernel/DIGEST/51-bootkiln.toml":    "-rw-r--r--",
		"kernel/DIGEST/52-bootkiln.toml":    "-rw-r--r--",
		"kernel/DIGEST/53-bootkiln.toml":    "-rw-r--r--",
		"run/DIGEST/plain":                  "-rwxr-xr-x",
		"run/DIGEST/shell.sh":               "-rwxr-xr-x",
		"run/DIGEST/theme.sh":               "-rwxr-xr-x",
		"scripts/DIGEST/apt.conf":           "-rw-r--r--",
		"scripts/DIGEST/cleanup.sh":         "-rw-r--r--",
		"scripts/DIGEST/copy-folder.sh":     "-rw-r--r--",
		"scripts/DIGEST/initramfs.sh":       "-rw-r--r--",
		"scripts/DIGEST/locale.sh":          "-rw-r--r--",
		"scripts/DIGEST/offline.sh":         "-rw-r--r--",
		"scripts/DIGEST/optional-apt.sh":    "-rw-r--r--",
		"scripts/DIGEST/problem.sh":         "-rw-r--r--",
		"scripts/DIGEST/remove-apt.sh":      "-rw-r--r--",
		"scripts/DIGEST/secret-env.sh":      "-rw-r--r--",
		"scripts/DIGEST/units.sh":           "-rw-r--r--",
		"systemd/DIGEST/10-bootkiln.preset": "-rw-r--r--",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	var shell []byte
	for name := range f.Context {
		if strings.HasSuffix(name, "shell.sh") {
			if shell, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff("cat <<EOF >> /etc/motd\nRUN echo injected\nEOF\n", string(shell)); diff != "" {
		t.Errorf("run[].shell (-want +got):\n%s", diff)
	}
}

// TestContextHasAll looks for every path that the text takes from the context.
func TestContextHasAll(t *testing.T) {
	t.Parallel()
	for name := range distros {
		p, f, project := render(t, name)
		dir := t.TempDir()
		if err := f.WriteContext(dir, project); err != nil {
			t.Fatal(err)
		}
		var sources []string
		for _, s := range p.Steps {
			for _, i := range s.Instructions {
				if i.Copy != nil {
					sources = append(sources, i.Copy.Sources...)
				}
				if i.Run != nil {
					for _, m := range i.Run.Mounts {
						if m.Source != "" && m.From == "" {
							sources = append(sources, m.Source)
						}
					}
				}
			}
		}
		for _, source := range sources {
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestWriteContextNoticesChanges(t *testing.T) {
	t.Parallel()
	_, f, project := render(t, "centos-kde")
	changed := fstest.MapFS{}
	for _, name := range []string{"files/kwinrc", "scripts/desktop.sh"} {
		text, err := fs.ReadFile(project, name)
		if err != nil {
			t.Fatal(err)
		}
		changed[name] = &fstest.MapFile{Data: text, Mode: 0o644}
	}
	if err := f.WriteContext(t.TempDir(), changed); err != nil {
		t.Fatal(err)
	}
	changed["scripts/desktop.sh"].Data = []byte("#!/bin/sh\nrm -rf /\n")
	if err := f.WriteContext(t.TempDir(), changed); err == nil || !strings.Contains(err.Error(), `"scripts/desktop.sh" has changed`) {
		t.Errorf("changed: got %v", err)
	}
	delete(changed, "scripts/desktop.sh")
	if err := f.WriteContext(t.TempDir(), changed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("deleted: got %v", err)
	}
}

// TestWriteContextStaysInside lays a context out where a link waits.
func TestWriteContextStaysInside(t *testing.T) {
	t.Parallel()
	_, f, project := render(t, "centos-kde")
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "files")); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteContext(dir, project); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
	if err := (&containerfile.File{}).WriteContext(filepath.Join(dir, "nowhere"), project); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
}
