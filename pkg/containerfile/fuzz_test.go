package containerfile_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// everyWord returns a recipe that says every word that a Containerfile comes
// from.
func everyWord() *recipe.Recipe {
	line := 0
	s := func(value string) recipe.String {
		line++
		return recipe.String{Value: value, Pos: diag.Pos{File: "recipe.yaml", Line: line, Col: 1}}
	}
	list := func(values ...string) (out []recipe.String) {
		for _, v := range values {
			out = append(out, s(v))
		}
		return out
	}
	path := func(value string) recipe.Path { return recipe.Path{String: s(value)} }
	return &recipe.Recipe{
		File: "recipe.yaml", Name: s("name"), Description: s("description"),
		Base: recipe.Base{Image: s("quay.io/a/b:1"), Distro: s("centos-10")},
		Packages: recipe.Packages{
			Install:  []recipe.Package{{Name: recipe.Path{String: s("a")}}, {Name: recipe.Path{String: s("b*")}}},
			Optional: list("c", "d"),
			Remove:   list("e", "f"),
			Groups:   list("g", "@h i"), Exclude: list("j", "k*"), Lock: list("l*"), WeakDeps: s("false"),
		},
		Repos: []recipe.Repo{
			{Known: s("crb"), Priority: s("90"), IncludePackages: list("a*", "b"), ExcludePackages: list("c")},
			{Known: s("epel"), Keep: s("true")},
			{Known: s("rpmfusion-free")},
			{Copr: s("@a/b"), Chroot: s("epel-10-x86_64")},
			{Name: s("vendor"), BaseURL: s("https://example.com/$basearch"), GPGKey: path("https://example.com/key"), Keep: s("true")},
			{Name: s("other"), Metalink: s("https://example.com/x?y"), GPGKey: path("https://example.com/key"), ExcludePackages: list("d")},
		},
		Locale: recipe.Locale{Language: s("ko_KR.UTF-8"), Extra: list("en_US.UTF-8"), Keymap: s("kr"), Timezone: s("Asia/Seoul")},
		Files: []recipe.File{
			{Source: path("f"), Destination: s("/etc/f"), Mode: s("4755"), Owner: s("root:root")},
			{Source: path("dir"), Destination: s("/etc"), Owner: s("root:root")},
			{Content: s("text"), Destination: s("/etc/g"), Mode: s("0644"), Owner: s("root:root")},
		},
		Desktop: recipe.Desktop{
			DisplayManager: s("sddm"), Session: s("plasma"), Fonts: list("core", "cjk"),
			InputMethod: recipe.InputMethod{Framework: s("ibus"), Engines: list("hangul", "m17n")},
		},
		Hostname: s("kiln"),
		Users:    []recipe.User{{Name: s("kiosk"), Description: s("Kiosk"), Groups: list("wheel"), Shell: s("/bin/sh")}},
		Flatpak:  recipe.Flatpak{Remotes: []recipe.FlatpakRemote{{Name: s("site"), URL: s("https://example.com/x")}}, Install: list("org.example.One")},
		Systemd: recipe.Systemd{
			Enable: list("a.service"), Disable: list("b.service"), Mask: list("c.service"), DefaultTarget: s("graphical.target"),
			User: recipe.UserUnits{Enable: list("d.service"), Disable: list("e.service"), Mask: list("f.service")},
		},
		Kernel: recipe.Kernel{
			Args:      []recipe.KernelArg{{Arg: s("quiet")}, {Arg: s("x"), Architectures: list("amd64")}},
			Initramfs: s("auto"),
			Dracut:    recipe.Dracut{Add: list("crypt"), Omit: list("pcsc"), Drivers: list("nvme")},
		},
		Run: []recipe.Run{
			{Name: s("one"), Script: path("f"), Secrets: []recipe.RunSecret{{ID: s("token")}, {ID: s("token"), Env: s("TOKEN")}}, Network: s("false")},
			{Name: s("two"), Shell: s("true")},
		},
		Secrets: []recipe.Secret{{ID: s("token"), Env: s("TOKEN")}},
		Labels:  []recipe.Label{{Key: s("a.b"), Value: s("value")}},
	}
}

