package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	digest "github.com/opencontainers/go-digest"
)

// UploadsName is that of a file in the output folder, which is there while blobs
// are under way.
const UploadsName = "uploads.json"

// Uploads remembers the addresses at which uploads go on, so that a run which
// comes after a killed one sends the rest of each blob and not the whole. It is
// apart from the journal, and for its owner alone to read, because whoever has
// such an address may be able to write to the upload. Its methods may be called at
// the same time.
type Uploads struct {
	dir string

	mu sync.Mutex
	// at is by repository, and then by blob.
	at map[string]map[digest.Digest]string
}

// OpenUploads reads what an earlier run left in an output folder. What cannot be
// read is as good as nothing: those blobs are sent once more.
func OpenUploads(dir string) *Uploads {
	u := &Uploads{dir: dir}
	if file, err := os.Open(filepath.Join(dir, UploadsName)); err == nil {
		defer file.Close()
		if json.NewDecoder(io.LimitReader(file, longest)).Decode(&u.at) != nil {
			u.at = nil
		}
	}
	return u
}

// Get returns where the upload of a blob to a repository goes on, "" for none.
func (u *Uploads) Get(repository string, blob digest.Digest) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.at[repository][blob]
}

// Set replaces what [Uploads.Get] returns, "" for nothing, and the file, which
// goes when nothing is left. The file is there after a kill; what a power cut takes
// of it costs bytes and no more, so that nothing waits for the disk.
func (u *Uploads) Set(repository string, blob digest.Digest, location string) (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	path := filepath.Join(u.dir, UploadsName)
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", path, err)
		}
	}()
	switch {
	case location == "":
		delete(u.at[repository], blob)
		if len(u.at[repository]) == 0 {
			delete(u.at, repository)
		}
	default:
		if u.at == nil {
			u.at = map[string]map[digest.Digest]string{}
		}
		if u.at[repository] == nil {
			u.at[repository] = map[digest.Digest]string{}
		}
		u.at[repository][blob] = location
	}
	if len(u.at) == 0 {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(u.at)
	if err != nil {
		return err
	}
	// The name is one that a later run knows for the rest of a killed one. No mode is
	// set: that of a temporary file is for its owner alone.
	temp, err := os.CreateTemp(u.dir, "."+UploadsName+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
