package registry_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// memory remembers uploads for the next process.
type memory struct {
	mu sync.Mutex
	at map[string]string
	// frozen is what is there when a process is killed: nothing more is written.
	frozen bool
	err    error
}

func (m *memory) Get(repository string, blob digest.Digest) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at[repository+"@"+blob.String()]
}

func (m *memory) Set(repository string, blob digest.Digest, location string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.frozen || m.err != nil:
		return m.err
	case location == "":
		delete(m.at, repository+"@"+blob.String())
	default:
		if m.at == nil {
			m.at = map[string]string{}
		}
		m.at[repository+"@"+blob.String()] = location
	}
	return nil
}

// TestKilledUploadsAreTakenUp ends a push while its four layers are half sent, and
// has another one, which knows no more than what was remembered, send the rest.
func TestKilledUploadsAreTakenUp(t *testing.T) {
	t.Parallel()
	const cut = 100_000
	for name, c := range map[string]struct {
		is testregistry.Options
		// change is what became of the memory meanwhile.
		change func(m *memory)
		// least and most are how many bytes are sent once more.
		least, most int64
	}{
		"kept":           {testregistry.Options{Auth: testregistry.Token}, func(*memory) {}, 0, 0},
		"lost":           {testregistry.Options{Forgetful: true}, func(*memory) {}, 4 * cut, 4 * cut},
		"not remembered": {testregistry.Options{}, func(m *memory) { clear(m.at) }, 4 * cut, 4 * cut},
		"nonsense": {testregistry.Options{}, func(m *memory) {
			for k := range maps.Keys(m.at) {
				m.at[k] = ":// /"
			}
		}, 4 * cut, 4 * cut},
		// A refused chunk may be on its way before it is refused.
		"not taken up": {testregistry.Options{Whole: true}, func(*memory) {}, 4 * cut, 8 * 400_000},
		// The registry notices by the digest, and both are sent anew.
		"of another blob": {testregistry.Options{}, func(m *memory) {
			keys := slices.Sorted(maps.Keys(m.at))
			m.at[keys[0]], m.at[keys[1]] = m.at[keys[1]], m.at[keys[0]]
		}, 2 * 390_000, 2 * 410_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, c.is)
			img := testregistry.NewZstdImage(t, 1, 4, 400_000)
			o, m := options(t, r), &memory{}
			o.Uploads = m
			ctx, kill := context.WithCancel(t.Context())
			var hit, over sync.WaitGroup
			hit.Add(4)
			over.Add(4)
			r.Fail(t, testregistry.Fault{Method: "PATCH", Over: cut, Read: cut, Times: 4, Cut: testregistry.Closed, Then: func() {
				defer over.Done()
				hit.Done()
				hit.Wait()
				m.mu.Lock()
				m.frozen = true
				m.mu.Unlock()
				kill()
			}})
			if _, err := registry.Push(ctx, img, r.Host+"/me/os", o); err == nil {
				t.Fatal("it was not ended")
			}
			if len(m.at) < 4 {
				t.Fatalf("%d uploads are remembered: %v", len(m.at), m.at)
			}
			over.Wait()
			r.Mend()
			m.frozen = false
			c.change(m)
			if _, err := registry.Push(t.Context(), img, r.Host+"/me/os", o); err != nil {
				t.Fatal(err)
			}
			again := r.Sent("PATCH", "/blobs/uploads/") - sentWhole(t, img)
			if again < c.least || again > c.most {
				t.Errorf("%d bytes were sent again, want %d to %d", again, c.least, c.most)
			}
			if len(m.at) != 0 {
				t.Errorf("still remembered: %v", m.at)
			}
		})
	}
}

// TestUploadsThatCannotBeRemembered is no reason to fail.
func TestUploadsThatCannotBeRemembered(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	o.Uploads = &memory{err: errors.New("the disk is full")}
	if _, err := registry.Push(t.Context(), testregistry.NewZstdImage(t, 1, 2, 1_000), r.Host+"/me/os", o); err != nil {
		t.Error(err)
	}
	if left := r.OpenUploads(); len(left) > 0 {
		t.Errorf("left open: %s", strings.Join(left, " "))
	}
}
