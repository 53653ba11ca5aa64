package plan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// asked returns the words of the query's last step.
func asked(p *plan.Plan) []plan.Word {
	if p.Query == nil {
		return nil
	}
	last := p.Query.Steps[len(p.Query.Steps)-1]
	var list []plan.Word
	for _, i := range last.Instructions {
		for _, c := range i.Run.Commands {
			list = append(list, c.Words...)
		}
	}
	return list
}

// TestQueryAsksForAllNames looks for every name that a step installs in the
// query, with its place.
func TestQueryAsksForAllNames(t *testing.T) {
	t.Parallel()
	total := 0
	for name := range cases {
		p, _ := planOf(t, name)
		words := asked(p)
		for _, s := range p.Steps {
			for _, i := range s.Instructions {
				if i.Run == nil || s.Kind == plan.KindRepos {
					continue
				}
				for _, c := range i.Run.Commands {
					if !slices.Contains(c.Args, "install") {
						continue
					}
					for _, w := range c.Words {
						if strings.HasPrefix(w.Value, "-") || strings.HasPrefix(w.Value, "/") {
							continue
						}
						total++
						if !slices.ContainsFunc(words, func(a plan.Word) bool {
							_, value, _ := strings.Cut(a.Value, "=")
							return value == w.Value || value == "@"+w.Value
						}) {
							t.Errorf("%s: the query does not ask for %q of %s (%s)", name, w.Value, w.Origin, s.Title)
						}
					}
				}
			}
		}
	}
	if total == 0 {
		t.Error("no step installs anything")
	}
}

// TestQueryStandsBeforeTheSteps checks what a query begins with, and that the
// plan has nothing of its own needs.
func TestQueryStandsBeforeTheSteps(t *testing.T) {
	t.Parallel()
	for name := range cases {
		p, _ := planOf(t, name)
		for at, src := range p.Context {
			if strings.Contains(at, "/resolve-") || strings.Contains(at, "/question.sh") {
				t.Errorf("%s: the plan's context has %q (%s)", name, at, src.Digest)
			}
		}
		if p.Query == nil {
			continue
		}
		n := len(p.Query.Steps) - 1
		if diff := cmp.Diff(p.Steps[:n], p.Query.Steps[:n]); diff != "" {
			t.Errorf("%s (-plan +query):\n%s", name, diff)
		}
		for _, s := range p.Query.Steps[:n] {
			if s.Kind != plan.KindBase && s.Kind != plan.KindRepos {
				t.Errorf("%s: the query has the step %q", name, s.Title)
			}
		}
		for _, i := range p.Query.Steps[n].Instructions {
			for _, m := range i.Run.Mounts {
				if _, there := p.Query.Context[m.Source]; m.Type == plan.MountBind && m.From == "" && !there && !isFolderOf(p.Query.Context, m.Source) {
					t.Errorf("%s: %q is not in the query's context", name, m.Source)
				}
			}
		}
	}
}

func isFolderOf(context map[string]plan.Source, folder string) bool {
	for at := range context {
		if strings.HasPrefix(at, folder+"/") {
			return true
		}
	}
	return false
}

// answer runs a script that asks, with programs that are stubs, and returns
// the lines that are marked. It always fails.
func answer(t *testing.T, programs map[string]string, script string, args ...string) []string {
	t.Helper()
	bin := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/bash\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join("scripts", script)}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%s %q: %v\n%s", script, args, err, out)
	}
	var marked []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "bootkiln:") {
			t.Errorf("%s said %q", script, line)
		}
		marked = append(marked, strings.ReplaceAll(line, "\t", " "))
	}
	return marked
}

// dnf5Stub words things as DNF 5 does.
const dnf5Stub = `case " $* " in
*' -y '*install*) echo 'it would install'; exit 9 ;;
*' makecache '*skip_if_unavailable=False*) [[ ! -v STRICT ]] || { echo 'Failed to download metadata (baseurl: "http://x/") for repository "gone": no'; exit 1; } ;;
*' makecache '*) ;;
*' --assumeno '*)
	echo 'Failed to resolve the transaction:'
	for word; do
		case $word in
		wien | rare) echo "No match for argument: $word" ;;
		secret) echo "Argument 'secret' matches only excluded packages." ;;
		esac
	done
	exit 1
	;;
*' repoquery '*plian*) ;;
*--exclude=*' repoquery -q secret '*) ;;
*' repoquery '*) printf 'wine\nplain\n' ;;
*' group list '*) printf 'ID                   Name             Installed\nkde-apps             KDE Apps                no\n' ;;
*' environment list '*) printf 'ID                   Name             Installed\nkde-desktop          KDE Plasma Workspaces   yes\n' ;;
*) echo "asked for $*" ;;
esac
`

