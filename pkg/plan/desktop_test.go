package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// trustFiles stands in for package trust.
func trustFiles(scope string, keys [][]byte) ([]plan.PolicyFile, error) {
	if !strings.HasPrefix(string(keys[0]), "-----BEGIN PUBLIC KEY-----") {
		return nil, errors.New("no key")
	}
	return []plan.PolicyFile{
		{Path: "containers/policy.json", Content: []byte(scope + "\n")},
		{Path: "containers/registries.d/x.yaml", Content: []byte("x\n")},
		{Path: "pki/containers/x.pub", Content: keys[0]},
	}, nil
}

const (
	publicKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINBx7qRIS7GxvKgeT8WEn4Tc3wLDz6Ob2+4SN+X+J2sQ"
	privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nxyzzy\n-----END OPENSSH PRIVATE KEY-----\n"
)

func TestDesktopProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		distro, recipe string
		want           []string
	}{
		"session without display manager": {
			"fedora-44", "desktop: {session: plasma}",
			[]string{`4:20: the session "plasma" is offered by a display manager, and there is none (missing-key); add display-manager, as in display-manager: sddm`},
		},
		"plasmalogin": {
			"debian-12", "desktop: {display-manager: plasmalogin, session: plasma}",
			[]string{
				`4:28: plasmalogin is not supported on debian 12, which has no package plasma-login-manager (not-supported); use display-manager: sddm`,
				`4:50: the session that plasmalogin offers first cannot be set (not-supported); take it out, or use display-manager: sddm`,
			},
		},
		"plasmalogin in the place of a bundle's": {"fedora-44", "include: [desk]\ndesktop: {display-manager: plasmalogin}", nil},
		"plasmalogin in the place of a bundle's, with a session": {
			"fedora-44", "include: [desk]\ndesktop: {display-manager: plasmalogin, session: plasma}",
			[]string{`5:50: the session that plasmalogin offers first cannot be set (not-supported); take it out, or use display-manager: sddm`},
		},
		"nobody has a password": {
			"fedora-44", "desktop: {display-manager: sddm}\nusers: [{name: a}, {name: b}]",
			[]string{"5:16: nobody can log in to sddm: no user of the image has a password (no-password); " +
				"hand one in when the machine first boots, as systemd's credential passwd.hashed-password.a; or give root ssh-keys, and run \"passwd a\" as root"},
		},
		"root gives passwords": {"fedora-44", "desktop: {display-manager: sddm}\nusers: [{name: a}, {name: root, ssh-keys: [key.pub]}]", nil},
		"the image has passwords": {
			"fedora-44", "desktop: {display-manager: sddm}\nusers: [{name: a}]\nfiles: [{content: x, destination: /usr/lib/credstore/passwd.hashed-password.a}]", nil,
		},
		"display manager that may not start": {
			"debian-12", "desktop: {display-manager: gdm}\nsystemd: {disable: [gdm3.service], mask: [display-manager.service]}",
			[]string{
				`5:21: unit "gdm3.service" is the display manager "gdm" (recipe.yaml:4:28) (conflict); take it out, or take desktop.display-manager out`,
				`5:43: unit "display-manager.service" is the display manager "gdm" (recipe.yaml:4:28) (conflict); take it out, or take desktop.display-manager out`,
			},
		},
		"groups": {
			"debian-12", "users: [{name: a, groups: [wheel, sudo]}]",
			[]string{`4:28: the group "wheel" grants nothing on debian 12 (powerless-group); administrators are in the group "sudo" there`},
		},
		"groups of Fedora": {
			"fedora-44", "users: [{name: a, groups: [wheel, sudo]}]",
			[]string{`4:35: the group "sudo" grants nothing on fedora 44 (powerless-group); administrators are in the group "wheel" there`},
		},
		"root": {
			"debian-12", "users: [{name: root, description: x, groups: [a], shell: /bin/sh, ssh-keys: [key.pub]}]",
			[]string{
				`4:35: description is of users that the image makes, and root is there (not-supported); take it out; ssh-keys is what root can have`,
				`4:47: groups[0] is of users that the image makes, and root is there (not-supported); take it out; ssh-keys is what root can have`,
				`4:58: shell is of users that the image makes, and root is there (not-supported); take it out; ssh-keys is what root can have`,
			},
		},
		"ssh keys": {
			"debian-12", "users: [{name: a, ssh-keys: [key, none.pub, bad.pub]}]",
			[]string{
				`4:30: "key" holds a private key (private-key); name the file with the public key, which ends in .pub, and see that the other one never leaves its machine`,
				`4:35: "none.pub" has no public key (invalid-key); name a file as ssh-keygen writes it, with one key a line`,
				`4:45: line 2 of "bad.pub" is no public key of ssh (invalid-key); name a file as ssh-keygen writes it, with one key a line: ssh-ed25519 AAAA… comment`,
			},
		},
		"dracut": {
			"fedora-44", "kernel: {initramfs: never, dracut: {add: [crypt], omit: [ostree, pcsc]}}",
			[]string{
				`4:21: what is under kernel.dracut has no effect: the initramfs stays as it is (no-effect); say initramfs: auto`,
				`4:58: without dracut's module "ostree" the image cannot boot (invalid-value); take it out`,
			},
		},
		"trust in a private key": {
			"fedora-44", "trust: {scope: ghcr.io/me, keys: [key]}",
			[]string{`4:35: "key" holds a private key (private-key); name the file with the public key, which ends in .pub`},
		},
		"trust in no key": {
			"fedora-44", "trust: {scope: ghcr.io/me, keys: [bad.pub]}",
			[]string{`4:35: no key (unusable-key); name files with one public key (PEM) each, as "bootkiln keygen" writes cosign.pub`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			project := fstest.MapFS{
				"recipe.yaml": {Data: fmt.Appendf(nil, "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: %s}\n%s\n", test.distro, test.recipe)},
				"desk.yaml":   {Data: []byte("desktop: {display-manager: sddm, session: plasma}\n")},
				"key":         {Data: []byte(privateKey)},
				"key.pub":     {Data: []byte(publicKey + "\n")},
				"none.pub":    {Data: []byte("# nothing\n")},
				"bad.pub":     {Data: []byte(publicKey + "\nhello\n")},
			}
			r, _, problems, err := recipe.Load(project, "recipe.yaml", recipe.Options{Bundles: project})
			if err != nil || problems.HasErrors() {
				t.Fatal(err, problems)
			}
			p, problems, err := plan.New(t.Context(), r, plan.Options{Read: project, TrustFiles: trustFiles})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range problems {
				got = append(got, strings.TrimPrefix(d.String(), "recipe.yaml:")+"; "+d.Hint)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if p == nil {
				return
			}
			for at, src := range p.Context {
				if strings.Contains(string(src.Content), "xyzzy") {
					t.Errorf("%s holds the private key", at)
				}
			}
		})
	}
}

