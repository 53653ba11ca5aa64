package plan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// runScript runs a script with programs that are stubs, by name, and returns
// what it prints.
func runScript(t *testing.T, programs map[string]string, script string, args ...string) string {
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
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", script, args, err, out)
	}
	return string(out)
}

// rpmDatabase answers "rpm -qa --queryformat" as rpm does, with the values of
// these packages; and nothing provides anything.
const rpmDatabase = `[[ $1 == -qa ]] || exit 1
format=${3//'\n'/}
for package in 'wine 0 9.0 1.el10 x86_64' 'wine 0 9.0 1.el10 i686' 'kernel-core 0 6.12.0 1.el10 x86_64' \
	'kernel-core 0 6.12.0 2.el10 x86_64' 'vim-minimal 2 9.1 3.el10 x86_64' 'gpg-pubkey 0 1 2 (none)'; do
	read -r name epoch version release arch <<<"$package"
	line=${format//'%{name}'/$name} line=${line//'%{epochnum}'/$epoch} line=${line//'%{version}'/$version}
	line=${line//'%{release}'/$release}
	printf '%s\n' "${line//'%{arch}'/$arch}"
done
`

func TestRemoveDNF(t *testing.T) {
	t.Parallel()
	programs := map[string]string{"rpm": rpmDatabase, "dnf": `printf '%s\n' "$@"`}
	const (
		wine, wine32     = "wine-0:9.0-1.el10.x86_64", "wine-0:9.0-1.el10.i686"
		kernel1, kernel2 = "kernel-core-0:6.12.0-1.el10.x86_64", "kernel-core-0:6.12.0-2.el10.x86_64"
		vim              = "vim-minimal-2:9.1-3.el10.x86_64"
	)
	for _, test := range []struct {
		names []string
		want  []string
	}{
		{[]string{"wine"}, []string{wine32, wine}},
		{[]string{"wine.i686"}, []string{wine32}},
		{[]string{"wine-9.0-1.el10.x86_64"}, []string{wine}},
		{[]string{"kernel-core-6.12.0-1.el10"}, []string{kernel1}},
		{[]string{"kernel-core-6.12.0-1*"}, []string{kernel1}},
		{[]string{"kernel-core-6.12.0"}, []string{kernel1, kernel2}},
		{[]string{"vim-minimal-2:9.1-3.el10"}, []string{vim}},
		{[]string{"vim-2"}, nil},
		{[]string{"*.i686", "w[ij]ne", "vim-?inimal", "absent"}, []string{vim, wine32, wine}},
		{[]string{"*"}, []string{kernel1, kernel2, vim, wine32, wine}},
		{[]string{"absent", "core", "wine.s390x", "kernel-core-6.12.0-3*"}, nil},
	} {
		got := strings.Split(strings.TrimSuffix(runScript(t, programs, "remove-dnf.sh", append([]string{"dnf"}, test.names...)...), "\n"), "\n")
		want := append([]string{"-y", "--setopt=clean_requirements_on_remove=False", "remove"}, test.want...)
		if test.want == nil {
			want = []string{"bootkiln: none of the packages is installed"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.names, diff)
		}
	}
}

func TestOptionalDNFKnowsWhatIsInstalled(t *testing.T) {
	t.Parallel()
	got := runScript(t, map[string]string{"rpm": rpmDatabase},
		"optional-dnf.sh", "wine.i686", "kernel-core-6.12.0-1*", "vim-minimal-9.1-3.el10.x86_64", "wine")
	if got != "" {
		t.Errorf("got %q", got)
	}
}

func TestRemoveAPT(t *testing.T) {
	t.Parallel()
	got := runScript(t, map[string]string{
		// Without an architecture, a package of another one is not found.
		"dpkg-query": `case $* in
*'${db:Status-Status} ${binary:Package}\n'*'wine*') printf 'installed wine\nconfig-files wine32:i386\nnot-installed wine64\n' ;;
*) exit 1 ;;
esac`,
		"apt-get": `printf '%s\n' "$@"`,
	}, "remove-apt.sh", "absent", "wine*")
	if diff := cmp.Diff("purge\n-y\n--\nwine\nwine32:i386\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOptionalReportStartsAnew looks at the steps that add to the report.
func TestOptionalReportStartsAnew(t *testing.T) {
	t.Parallel()
	for name := range cases {
		p, _ := planOf(t, name)
		adding, first := 0, ""
		for _, s := range p.Steps {
			for _, i := range s.Instructions {
				if i.Run == nil {
					continue
				}
				for j, c := range i.Run.Commands {
					switch {
					case strings.Join(c.Args, " ") == "rm -f "+plan.OptionalReport:
						if adding > 0 || j > 0 || first != "" {
							t.Errorf("%s: the report is removed again in %q", name, s.Title)
						}
						first = s.Title
					case len(c.Args) > 1 && strings.Contains(c.Args[1], "/optional-"):
						adding++
					}
				}
			}
		}
		if (adding > 0) != (first != "") {
			t.Errorf("%s: %d instructions add to the report, and it is started in %q", name, adding, first)
		}
	}
}
