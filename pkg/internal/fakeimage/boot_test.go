package fakeimage_test

import (
	"io"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func TestInitramfsNames(t *testing.T) {
	t.Parallel()
	r := cpio.NewReader(strings.NewReader(fake.Initramfs(fake.Files{
		"/etc/deep/abs": fake.Text("1"), "/top": fake.Text("2"), "usr/rel": fake.Text("3"), "../up": fake.Text("4"),
	})))
	got := map[string]string{}
	for {
		hdr, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[hdr.Name] = string(content)
	}
	want := map[string]string{"..": "", "../up": "4", "/etc": "", "/etc/deep": "", "/etc/deep/abs": "1", "/top": "2", "usr": "", "usr/rel": "3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