// TestDoubtfulPackages are asked for with what to use instead of them.
func TestDoubtfulPackages(t *testing.T) {
	t.Parallel()
	for distro, want := range map[string][]string{
		"debian-12": nil,
		"fedora-44": nil,
		"centos-10": {"ibus-mozc", "sddm"},
		"centos-9":  {"ibus", "ibus-gtk3", "ibus-hangul", "ibus-mozc", "sddm"},
	} {
		project := fstest.MapFS{"recipe.yaml": {Data: fmt.Appendf(nil, "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: %s}\n"+
			"desktop: {display-manager: sddm, input-method: {framework: ibus, engines: [hangul, mozc]}}\n", distro)}}
		p, _, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		steps := p.Query.Steps
		for _, c := range steps[len(steps)-1].Instructions[0].Run.Commands {
			for i, w := range c.Words {
				name, doubtful := strings.CutPrefix(w.Value, "--doubtful=")
				if doubtful {
					got = append(got, name)
				}
				if doubtful && i > 0 && name == "sddm" && !strings.Contains(c.Words[i-1].Value, "display-manager: gdm") {
					t.Errorf("%s: instead of sddm: %s", distro, c.Words[i-1].Value)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", distro, diff)
		}
	}
}

// contextFile returns what a plan puts into the build context by that name.
func contextFile(t *testing.T, p *plan.Plan, folder, name string) string {
	t.Helper()
	for at, src := range p.Context {
		if strings.HasPrefix(at, folder+"/") && strings.HasSuffix(at, "/"+name) {
			return string(src.Content)
		}
	}
	t.Fatalf("there is no %s/…/%s", folder, name)
	return ""
}

func TestFilesOfDracutAndFlatpak(t *testing.T) {
	t.Parallel()
	p, _ := planOf(t, "desktop-fedora")
	for _, f := range []struct{ folder, name, want string }{
		{"kernel", "50-bootkiln.conf", "add_dracutmodules+=\" crypt lvm \"\nadd_drivers+=\" nvme vmw_pvscsi \"\n"},
		{"flatpak", "remotes", "site https://example.com/site.flatpakrepo\nflathub https://dl.flathub.org/repo/flathub.flatpakrepo\n"},
		{"flatpak", "applications", "org.mozilla.firefox\norg.kde.kcalc\n"},
		{"hostname", "hostname", "kiln\n"},
	} {
		if diff := cmp.Diff(f.want, contextFile(t, p, f.folder, f.name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.name, diff)
		}
	}
}

// TestUserNumbers are the same whoever else is in the recipe.
func TestUserNumbers(t *testing.T) {
	t.Parallel()
	number := func(users string) string {
		project := fstest.MapFS{"recipe.yaml": {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: fedora-44}\nusers: " + users + "\n")}}
		p, _, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project})
		if err != nil {
			t.Fatal(err)
		}
		var accounts string
		for _, src := range p.Context {
			if strings.HasPrefix(string(src.Content), "u ") {
				accounts = string(src.Content)
			}
		}
		for line := range strings.Lines(accounts) {
			if fields := strings.Fields(line); fields[1] == "kiosk" {
				return fields[2]
			}
		}
		t.Fatal(accounts)
		return ""
	}
	alone := number("[{name: kiosk}]")
	if others := number("[{name: a}, {name: b}, {name: kiosk}]"); others != alone {
		t.Errorf("alone %s, with others %s", alone, others)
	}
	if len(alone) != 5 || alone < "20000" || alone > "59999" {
		t.Errorf("the number is %s", alone)
	}
}

func TestSetKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, group, key, value, want string }{
		"no file":         {"", "Wayland", "InputMethod[$e]", "/a b", "[Wayland]\nInputMethod[$e]=/a b\n"},
		"no group":        {"[A]\nx=1\n", "B", "y", "2", "[A]\nx=1\n[B]\ny=2\n"},
		"no key":          {"[A]\nx=1\n[B]\nz=1", "A", "y", "2", "[A]\nx=1\ny=2\n[B]\nz=1\n"},
		"key":             {"[A]\ny = 1\nx=1\n[B]\ny=1\n", "A", "y", "2", "[A]\ny=2\nx=1\n[B]\ny=1\n"},
		"twice":           {"[A]\ny=1\ny[$e]=3\n", "A", "y[$e]", "2", "[A]\ny[$e]=2\n"},
		"group in a name": {"[A][x]\ny=1\n", "A", "y", "2", "[A][x]\ny=1\n[A]\ny=2\n"},
		"last":            {"# note\n[A]", "A", "y", "2", "# note\n[A]\ny=2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "new", "file")
			if test.before != "" {
				if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(test.before), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", `source scripts/ini.sh; set_key "$@"`, "set_key", file, test.group, test.key, test.value)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlatpakSetup runs the service of an image three times: without network,
// with, and after everything is there.
func TestFlatpakSetup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"remotes":      "site https://example.com/site.flatpakrepo\nflathub https://dl.flathub.org/repo/flathub.flatpakrepo\n",
		"applications": "org.example.One\norg.example.Two\n",
		"flatpak":      "#!/bin/bash\necho \"$*\" >>" + dir + "/said\n[[ -e " + dir + "/network ]] || exit 1\n[[ $* != *'site org.example.Two' ]]\n",
		"systemctl":    "#!/bin/bash\necho \"systemctl $*\" >>" + dir + "/said\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	said := func(ok bool) []string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "scripts/flatpak-setup.sh", dir)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "STATE_DIRECTORY="+dir)
		if out, err := cmd.CombinedOutput(); (err == nil) != ok {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, "said"))
		if err := errors.Join(err, os.Remove(filepath.Join(dir, "said"))); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	const (
		addSite    = "remote-add --system --if-not-exists site https://example.com/site.flatpakrepo"
		addFlathub = "remote-add --system --if-not-exists flathub https://dl.flathub.org/repo/flathub.flatpakrepo"
		install    = "install --system --noninteractive --assumeyes --or-update "
		stop       = "systemctl stop --no-block bootkiln-flatpak.timer"
	)
	want := []string{
		addSite, addFlathub, install + "site org.example.One", install + "flathub org.example.One",
		install + "site org.example.Two", install + "flathub org.example.Two",
	}
	if diff := cmp.Diff(want, said(false)); diff != "" {
		t.Errorf("without network (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "network"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want = []string{addSite, addFlathub, install + "site org.example.One", install + "site org.example.Two", install + "flathub org.example.Two", stop}
	if diff := cmp.Diff(want, said(true)); diff != "" {
		t.Errorf("with a network (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{stop}, said(true)); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
}

func TestTrustMerge(t *testing.T) {
	t.Parallel()
	const (
		ours = `{"default": [{"type": "reject"}], "transports": {
			"docker": {"ghcr.io/me": [{"type": "sigstoreSigned", "keyPath": "/etc/pki/containers/x.pub"}], "": [{"type": "insecureAcceptAnything"}]},
			"oci": {"": [{"type": "insecureAcceptAnything"}]}}}`
		redhat = `"registry.redhat.io": [{"type": "signedBy"}]`
	)
	for name, test := range map[string]struct{ base, want string }{
		"accepts": {
			`{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {` + redhat + `, "ghcr.io/me/os": [{"type": "insecureAcceptAnything"}],
				"ghcr.io/me:latest": [{"type": "insecureAcceptAnything"}]}}}`,
			`{"default":[{"type":"reject"}],"transports":{"docker":{"registry.redhat.io":[{"type":"signedBy"}],` +
				`"ghcr.io/me":[{"type":"sigstoreSigned","keyPath":"/etc/pki/containers/x.pub"}],"":[{"type":"insecureAcceptAnything"}]},` +
				`"oci":{"":[{"type":"insecureAcceptAnything"}]}}}`,
		},
		"rejects": {
			`{"default": [{"type": "reject"}]}`,
			`{"default":[{"type":"reject"}],"transports":{"docker":{"ghcr.io/me":[{"type":"sigstoreSigned","keyPath":"/etc/pki/containers/x.pub"}]}}}`,
		},
		"demands": {
			`{"default": [{"type": "signedBy"}], "transports": {"docker": {"": [{"type": "reject"}]}}}`,
			`{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"reject"}],` +
				`"ghcr.io/me":[{"type":"sigstoreSigned","keyPath":"/etc/pki/containers/x.pub"}]},"oci":{"":[{"type":"signedBy"}]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range map[string]string{"base": test.base, "ours": ours} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "python3", "scripts/trust-merge.py", "ghcr.io/me", filepath.Join(dir, "base"), filepath.Join(dir, "ours"))
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Compact(&got, out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
