package recipe

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/recipes"
)

func TestReferenceHasEveryRow(t *testing.T) {
	t.Parallel()
	sections := map[string]string{}
	for _, s := range strings.Split(string(Reference()), "\n## `")[1:] {
		key, text, _ := strings.Cut(s, "`\n")
		text, _, _ = strings.Cut(text, "\n## ")
		sections[key] = text
	}
	rows(language, "", func(path string, w wordSpec) {
		top, below, nested := strings.Cut(path, ".")
		text, ok := sections[top]
		if !ok {
			t.Errorf("there is no section for %s", top)
			return
		}
		for _, example := range w.examples {
			if !strings.Contains(text, example) {
				t.Errorf("%s: there is no example %s", path, example)
			}
		}
		if !strings.Contains(text, prose(w.doc)) {
			t.Errorf("%s: the documentation is not there", path)
		}
		key := strings.NewReplacer("[", "", "]", "").Replace(text)
		if nested && !strings.Contains(key, "\n| `"+below+"`"+needed(w)+" |") {
			t.Errorf("%s: there is no row for it", path)
		}
	})
	if len(sections) != len(language.words) {
		t.Errorf("there are %d sections for %d words", len(sections), len(language.words))
	}
}

// TestReferenceIsMarkdown looks for what a reader on the web would see broken.
func TestReferenceIsMarkdown(t *testing.T) {
	t.Parallel()
	text := string(Reference())
	if !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
		t.Error("the page does not end with one line end")
	}
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^#+ `?([^`\n]*)`?$").FindAllStringSubmatch(text, -1) {
		headings[strings.ToLower(m[1])] = true
	}
	columns, fenced := 0, false
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("line %d: %s", i+1, line)
		if line != strings.TrimRight(line, " \t") {
			t.Errorf("%s: ends in a blank", at)
		}
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if strings.Count(line, "`")%2 != 0 || strings.Contains(line, "``") {
			t.Errorf("%s: the backticks do not match", at)
		}
		for _, m := range regexp.MustCompile(`\(#([^)]*)\)`).FindAllStringSubmatch(line, -1) {
			if !headings[m[1]] {
				t.Errorf("%s: there is no heading %q", at, m[1])
			}
		}
		plain := regexp.MustCompile("`[^`]*`").ReplaceAllString(line, "")
		if strings.ContainsAny(plain, "${}~^\\") {
			t.Errorf("%s: has marks outside of code", at)
		}
		cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if !strings.HasPrefix(line, "|") {
			cells = 0
		}
		if columns != 0 && cells != 0 && cells != columns {
			t.Errorf("%s: has %d cells, its table %d", at, cells-1, columns-1)
		}
		columns = cells
	}
	if fenced {
		t.Error("a block of code has no end")
	}
}

func TestReferenceExample(t *testing.T) {
	t.Parallel()
	o := Options{Lookup: func(name string) (string, bool) { return strings.ToLower(name), true }}
	r, problems := Parse("example.yaml", []byte(exampleRecipe), o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, name := range r.Include {
		if _, err := fs.Stat(recipes.Bundles, name.Value+".yaml"); err != nil {
			t.Errorf("the example includes what there is not: %v", err)
		}
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Units to start at boot.", "Units to start at boot."},
		{"a name with its suffix, as in sshd.service", "a name with its suffix, as in `sshd.service`"},
		{"as in us or kr", "as in `us` or `kr`"},
		{"as in bookworm, or main", "as in `bookworm`, or `main`"},
		{"as in kde; or a file", "as in `kde`; or a file"},
		{"as in debian, centos-10 or el-10", "as in `debian`, `centos-10` or `el-10`"},
		{"as in \"a b\" there", "as in `a b` there"},
		{"as in \"0644\"", "as in `\"0644\"`"},
		{"the characters . _ + - : and, * ? for globs", "the characters `. _ + - :` and, `* ?` for globs"},
		{"letters and '_', as in a", "letters and `_`, as in `a`"},
		{"files, which begin with ./ or ../.", "files, which begin with `./` or `../`."},
		{"${NAME} is one, and $${ stands for ${.", "`${NAME}` is one, and `$${` stands for `${`."},
		{"by ID (centos-10); el is", "by ID (`centos-10`); el is"},
		{"a containers-policy.json(5) that", "a containers-policy.json(5) that"},
		{"any other is {copr: owner/project}, or {file: …}; so", "any other is `{copr: owner/project}`, or `{file: …}`; so"},
		{"a file, as in cosign.key, or env://NAME, or the URI of it", "a file, as in `cosign.key`, or `env://NAME`, or the URI of it"},
		{"", ""},
	} {
		if got := prose(c.text); got != c.want {
			t.Errorf("prose(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}
