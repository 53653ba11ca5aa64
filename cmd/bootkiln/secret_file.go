package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// errNoCertificate says that a folder is no secret.
var errNoCertificate = errors.New("the folder has no file *.pem, as those of certificates are called")

// readSecret reads a secret. A folder, as that of a subscription's
// certificates, becomes a tar archive of the *.pem files in it, which is the
// same for the same files. The error is an [fs.PathError].
func readSecret(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(name)
	}
	entries, err := os.ReadDir(name) // sorted
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pem" {
			continue
		}
		file := filepath.Join(name, e.Name())
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		header := &tar.Header{Name: e.Name(), Mode: 0o600, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, &fs.PathError{Op: "archive", Path: file, Err: err}
		}
		if _, err := w.Write(content); err != nil {
			return nil, &fs.PathError{Op: "archive", Path: file, Err: err}
		}
	}
	if archive.Len() == 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNoCertificate}
	}
	if err := w.Close(); err != nil {
		return nil, &fs.PathError{Op: "archive", Path: name, Err: err}
	}
	return archive.Bytes(), nil
}
