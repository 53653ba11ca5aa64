package check

import (
	"strings"
	"testing"
)

func FuzzParseKeyFile(f *testing.F) {
	f.Add("# x\n[composefs]\nenabled = signed\r\nkeypath=/x\n[sysroot]\nreadonly=1 \n")
	f.Add("[a]b]\n")
	f.Add("key=before\n[]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parseKeyFile(text)
		if err != nil && file != nil {
			t.Errorf("%v, and %v", err, file)
		}
		for group, values := range file {
			if group == "" || strings.ContainsAny(group, "[]\n") {
				t.Errorf("group %q", group)
			}
			for key, value := range values {
				if key == "" || strings.TrimSpace(key) != key || strings.Contains(key+value, "\n") {
					t.Errorf("key %q is %q", key, value)
				}
			}
		}
	})
}

func FuzzParsePrepareRoot(f *testing.F) {
	f.Add(prepareRootConf + "[root]\ntransient = true\n")
	f.Add("[composefs]\nenabled =\n[etc]\ntransient=yes\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePrepareRoot(text); err == nil && p.usesComposefs() && strings.TrimSpace(p.composefs) != p.composefs {
			t.Errorf("%+v of %q", p, text)
		}
	})
}

func FuzzParseInstall(f *testing.F) {
	f.Add("[install.filesystem.root]\ntype = \"xfs\"\n[install]\nkargs = [\"a\"]\nbootupd.skip-boot-uuid = true\n")
	f.Add("install.ostree.x = 1\ninstall.block = [1, \"direct\"]\n\"\".\"\" = {}\n")
	f.Add("[[install]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := parseInstall("x", text)
		for _, choice := range []struct {
			value string
			kind  valueKind
		}{{got.rootFS, filesystem}, {got.bootloader, installKeys["install.bootloader"]}} {
			if _, ok := choice.kind.accepts(choice.value); choice.value != "" && !ok {
				t.Errorf("%+v", got)
			}
		}
		for _, p := range got.problems {
			if p == "" {
				t.Error("a problem without words")
			}
		}
	})
}

func FuzzBoundFile(f *testing.F) {
	f.Add("[Container]\nImage=a%%b\n")
	f.Add("[Image]\nImage = %\n[Image]\nAuthFile=\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, group := range []string{"Container", "Image"} {
			if boundFileProblem(text, group) == "" && !strings.Contains(text, "Image") {
				t.Errorf("%s: no problem in %q", group, text)
			}
		}
	})
}

func FuzzSELinuxConfig(f *testing.F) {
	f.Add("SELINUX=Enforcing\nSELINUXTYPE=targeted\n")
	f.Add(" SELINUX=permissive\nSELINUXTYPE=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if policy, on := selinuxConfig(text); strings.Contains(policy, "\n") || on && !strings.Contains(text, "SELINUX=") {
			t.Errorf("%q, %t of %q", policy, on, text)
		}
	})
}
