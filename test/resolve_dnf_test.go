//go:build e2e

package test

import (
	"strings"
	"testing"
)

// TestResolveDNF misspells everything that dnf has a word for.
func TestResolveDNF(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, nil)
	p.take(t, repo)
	p.write(t,
		"repos: ["+repo.entry("")+"]",
		"packages:",
		"  install:",
		"    - plain",
		"    - palin-too",
		"    - \"globb-*\"",
		"    - \"glob-*\"",
		"    - chain-a-1.0-1.noarch",
		"    - two-7.0",
		"    - daemon.noarch",
		"    - plain.i686",
		"    - \"unwant*\"",
		"  groups:",
		"    - E2E Tools",
		"    - E2E Tolos",
		"    - \"@e2e-desktop-environment\"",
		"    - e2e-shel",
		"  exclude: [unwanted]",
		"  optional: [missing, daemon]",
		"  remove: [plian, glob-one]",
	)
	want := []string{
		`recipe.yaml:9:7: no repository has the package "palin-too" (unknown-package)`, `did you mean "plain-too"?`,
		`recipe.yaml:10:7: no repository has the package "globb-*" (unknown-package)`,
		`recipe.yaml:13:7: no repository has the package "two-7.0" (unknown-package)`,
		`recipe.yaml:15:7: no repository has the package "plain.i686" (unknown-package)`,
		`recipe.yaml:16:7: all packages that are "unwant*" are excluded (excluded-package)`,
		`recipe.yaml:19:7: no repository has the group "E2E Tolos" (unknown-group)`, `did you mean "E2E Tools"?`,
		`recipe.yaml:21:7: no repository has the group "e2e-shel" (unknown-group)`, `did you mean "e2e-shell"?`,
		`recipe.yaml:23:14: note: no repository has the package "missing" (unknown-package)`,
		`recipe.yaml:24:12: warning: neither the base nor a repository has the package "plian"`, `did you mean "plain"?`,
		"7 problems, 1 warning, 1 note in ",
	}
	for _, command := range [][]string{p.args("build"), {"plan", "--resolve", p.recipe()}} {
		bootkiln(t, command...).want(t, 3, want...)
	}
	if got := stages(t, p.project); got != "plan resolve" {
		t.Errorf("the stages are %q", got)
	}
	if n := p.cached(t); n != 1 {
		t.Errorf("the store has %d images, and should have the base only", n)
	}
}

// TestResolveDNFReadsOnce looks at what the build downloads after the query.
func TestResolveDNFReadsOnce(t *testing.T) {
	t.Parallel()
	repo := newRPMRepository(t)
	p := newDNFProject(t, nil)
	p.take(t, repo)
	p.write(t, "repos: ["+repo.entry("")+"]", "packages: {install: [plain], groups: [E2E Tools], optional: [missing]}")
	p.build(t)
	p.wantRPMs(t, "plain", "group-mandatory", "group-default")
	log := p.file(t, "build.log")
	_, installed, found := strings.Cut(log, "install \\")
	if !found {
		_, installed, found = strings.Cut(log, " install '")
	}
	if !found || strings.Contains(installed, "repomd.xml") {
		t.Errorf("the log:\n%s", log)
	}
}

// TestUnreadableRepositoryOfDNF is no problem of a name: also where dnf is told
// to go on without the repository, as Fedora tells it.
func TestUnreadableRepositoryOfDNF(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{"strict": "False", "skipped": "True"} {
		t.Run(name, func(t *testing.T) {
			p := newDNFProject(t, map[string]string{
				"/etc/yum.repos.d/gone.repo": "[gone]\nname=gone\nbaseurl=http://127.0.0.1:1/\ngpgcheck=1\nenabled=1\nskip_if_unavailable=" + option + "\n",
			})
			p.write(t, "packages: {install: [plain]}")
			o := bootkiln(t, p.args("build")...)
			o.want(t, 1, "asking the repositories for names: ", "gone")
			if strings.Contains(o.stderr, "unknown-package") {
				t.Errorf("a name is blamed:\n%s", o.stderr)
			}
		})
	}
}
