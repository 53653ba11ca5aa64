package plan_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// rpmKeys is an rpm whose database is a file with a key a line, in the folder
// of the script or in that of "--dbpath"; rpmkeys imports files of such lines.
const rpmKeys = `database=$(dirname "$0")/rpmdb
if [[ $1 == --dbpath ]]; then mkdir -p "$2"; database=$2/rpmdb; shift 2; fi
case $1 in
-qa) [[ ! -e $database ]] || cat "$database" ;;
-e) sed -i "/^${2#gpg-pubkey-}\$/d" "$database" ;;
--import)
	echo "imported ${2#"$(dirname "$0")/"}"
	[[ -e $2 ]] || exit 1
	cat "$2" >>"$database" ;;
esac
`

func TestKeysOfRepositories(t *testing.T) {
	t.Parallel()
	const before, own, vendor, build, later = "aaaa-1", "bbbb-1", "cccc-1", "dddd-1", "eeee-1"
	repositories := func(dir string) string {
		return "[own]\ngpgkey=file://" + dir + "/pki/own-$releasever-${basearch}\n" +
			"[kept]\nenabled = 1\ngpgkey = file://" + dir + "/pki/absent,\n  https://example.com/vendor\n# gpgkey=x\nother=\n  y\n" +
			"[off]\ngpgkey=file://" + dir + "/pki/build\nenabled=0\n" +
			"[variable]\ngpgkey=https://example.com/$basearch\n"
	}
	for name, test := range map[string]struct {
		after, want []string
		out         string
	}{
		"nothing new": {[]string{before}, []string{before}, ""},
		"of the distribution and the build": {
			[]string{before, own, build},
			[]string{before, own},
			"imported pki/own-10-x86_64\nimported https://example.com/vendor\n" +
				"bootkiln: the key \"https://example.com/vendor\" of a repository of the image cannot be read\n",
		},
		"of the distribution alone": {[]string{before, "bbbb-2"}, []string{before, "bbbb-2"}, "imported pki/own-10-x86_64\n"},
		"of the build alone":        {[]string{build, before, later}, []string{before}, "imported pki/own-10-x86_64\nimported https://example.com/vendor\nbootkiln: the key \"https://example.com/vendor\" of a repository of the image cannot be read\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, run := stage(t, "rpm-keys.sh")
			put(t, filepath.Join(dir, "rpm"), "#!/bin/bash\n"+rpmKeys)
			put(t, filepath.Join(dir, "rpmkeys"), "#!/bin/bash\n"+rpmKeys)
			put(t, filepath.Join(dir, "pki", "own-10-x86_64"), own+"\n")
			put(t, filepath.Join(dir, "pki", "build"), build+"\n")
			put(t, filepath.Join(dir, "repos.d", "a.repo"), repositories(dir))
			database := filepath.Join(dir, "rpmdb")
			put(t, database, before+"\n")
			if out, err := run("rpm-keys.sh", "save"); err != nil {
				t.Fatal(err, out)
			}
			put(t, database, strings.Join(test.after, "\n")+"\n")
			out, err := run("rpm-keys.sh", "restore", filepath.Join(dir, "none")+":"+filepath.Join(dir, "repos.d"))
			if err != nil {
				t.Fatal(err, out)
			}
			if diff := cmp.Diff(test.out, out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			wantFile(t, database, strings.Join(test.want, "\n")+"\n")
		})
	}
	t.Run("of a kept repository's address", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "rpm-keys.sh")
		put(t, filepath.Join(dir, "rpm"), "#!/bin/bash\n"+rpmKeys)
		put(t, filepath.Join(dir, "rpmkeys"), "#!/bin/bash\nset -- \"${@/https:/$(dirname \"$0\")}\"\n"+rpmKeys)
		put(t, filepath.Join(dir, "example.com", "vendor"), vendor+"\n")
		put(t, filepath.Join(dir, "repos.d", "a.repo"), repositories(dir))
		database := filepath.Join(dir, "rpmdb")
		if out, err := run("rpm-keys.sh", "save"); err != nil {
			t.Fatal(err, out)
		}
		put(t, database, vendor+"\n"+build+"\n")
		if out, err := run("rpm-keys.sh", "restore", filepath.Join(dir, "repos.d")); err != nil {
			t.Fatal(err, out)
		}
		wantFile(t, database, vendor+"\n")
	})
}

