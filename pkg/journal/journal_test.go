package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

func full() *Journal {
	j := New()
	when := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	j.Build = &Build{
		Recipe: digest.FromString("recipe"), Containerfile: digest.FromString("text"), Image: "containers-storage:localhost/kiln",
		Base:  Base{Image: "quay.io/a/b:c", Digest: "sha256:12", Distro: plan.Distro{ID: "debian", Version: "12"}},
		Began: when, Ended: when.Add(time.Minute), Facts: Facts{Time: when, Git: "0123"},
	}
	j.Pass(Stage{Name: "check", Words: digest.FromString("words"), Files: map[string]digest.Digest{"check.json": digest.FromString("report")}})
	j.Target("registry.lan/a").Digest = digest.FromString("manifest")
	j.Target("registry.lan/a").Tags = []string{"latest"}
	return j
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal that is not there: %v", err)
	}
	for _, want := range []*Journal{New(), full()} {
		if err := want.Write(dir); err != nil {
			t.Fatal(err)
		}
		got, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestPassedAgain(t *testing.T) {
	t.Parallel()
	j := New()
	for _, name := range []string{"check", "boot", "chunk", "boot"} {
		j.Pass(Stage{Name: name})
	}
	if len(j.Passed) != 3 || j.Passed[2].Name != "boot" || j.Find("check").Name == "" || j.Find("build").Name != "" {
		t.Errorf("passed %v", j.Passed)
	}
}

func TestBadJournals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, says := range map[string]string{
		``:              "unexpected end",
		`{"version":2}`: "version 2",
		`{"version":1,"passed":null,"targets":[]}`:                                           "a list is missing",
		`{"version":1,"passed":[],"targets":[],"more":1}`:                                    "unknown field",
		`{"version":1,"passed":[{"name":"check","words":""}],"targets":[]}`:                  "by no image",
		`{"version":1,"passed":[],"targets":[{"to":"a","digest":"sha256:12"}]}`:              "invalid checksum digest length",
		`{"version":1,"passed":[],"targets":[],"build":{"image":"x","containerfile":"sha"}}`: "digest of the Containerfile",
		`{"version":1,"passed":[{"name":"a","words":"","files":{"../x":""}}],"targets":[],"build":{"image":"x","containerfile":"` + digest.FromString("").String() + `"}}`: "not in the folder",
		strings.Repeat(" ", longest+1): "too long",
	} {
		if err := os.WriteFile(filepath.Join(dir, Name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), Name) {
			t.Errorf("%.60q: want %q, got %v", text, says, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	text, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"passed":[],"targets":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := Decode(text)
		if err != nil {
			return
		}
		// What was read is written, and read again, as the same.
		out, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(j, again); diff != "" {
			t.Error(diff)
		}
	})
}
