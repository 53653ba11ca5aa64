package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOSRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"NAME=\"CentOS Stream\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\n": {"NAME": "CentOS Stream", "ID": "centos", "ID_LIKE": "rhel fedora"},
		"ID=debian\nVERSION_ID='12'\r\n":                                   {"ID": "debian", "VERSION_ID": "12"},
		"# ID=no\n\nID=arch\nBROKEN":                                       {"ID": "arch"},
		"PRETTY_NAME=\"A \\\"quoted\\\" \\$name\"\nNAME='it is $5'\n":      {"PRETTY_NAME": `A "quoted" $name`, "NAME": "it is $5"},
		"": {},
	} {
		if diff := cmp.Diff(want, parseOSRelease(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzParseOSRelease(f *testing.F) {
	f.Add("ID=\"x\"\nVERSION_ID='1'\nID_LIKE=\"a b\"\n")
	f.Add("ID=\"")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range parseOSRelease(text) {
			if strings.Contains(name+value, "\n") {
				t.Errorf("a value goes over a line: %q", name+value)
			}
		}
	})
}
