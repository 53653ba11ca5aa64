// Package journal → keeps what a publish has done so far, in a file, so that one
// that was cut off can be continued.
//
// The file is evidence of what was done, never of what stands: whoever resumes
// asks the store and the registry whether it is still so.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

const (
	// Name is that of the file in the output folder.
	Name = "journal.json"
	// version is of the format. A journal of another one is not resumed.
	version = 1
	// longest bounds what is read, in bytes; a journal has a few thousand.
	longest = 1 << 20
)

// Journal is what one publish has done.
type Journal struct {
	Version int `json:"version"`
	// Build is what was built, nil before that.
	Build *Build `json:"build,omitempty"`
	// Passed are the stages that the image passed, in order.
	Passed []Stage `json:"passed"`
	// Targets has one entry for each target that was begun.
	Targets []Target `json:"targets"`
}

// Build is an image, and what it was made from.
type Build struct {
	// Recipe is the digest of the recipe with all that it includes, and
	// Containerfile that of the text that was rendered from it, which names
	// everything that affects the image, and nothing of where it goes.
	Recipe        digest.Digest `json:"recipe,omitempty"`
	Containerfile digest.Digest `json:"containerfile"`
	Base          Base          `json:"base"`
	// Image is where the built image is, as a containers-transports(5) reference.
	Image string `json:"image"`
	// Began and Ended are when it was built.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Facts are what tags are named by, so that they are the same whenever a
	// tag is written.
	Facts Facts `json:"facts"`
}

// Base is what the base image was when it was asked for.
type Base struct {
	// Image is the reference in the recipe.
	Image        string      `json:"image"`
	Digest       string      `json:"digest,omitempty"`
	ID           string      `json:"id,omitempty"`
	Architecture string      `json:"architecture,omitempty"`
	Distro       plan.Distro `json:"distro"`
}

// Facts are those of a build.
type Facts struct {
	Time time.Time `json:"time"`
	// Epoch is SOURCE_DATE_EPOCH, zero where it was not set.
	Epoch     time.Time `json:"epoch,omitzero"`
	Git       string    `json:"git,omitempty"`
	GitBranch string    `json:"gitBranch,omitempty"`
}

// Stage is one that the image passed.
type Stage struct {
	Name string `json:"name"`
	// Words is the digest of what the stage was told. Where that is something else
	// now, it has to be passed again.
	Words digest.Digest `json:"words"`
	// Files are the digests of what it left in the output folder, by name.
	Files map[string]digest.Digest `json:"files,omitempty"`
}

// Target is how far one target got.
type Target struct {
	// To is the target as the recipe has it.
	To string `json:"to"`
	// Digest is what was pushed there, "" before that.
	Digest   digest.Digest `json:"digest,omitempty"`
	Signed   bool          `json:"signed,omitempty"`
	Attested bool          `json:"attested,omitempty"`
	Verified bool          `json:"verified,omitempty"`
	// Tags are those that were written.
	Tags []string `json:"tags,omitempty"`
}

// New returns an empty journal.
func New() *Journal { return &Journal{Version: version, Passed: []Stage{}, Targets: []Target{}} }

// Find returns what the journal has of a stage, the zero Stage for one that was
// not passed.
func (j *Journal) Find(stage string) Stage {
	if i := j.stage(stage); i >= 0 {
		return j.Passed[i]
	}
	return Stage{}
}

func (j *Journal) stage(name string) int {
	return slices.IndexFunc(j.Passed, func(s Stage) bool { return s.Name == name })
}

// Pass notes that the image passed a stage.
func (j *Journal) Pass(s Stage) {
	if i := j.stage(s.Name); i >= 0 {
		j.Passed = slices.Delete(j.Passed, i, i+1)
	}
	j.Passed = append(j.Passed, s)
}

// Target returns the entry of a target, which it makes where there is none. It
// stays the journal's, and is good until the next one is made.
func (j *Journal) Target(to string) *Target {
	for i := range j.Targets {
		if j.Targets[i].To == to {
			return &j.Targets[i]
		}
	}
	j.Targets = append(j.Targets, Target{To: to})
	return &j.Targets[len(j.Targets)-1]
}

// Decode reads a journal. What it returns is well formed: no digest in it is
// anything else.
func Decode(text []byte) (*Journal, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	if head.Version != version {
		return nil, fmt.Errorf("it is of version %d, and this program writes and reads %d", head.Version, version)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	j := New()
	if err := d.Decode(j); err != nil {
		return nil, err
	}
	if j.Passed == nil || j.Targets == nil {
		return nil, errors.New("a list is missing")
	}
	return j, j.validate()
}

func (j *Journal) validate() error {
	var all []digest.Digest
	if b := j.Build; b != nil {
		if b.Image == "" {
			return errors.New("it does not say where the image is")
		}
		if err := b.Containerfile.Validate(); err != nil {
			return fmt.Errorf("the digest of the Containerfile: %w", err)
		}
		all = append(all, b.Recipe)
	}
	for _, s := range j.Passed {
		if j.Build == nil {
			return fmt.Errorf("stage %q was passed by no image", s.Name)
		}
		all = append(all, s.Words)
		for name, d := range s.Files {
			if !filepath.IsLocal(name) {
				return fmt.Errorf("stage %q left %q, which is not in the folder", s.Name, name)
			}
			all = append(all, d)
		}
	}
	for _, t := range j.Targets {
		all = append(all, t.Digest)
	}
	for _, d := range all {
		if err := d.Validate(); d != "" && err != nil {
			return fmt.Errorf("%q: %w", d, err)
		}
	}
	return nil
}

// Encode returns the journal's text.
func (j *Journal) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the journal: %w", err)
	}
	return append(text, '\n'), nil
}

// Read reads the journal of an output folder. Where there is none the error
// wraps [os.ErrNotExist].
func Read(dir string) (*Journal, error) {
	path := filepath.Join(dir, Name)
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading journal %q: %w", path, errors.Unwrap(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err == nil && len(text) > longest {
		err = errors.New("it is too long")
	}
	var j *Journal
	if err == nil {
		j, err = Decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading journal %q: %w", path, err)
	}
	return j, nil
}

// Write replaces the journal of an output folder in one step, and returns when
// it would be found after a power cut.
func (j *Journal) Write(dir string) (err error) {
	path := filepath.Join(dir, Name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing journal %q: %w", path, err)
		}
	}()
	text, err := j.Encode()
	if err != nil {
		return err
	}
	// The name is one that a later run knows for the rest of a killed one.
	temp, err := os.CreateTemp(dir, "."+Name+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
