package repofile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/repofile"
)

func TestEntries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, text string
		want       []repofile.Entry
	}{
		"lines": {"a.list", "# deb https://no.example x y\n\ndeb\t[ Arch=amd64,arm64 signed-by=/a#b.asc trusted ] https://a.example/x stable main extra # own\ndeb-src https://b.example ./\ndeb [broken https://c.example y\ndeb https://d.example\n", []repofile.Entry{
			{Line: 3, Types: []string{"deb"}, URIs: []string{"https://a.example/x"}, Suites: []string{"stable"}, Components: []string{"main", "extra"}, Options: []repofile.Option{
				{Name: "arch", Value: "amd64,arm64", Line: 3}, {Name: "signed-by", Value: "/a#b.asc", Line: 3}, {Name: "trusted", Line: 3},
			}},
			{Line: 4, Types: []string{"deb-src"}, URIs: []string{"https://b.example"}, Suites: []string{"./"}, Components: []string{}},
		}},
		// apt 2.6 takes the line of spaces for none that ends the stanza.
		"stanzas": {"/x/a.sources", "# head\n\nTypes: deb DEB-SRC\nuris : https://a.example\n  https://b.example\n# between\nSuites: x\n  \nSigned-By:\n -----BEGIN\n .\n\nTypes: deb\r\nURIs: https://c.example\r\n", []repofile.Entry{
			{Line: 3, Types: []string{"deb", "deb-src"}, URIs: []string{"https://a.example", "https://b.example"}, Suites: []string{"x"}, Options: []repofile.Option{
				{Name: "signed-by", Value: "-----BEGIN\n.", Line: 9},
			}},
			{Line: 13, Types: []string{"deb"}, URIs: []string{"https://c.example"}},
		}},
		"nothing": {"a.sources", "# deb https://no.example x y\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, repofile.Entries(test.file, []byte(test.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnchecked has what apt takes for a yes, and what nobody can be sure of.
func TestUnchecked(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{
		"yes": 1, "true": 1, "1": 1, "on": 1, "with": 1, "enable": 1, "Yes": 1, "": 1, "2": 1, "\"no\"": 1,
		"no": 0, "false": 0, "0": 0, "off": 0, "without": 0, "disable": 0, "No": 0,
	} {
		for _, name := range []string{"Trusted", "Allow-Insecure", "allow-weak", "Allow-Downgrade-To-Insecure"} {
			for file, text := range map[string]string{
				"a.sources": "Types: deb\nURIs: x\n" + name + ":" + value + "\n",
				"b.sources": "Types: deb\nURIs: x\n" + name + " :\n\t" + value + "\nSuites: x\n",
				"c.sources": name + ": " + value + "\n" + name + ": no\n",
				"a.list":    "deb [" + strings.ToLower(name) + "=" + value + "] x y\n",
				"b.list":    "\tdeb-src\t[ a=b  " + name + "=" + value + " ]x y # z\n",
			} {
				if got := repofile.Unchecked(repofile.Entries(file, []byte(text))); len(got) != want {
					t.Errorf("%s: %q: got %+v", file, text, got)
				}
			}
		}
	}
	if got := repofile.Unchecked(repofile.Entries("a.list", []byte("deb [signed-by=trusted=yes] x y # [trusted=yes]\n"))); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	if got, want := repofile.FileName("copr:a/b c-1.0_한"), "copr_a_b_c-1.0__"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzEntries(f *testing.F) {
	f.Add("deb [signed-by=a trusted=yes] http://u:p@x/y?z a b\nTypes: deb\nURIs: x\n y\n\n \n:\n")
	f.Add("Types: deb\nTrusted:\n# x\n yes\n  \nURIs: x\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []string{"a.list", "a.sources"} {
			last, end := 0, strings.Count(text, "\n")+1
			for _, e := range repofile.Entries(file, []byte(text)) {
				if e.Line <= last || e.Line > end {
					t.Errorf("an entry in line %d after %d, of %d", e.Line, last, end)
				}
				last = e.Line
				for _, o := range e.Options {
					if o.Line < e.Line || o.Line > end || o.Name != strings.ToLower(o.Name) {
						t.Errorf("option %+v of line %d", o, e.Line)
					}
				}
				for _, uri := range e.URIs {
					if len(strings.Fields(uri)) != 1 {
						t.Errorf("address %q", uri)
					}
				}
			}
		}
	})
}
