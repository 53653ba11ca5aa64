package check

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func FuzzParseUnit(f *testing.F) {
	f.Add("[Unit]\nRequires=a.service \\\n# comment\n  b.service\n[Service]\nExecStart=-@/usr/bin/x y 'a b' %i%%\nExecStart=\n", "a-b@c.service")
	f.Add("\ufeff[X\n=\n\\\n\\", "@")
	f.Add("[Service]\nExecStart=\"\\x20\\s%", "...")
	f.Fuzz(func(t *testing.T, text, unit string) {
		settings := unitSettings(parseUnit(text))
		for _, s := range settings {
			if s.section == "" || strings.TrimSpace(s.key) != s.key || strings.Contains(s.value, "\n") {
				t.Errorf("setting %+v", s)
			}
			if p, ok := parseExec(s.value, unit); ok && p.name == "" {
				t.Errorf("%q runs a program without a name", s.value)
			}
			if values := settings.list(s.section, s.key); slices.Contains(values, "") {
				t.Errorf("%q is empty", s.key)
			}
		}
		for _, n := range dropInNames(unit) {
			if len(n) > len(unit) {
				t.Errorf("drop-ins of %q are those of %q", unit, n)
			}
		}
	})
}

func FuzzParseTmpfiles(f *testing.F) {
	f.Add("d /var/lib/x 0755 root root -\nL+ \"/var/a b\" - - - - ../x\nC! %S/x\n# d /no\nq /var/%m/y\n")
	f.Add("d ///../..\nf /var/[a\n+ /x\n'' /x\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := fake.New(t, goodConfig(), fake.Files{"opt": fake.Link("var/opt"), "home": fake.Link("/"), "root": fake.Link("../../x")}).Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		c := &coverage{exact: map[string]bool{}}
		for _, line := range parseTmpfiles(text) {
			c.addLine(root, line)
		}
		for name := range c.exact {
			// A folder of what is made is made.
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") || path.Dir(name) != "." && !c.exact[path.Dir(name)] {
				t.Errorf("%q is made", name)
			}
			if !c.covers(name) {
				t.Errorf("%q is made and not", name)
			}
		}
	})
}

func FuzzParseAccounts(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n+@nis::\n#\n:::\na:b:-1:\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range parseAccounts(text) {
			if a.name == "" || a.id < 0 || strings.ContainsAny(a.name, ":\n") {
				t.Errorf("account %+v", a)
			}
		}
		for _, name := range parseShadow(text) {
			if name == "" || strings.ContainsAny(name, ":\n") {
				t.Errorf("name %q", name)
			}
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(goodPolicy, attachments, published)
	f.Add(`{"default": [{"type": "sigstoreSigned", "keyPaths": [""]}], "transports": {"docker": {"": null}}}`, "a: &a [*a]\ndocker: {x: }\n", "host:5000")
	f.Add("{}", "default-docker: 1", "a..b//")
	f.Fuzz(func(t *testing.T, policy, stores, repository string) {
		if p, err := parsePolicy([]byte(policy)); err == nil {
			if _, list := p.of(repository); len(list) == 0 {
				t.Errorf("nothing holds for %q in %q", repository, policy)
			}
		}
		s := signatureStores{docker: map[string]signatureStore{}}
		if f, err := parseStores([]byte(stores)); err == nil && s.merge(f) == nil {
			s.attachments(repository)
		}
	})
}

func FuzzCapabilities(f *testing.F) {
	f.Add([]byte(netRaw))
	f.Fuzz(func(t *testing.T, value []byte) {
		if describeCapabilities(value) == "" {
			t.Error("nothing is said")
		}
	})
}

func TestScopesOf(t *testing.T) {
	t.Parallel()
	for repository, want := range map[string]string{
		"ghcr.io/me/kiln":       "ghcr.io/me/kiln ghcr.io/me ghcr.io *.io",
		"a.b.example:5000/kiln": "a.b.example:5000/kiln a.b.example:5000 *.b.example *.example",
		"localhost/kiln":        "localhost/kiln localhost",
	} {
		if got := strings.Join(scopesOf(repository), " "); got != want {
			t.Errorf("%q is looked up as %q, want %q", repository, got, want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                       nil,
		" a\tb ":                 {"a", "b"},
		`"a b" 'c "d' e"f g"h`:   {"a b", `c "d`, "ef gh"},
		`a\ b \"c "d\" e" f\sg`:  {"a b", `"c`, `d" e`, "f g"},
		`"never closed, 'either`: {"never closed, 'either"},
		`'' x\`:                  {"", "x\\"},
	} {
		if got := splitWords(in); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// Units that require each other in a long chain, and links in a circle, end.
func TestHostileUnits(t *testing.T) {
	t.Parallel()
	files := fake.Files{
		system + "default.target":                    fake.Text("[Unit]\nRequires=" + unitAt(0) + "\n"),
		"etc/systemd/system/multi-user.target.wants": fake.Link("multi-user.target.wants"),
		"etc/systemd/system/a.service":               fake.Link("b.service"),
		"etc/systemd/system/b.service":               fake.Link("a.service"),
		"opt":                                        fake.Link("opt"),
		"home":                                       fake.Link("home/home"),
		"usr/lib/tmpfiles.d/huge.conf":               {Mode: fs.ModeDir | 0o755},
		"usr/lib/tmpfiles.d/circle.conf":             fake.Link("circle.conf"),
	}
	const chain = 3000
	for i := range chain {
		files[system+unitAt(i)] = fake.Text("[Unit]\nRequires=" + unitAt(i+1) + " " + unitAt(0) + "\n")
	}
	files[system+unitAt(chain)] = fake.Text("[Unit]\n")
	rep := fixture{add: files, remove: []string{enabledIn + "kiln@1.service"}}.check(t)
	for _, o := range rep.Rules {
		if o.Status == StatusCouldNotRun {
			t.Errorf("%s could not run: %s", o.ID, o.Reason)
		}
	}
	for _, f := range rep.Findings {
		if f.Rule == "default-target" {
			t.Errorf("found %s: %s", f.Path, f.Message)
		}
	}
}

// Units that name more others than can be looked for are not looked for.
func TestTooManyUnits(t *testing.T) {
	t.Parallel()
	text := func(kind string) fake.File {
		var b strings.Builder
		b.WriteString("[Unit]\nWants=")
		for i := range maxAsked/2 + 1 {
			fmt.Fprintf(&b, "%s%d.path ", kind, i)
		}
		return fake.Text(b.String() + "\n")
	}
	rep := fixture{add: fake.Files{system + "default.target": text("a"), "etc/systemd/system/sockets.target.wants/b.target": fake.Link("../b.target"), system + "b.target": text("b")}}.check(t)
	i := slices.IndexFunc(rep.Rules, func(o Outcome) bool { return o.ID == "unit-programs" })
	if o := rep.Rules[i]; o.Status != StatusCouldNotRun || o.Reason != errTooManyUnits.Error() {
		t.Errorf("%+v", o)
	}
}

func unitAt(i int) string {
	return "u" + strings.Repeat("x", i/100) + "-" + string(rune('a'+i%100/10)) + string(rune('a'+i%10)) + ".service"
}