func TestResolveDNF5(t *testing.T) {
	t.Parallel()
	programs := map[string]string{"dnf5": dnf5Stub, "rpm": "true"}
	got := answer(t, programs, "resolve-dnf.sh", "dnf5", "-y", "--setopt=keepcache=True", "install", "--exclude=secret",
		"--instead=use another", "--doubtful=wien", "--install=plain", "--install=secret",
		"--group=@KDE Plasma Workspaces", "--group=@kde-desktop", "--group=@kde-*", "--group=@kde-dekstop", "--group=@KDE Aps",
		"--optional=rare", "--remove=plian", "--remove=plain",
		"--lock=plain", "--lock=plian*", "--excluded=secret", "--excluded=plian")
	want := []string{
		`bootkiln:problem unknown-package --doubtful=wien no repository has the package "wien": use another`,
		`bootkiln:problem excluded-package --install=secret all packages that are "secret" are excluded`,
		`bootkiln:problem unknown-group --group=@kde-dekstop no repository has the group "kde-dekstop"`,
		`bootkiln:problem unknown-group --group=@KDE Aps no repository has the group "KDE Aps"`,
		`bootkiln:note unknown-package --optional=rare no repository has the package "rare"`,
		`bootkiln:warning unknown-package --remove=plian neither the base nor a repository has the package "plian", which is to be removed`,
		`bootkiln:problem unknown-package --lock=plian* neither the base nor a repository has the package "plian*", which is to be locked`,
		`bootkiln:warning unknown-package --excluded=plian neither the base nor a repository has the package "plian", which is excluded`,
		`bootkiln:known unknown-package plain wine`,
		`bootkiln:known unknown-group kde-apps KDE Apps kde-desktop KDE Plasma Workspaces`,
		`bootkiln:answered`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	programs["dnf5"] = "STRICT=1\n" + dnf5Stub
	got = answer(t, programs, "resolve-dnf.sh", "dnf5", "-y", "install", "--install=wien")
	want = []string{
		`bootkiln:problem unknown-package --install=wien no repository has the package "wien"`,
		`bootkiln:unreadable Failed to download metadata (baseurl: "http://x/") for repository "gone": no`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a repository was left out (-want +got):\n%s", diff)
	}
	got = answer(t, programs, "resolve-dnf.sh", "dnf5", "-y", "install", "--install=plain")
	if diff := cmp.Diff([]string{"bootkiln:answered"}, got); diff != "" {
		t.Errorf("nothing is missing (-want +got):\n%s", diff)
	}
}

// aptStub words things as apt does.
const aptStub = `case " $* " in
*' update '*) [[ ! -v BROKEN ]] || { echo 'Err:1 http://x'; echo 'E: Failed to fetch http://x  Could not connect'; exit 100; } ;;
*' --simulate '*)
	for word; do
		case $word in
		wien* | task-kde-dekstop) echo "E: Unable to locate package ${word%%=*}" ;;
		'no-*') printf "E: Unable to locate package no-*\nE: Couldn't find any package by glob 'no-*'\n" ;;
		vim=1) echo "E: Version '1' for 'vim' was not found" ;;
		vim/sid) echo "E: Release 'sid' for 'vim' was not found" ;;
		awk) echo "E: Package 'awk' has no installation candidate" ;;
		esac
	done
	exit 100
	;;
*) echo "asked for $*" ;;
esac
`

func TestResolveAPT(t *testing.T) {
	t.Parallel()
	programs := map[string]string{"apt-get": aptStub, "apt-cache": `printf '%s\n' wine nano task-kde-desktop`, "dpkg-query": "[[ $3 == installed ]]"}
	got := answer(t, programs, "resolve-apt.sh", "apt-get", "install", "--no-install-recommends",
		"--install=wien", "--install=wine", "--install=no-*", "--install=vim=1", "--install=vim/sid", "--install=awk",
		"--group=@task-kde-dekstop", "--optional=wien-extra", "--remove=installed", "--remove=nano", "--remove=na*", "--remove=nnao", "--remove=nn*",
		"--lock=installed", "--lock=nano", "--lock=lnock", "--excluded=nano*", "--excluded=no*")
	want := []string{
		`bootkiln:problem unknown-package --install=wien no repository has the package "wien"`,
		`bootkiln:problem unknown-package --install=no-* no repository has the package "no-*"`,
		`bootkiln:problem unknown-version --install=vim=1 no repository has version "1" of the package "vim"`,
		`bootkiln:problem unknown-version --install=vim/sid no repository has the package "vim" of the release "sid"`,
		`bootkiln:problem unknown-package --install=awk no repository has the package "awk" itself, though others name it`,
		`bootkiln:problem unknown-package --group=@task-kde-dekstop no repository has the package "task-kde-dekstop"`,
		`bootkiln:note unknown-package --optional=wien-extra no repository has the package "wien-extra"`,
		`bootkiln:warning unknown-package --remove=nnao neither the base nor a repository has the package "nnao", which is to be removed`,
		`bootkiln:warning unknown-package --remove=nn* neither the base nor a repository has the package "nn*", which is to be removed`,
		`bootkiln:problem unknown-package --lock=lnock neither the base nor a repository has the package "lnock", which is to be locked`,
		`bootkiln:warning unknown-package --excluded=no* neither the base nor a repository has the package "no*", which is excluded`,
		`bootkiln:known unknown-package wine nano task-kde-desktop`,
		`bootkiln:answered`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	programs["apt-get"] = "BROKEN=1\n" + aptStub
	got = answer(t, programs, "resolve-apt.sh", "apt-get", "install", "--install=wien")
	if diff := cmp.Diff([]string{"bootkiln:unreadable E: Failed to fetch http://x  Could not connect"}, got); diff != "" {
		t.Errorf("a repository cannot be read (-want +got):\n%s", diff)
	}
}
