package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadSecret(t *testing.T) {
	t.Parallel()
	folderWith := func(files ...string) string {
		dir := t.TempDir()
		for _, name := range files {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.WriteFile(path, []byte("content of "+name), 0o600), os.Chtimes(path, time.Time{}, time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	dir := folderWith("2-key.pem", "1.pem", "readme.txt")
	if err := os.Symlink("1.pem", filepath.Join(dir, "3.pem")); err != nil {
		t.Fatal(err)
	}

	file, err := readSecret(filepath.Join(dir, "readme.txt"))
	if err != nil || string(file) != "content of readme.txt" {
		t.Errorf("file: got %q, %v", file, err)
	}

	folder, err := readSecret(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(bytes.NewReader(folder)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		content, readErr := io.ReadAll(r)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name+": "+string(content))
	}
	want := []string{"-rw------- 1.pem: content of 1.pem", "-rw------- 2-key.pem: content of 2-key.pem", "-rw------- 3.pem: content of 1.pem"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again, err := readSecret(dir); err != nil || !bytes.Equal(again, folder) {
		t.Errorf("the archive differs from the one before: %v", err)
	}

	if _, err := readSecret(folderWith("readme.txt")); !errors.Is(err, errNoCertificate) {
		t.Errorf("a folder without certificates: got %v", err)
	}
	if _, err := readSecret(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