func TestBorrowedPackage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		had, needed bool
		repository  string
		want        string
	}{
		"nobody needs it":      {want: "erased keys\n"},
		"it was there":         {had: true},
		"a package needs it":   {needed: true},
		"a repository uses it": {repository: "[a]\ngpgkey=file:///usr/share/keys/a\n"},
		"another repository":   {repository: "[a]\ngpgkey=file:///etc/pki/keys-a\n", want: "erased keys\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, run := stage(t, "borrow-rpm.sh")
			status := map[bool]string{true: "0", false: "1"}
			put(t, filepath.Join(dir, "rpm"), "#!/bin/bash\ncase $* in\n'-q keys') exit "+status[test.had]+
				" ;;\n'-q --whatrequires keys') exit "+status[test.needed]+" ;;\n'-e keys') echo erased keys ;;\n*) exit 9 ;;\nesac\n")
			put(t, filepath.Join(dir, "repos.d", "a.repo"), test.repository)
			if out, err := run("borrow-rpm.sh", "take", "keys"); err != nil || out != "" {
				t.Fatal(err, out)
			}
			out, err := run("borrow-rpm.sh", "return", "keys", filepath.Join(dir, "repos.d")+":"+filepath.Join(dir, "none"))
			if err != nil || out != test.want {
				t.Errorf("got %v, %q, want %q", err, out, test.want)
			}
		})
	}
}

func TestUpgradeOfEPEL(t *testing.T) {
	t.Parallel()
	got := runScript(t, map[string]string{
		"rpm": `[[ $* == '-q --whatprovides --queryformat %{name}\n epel-release' ]] && echo epel-release-of-alma`,
		"dnf": `printf '%s\n' "$@"`,
	}, "epel-upgrade.sh", "dnf", "-y", "upgrade", "--exclude=x")
	if diff := cmp.Diff("-y\nupgrade\n--exclude=x\nepel-release-of-alma\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSubscriptionStaysOut looks at the steps that run dnf on RHEL, with the
// secret and without.
func TestSubscriptionStaysOut(t *testing.T) {
	t.Parallel()
	for _, secrets := range []string{"", "secrets: [{id: rhsm, env: A}]\n"} {
		project := fstest.MapFS{"recipe.yaml": {Data: []byte("version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: rhel-9}\n" +
			"repos: [{repo: epel, keep: true}, crb]\npackages: {install: [a], optional: [b], remove: [c], lock: [d]}\n" + secrets)}}
		p, problems, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project, Platform: "linux/amd64"})
		if err != nil || p == nil {
			t.Fatal(err, problems)
		}
		var kinds []plan.Kind
		for _, s := range p.Steps {
			if !slices.Contains([]plan.Kind{plan.KindRepos, plan.KindInstall, plan.KindOptional, plan.KindRemove, plan.KindLock}, s.Kind) {
				continue
			}
			kinds = append(kinds, s.Kind)
			commands := s.Instructions[len(s.Instructions)-1].Run.Commands
			if s.Kind == plan.KindOptional {
				commands = commands[1:] // the report
			}
			open := "open /etc/yum.repos.d/redhat.repo"
			if secrets != "" && s.Kind != plan.KindRemove {
				open += " /etc/pki/entitlement"
			}
			first, last := strings.Join(commands[0].Args, " "), strings.Join(commands[len(commands)-1].Args, " ")
			if !strings.HasSuffix(first, "entitlement.sh "+open) || !strings.HasSuffix(last, "entitlement.sh close /etc/yum.repos.d/redhat.repo") {
				t.Errorf("%q, %s: begins with %q and ends with %q", secrets, s.Kind, first, last)
			}
		}
		if len(kinds) != 5 {
			t.Errorf("%q: the steps are %q", secrets, kinds)
		}
	}
}