// values returns the values of a recipe, to be changed.
func values(r *recipe.Recipe) (list []*recipe.String) {
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		if !v.CanInterface() {
			return // what the recipe keeps to itself
		}
		if s, ok := v.Addr().Interface().(*recipe.String); ok {
			if s.IsSet() {
				list = append(list, s)
			}
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(r).Elem())
	return list
}

// check plans and renders a recipe, of whose values nothing is known. Either
// there is an error, or the text says what the plan does.
func check(t testing.TB, r *recipe.Recipe) (rendered bool) {
	project := fstest.MapFS{"f": {Data: []byte("#!/bin/sh\n")}, "dir/file": {Data: []byte("x")}}
	p, problems, err := plan.New(t.Context(), r, plan.Options{Read: project})
	if err != nil || problems.HasErrors() {
		return false
	}
	f, err := containerfile.Render(p)
	if unsafe := (*containerfile.UnsafeError)(nil); errors.As(err, &unsafe) {
		if !unsafe.Pos.IsValid() {
			t.Fatalf("no position: %v", err)
		}
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	compare(t, p, f)
	if strings.Count(string(f.Text), "\n") != len(f.Origins) {
		t.Fatalf("%d origins for\n%s", len(f.Origins), f.Text)
	}
	return true
}

// nasty are values that have broken out of other people's Containerfiles.
var nasty = []string{
	"", "x", "한국어", "x\nRUN evil", "x\rRUN evil", "x\u2028RUN evil", "x\\", "x\\\nRUN evil", `"`, `'`, "`id`", "$(id)", "${HOME}", "$HOME",
	"<<EOF", "<<EOF\nx\nEOF\nRUN evil", "x && evil", "x; evil", "x #", "# escape=`", "#", "--flag", "--mount=type=bind,source=/,target=/x", "-x",
	"x AS y", "x,target=/etc", "../../etc", "/etc/../x", `["a","b"]`, `[`, "]", "x\x00", "\xff\xfe", "\ufeff", "x\u202e", " x ", "*", "?(x)", "a=b", "a b=c",
	"[[:alpha:]]", "{a,b}", "~root", "@group", "x\ty", "x\vy", "x\u0085y", "\\x2d", "\\'", "'\\''", `\"`, "\\$HOME", "%s", "scratch",
	"/etc/$HOME/x", `/etc/a\b/x`, `/etc/"q"/x`, "/etc/it's/x", "/etc/a b/[x]*", "/etc/x\nRUN evil/y", "/etc/한/글", "/",
}

func TestEveryWordRenders(t *testing.T) {
	t.Parallel()
	if !check(t, everyWord()) {
		t.Fatal("the recipe does not render")
	}
	for i := range values(everyWord()) {
		for _, value := range nasty {
			r := everyWord()
			values(r)[i].Value = value
			check(t, r)
		}
	}
}

func TestRenderProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := everyWord()
		all := values(r)
		for range rapid.IntRange(1, 5).Draw(rt, "changes") {
			at := rapid.IntRange(0, len(all)-1).Draw(rt, "value")
			all[at].Value = rapid.OneOf(
				rapid.SampledFrom(nasty),
				rapid.String(),
				rapid.StringMatching(`[a-z/]{0,3}["'\\$<#, \n=*&;-]{1,3}[a-z]{0,2}`),
			).Draw(rt, "text")
		}
		check(t, r)
	})
}

func FuzzRender(f *testing.F) {
	for i := range values(everyWord()) {
		for j, value := range nasty {
			if (i+j)%7 == 0 { // a sample of the product
				f.Add(i, value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, at int, value string) {
		r := everyWord()
		all := values(r)
		all[uint(at)%uint(len(all))].Value = value
		check(t, r)
	})
}
