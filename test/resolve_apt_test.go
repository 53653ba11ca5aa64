//go:build e2e

package test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stages are the stages of a run that was written down, in order.
func stages(t testing.TB, p *project) string {
	t.Helper()
	var names []string
	for _, s := range p.result(t).Stages {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

// cached counts what the store has of the project: with the image, the results
// of its steps.
func (p *project) cached(t testing.TB) int {
	t.Helper()
	store := machineStore(t)
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, img := range images {
		config, err := store.ImageBigData(img.ID, "sha256:"+img.ID)
		if err == nil && strings.Contains(string(config), p.mark) {
			n++
		}
	}
	return n
}

// TestResolveAPT misspells everything that apt has a word for.
func TestResolveAPT(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t,
		"packages:",
		"  install:",
		"    - plsma-desktop",
		"    - nano",
		"    - vim=0.1",
		"    - \"no-such-glob-*\"",
		"  optional: [rare-thing, sl]",
		"  remove: [nnao]",
		"systemd: {enable: [sshdd.service]}",
	)
	want := []string{
		`recipe.yaml:9:7: no repository has the package "plsma-desktop" (unknown-package)`, `did you mean "plasma-desktop"?`,
		`recipe.yaml:11:7: no repository has version "0.1" of the package "vim" (unknown-version)`,
		`recipe.yaml:12:7: no repository has the package "no-such-glob-*" (unknown-package)`,
		`recipe.yaml:13:14: note: no repository has the package "rare-thing" (unknown-package)`,
		`recipe.yaml:14:12: warning: neither the base nor a repository has the package "nnao"`, `did you mean "nano"?`,
		"3 problems, 1 warning, 1 note in ",
	}
	for _, command := range [][]string{p.args("build"), {"plan", "--resolve", p.recipe()}} {
		o := bootkiln(t, command...)
		o.want(t, 3, want...)
		if strings.Contains(o.stderr, "bootkiln:") || strings.Contains(o.stderr, "sshdd.service (") {
			t.Errorf("stderr of %q holds what is not for people:\n%s", command[0], o.stderr)
		}
	}
	if got := stages(t, p); got != "plan resolve" {
		t.Errorf("the stages are %q", got)
	}
	if n := p.cached(t); n != 0 {
		t.Errorf("%d images were made", n)
	}
}

// TestResolveAPTAgain asks once for what was found.
func TestResolveAPTAgain(t *testing.T) {
	t.Parallel()
	const remembered = "all names were found before"
	p := newProject(t)
	p.write(t, "packages:", "  install: [sl]", "  optional: [rare-"+p.mark+"]", "  remove: [sl-mode]")
	// What a recipe of the same name does not find is forgotten for all of that name.
	write(t, p.recipe(), bytes.Replace(readBytes(t, p.recipe()), []byte("name: e2e\n"), []byte("name: "+p.mark+"\n"), 1))
	missing := `recipe.yaml:9:14: no repository has the package "rare-` + p.mark + `"`
	first := bootkiln(t, p.args("build")...)
	first.want(t, 0, missing, `recipe.yaml:10:12: neither the base nor a repository has the package "sl-mode"`)
	if strings.Contains(first.stderr, remembered) {
		t.Error("the first build asked nothing")
	}
	if got := stages(t, p); got != "plan resolve build check" {
		t.Errorf("the stages are %q", got)
	}
	n := p.cached(t)
	unavailable := `recipe.yaml:9:14: the optional package "rare-` + p.mark + `" could not be installed`
	bootkiln(t, p.args("build")...).want(t, 0, remembered, unavailable)
	if diff := cmp.Diff([]string{"rare-" + p.mark}, p.result(t).OptionalUnavailable); diff != "" {
		t.Errorf("the result of a build that was cached (-want +got):\n%s", diff)
	}
	if again := p.cached(t); again != n {
		t.Errorf("the store has %d images of the project, and had %d", again, n)
	}
	// plan --resolve is there to ask.
	o := bootkiln(t, "plan", "--resolve", p.recipe())
	o.want(t, 0, missing)
	if !strings.Contains(o.stdout, "Install 1 package") {
		t.Errorf("stdout lacks the plan:\n%s", o.stdout)
	}
	if o := bootkiln(t, p.args("build", "--no-cache")...); o.status != 0 || strings.Contains(o.stderr, remembered) {
		t.Errorf("status %d with --no-cache, which was not asked:\n%s", o.status, o.stderr)
	}
	if o := bootkiln(t, "plan", "--resolve", "--offline", p.recipe()); o.status != 2 {
		t.Errorf("status %d with --offline\n%s", o.status, o.stderr)
	}
}

// TestWordsOfTheImage misspells what only the finished packages can tell.
func TestWordsOfTheImage(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t,
		"systemd:",
		"  enable: [systemd-netwrkd.service, systemd-networkd.service]",
		"  disable: [getyt@tty1.service]",
		"  mask: [systemd-udevd.servce.service, emergncy.service]",
		"  user: {enable: [systemd-tmpfiles-setpu.service]}",
	)
	o := bootkiln(t, p.args("build")...)
	o.want(t, 3,
		`recipe.yaml:8:12: there is no unit "systemd-netwrkd.service" in the image (unknown-unit)`, `did you mean "systemd-networkd.service"?`,
		`recipe.yaml:9:13: there is no unit "getyt@tty1.service" in the image (unknown-unit)`,
		`recipe.yaml:10:40: warning: there is no unit "emergncy.service" in the image`, `did you mean "emergency.service"?`,
	)
	if strings.Contains(o.stderr, "systemd-networkd.service\" in the image") || strings.Contains(o.stderr, "bootkiln:known") {
		t.Errorf("stderr:\n%s", o.stderr)
	}
	if log := p.file(t, "build.log"); strings.Contains(log, "bootkiln:") {
		t.Errorf("the log has what is not for people:\n%s", log)
	}
}

// TestStepThatFails says which step of the recipe it was.
func TestStepThatFails(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t, "run:", "  - {name: paint it, shell: \"echo no paint left; exit 7\"}")
	bootkiln(t, p.args("build")...).want(t, 3,
		"  | no paint left\n", `recipe.yaml:8:`, `step "Run: paint it": the command ended with status 7 (step-failed)`, "hint: the instruction was: RUN ")
}

// TestUnreadableRepository is no problem of a name.
func TestUnreadableRepository(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t, "packages: {install: [no-such-package-at-all]}", `repos: [{name: gone, baseurl: "http://127.0.0.1:1/debian", suite: stable, components: [main], gpgkey: key.asc}]`)
	write(t, filepath.Join(p.dir, "key.asc"), []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"))
	o := bootkiln(t, p.args("build")...)
	o.want(t, 1, "asking the repositories for names: ", "127.0.0.1:1")
	if strings.Contains(o.stderr, "unknown-package") {
		t.Errorf("a name is blamed:\n%s", o.stderr)
	}
}

// TestKeymapOfTheImage is about a word that the recipe's own lists do not have.
func TestKeymapOfTheImage(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t, "locale: {keymap: krr}")
	bootkiln(t, p.args("build")...).want(t, 3,
		`recipe.yaml:7:18: there is no keyboard layout "krr" (unknown-keymap)`, `did you mean "kr"?`)
}
