package plan_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stage copies scripts into a new folder, as a step has them, and returns what
// runs one of them there.
func stage(t *testing.T, scripts ...string) (dir string, run func(script string, args ...string) (string, error)) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range scripts {
		text, err := os.ReadFile(filepath.Join("scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), string(text))
	}
	return dir, func(script string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join(dir, script)}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// put writes a file, which can be run.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// wantFile fails the test unless a file holds the text.
func wantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(name), diff)
	}
}

func TestSectionsOfRepositories(t *testing.T) {
	t.Parallel()
	const before = "[base]\nname=b\nenabled=1\n\n[quiet]\nenabled = 0\nname=q\n[unsaid]\nname=u\n"
	dir, run := stage(t, "repo-sections.sh")
	repos := filepath.Join(dir, "yum.repos.d")
	base, brought, kept := filepath.Join(repos, "base.repo"), filepath.Join(repos, "x.repo"), filepath.Join(repos, "y.repo")
	put(t, base, before)
	// dnf has more folders than one, and not all of them are there.
	second := filepath.Join(dir, "repos.d")
	repos += ":" + second + ":" + filepath.Join(dir, "none")
	own, other := filepath.Join(second, "own.repo"), filepath.Join(second, "other.repo")
	put(t, own, "[own]\n")
	if out, err := run("repo-sections.sh", "save", repos); err != nil {
		t.Fatal(err, out)
	}
	put(t, other, "[other]\n")
	// What dnf itself writes meanwhile, of the subscription.
	const subscription = "[rhel-9-for-x86_64-baseos-rpms]\nenabled = 1\n"
	redhat := filepath.Join(dir, "yum.repos.d", "redhat.repo")
	put(t, redhat, subscription)
	put(t, brought, "[x]\nname=x\nenabled=1\ngpgcheck=1\n[x-unsaid]\nname=y\n[x-off]\nenabled=0\n[x-yes]\nEnabled=0\nenabled=yes\n")
	put(t, kept, "[y]\nenabled=True\n")
	if out, err := run("repo-sections.sh", "restore", repos, "y*", "base*"); err != nil {
		t.Fatal(err, out)
	}
	wantFile(t, base, before)
	wantFile(t, brought, "[x]\nenabled=0\nname=x\ngpgcheck=1\n[x-unsaid]\nenabled=0\nname=y\n[x-off]\nenabled=0\n[x-yes]\nenabled=0\nEnabled=0\n")
	wantFile(t, kept, "[y]\nenabled=True\n")
	wantFile(t, own, "[own]\n")
	wantFile(t, other, "[other]\nenabled=0\n")
	wantFile(t, redhat, subscription)

	if out, err := run("repo-sections.sh", "enable", repos, "quiet", "other", "unsaid"); err != nil {
		t.Fatal(err, out)
	}
	wantFile(t, other, "[other]\nenabled=1\n")
	wantFile(t, base, strings.Replace(before, "[quiet]\nenabled = 0\n", "[quiet]\nenabled=1\n", 1))
	if out, err := run("repo-sections.sh", "enable", repos, "qui"); err == nil || out != "bootkiln: the image has no repository \"qui\"\n" {
		t.Errorf("an unknown repository: got %v, %q", err, out)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	const (
		nothing = "bootkiln:problem\tnot-installed\tabsent*\t\"absent*\" cannot be locked: no such package is installed\n" +
			"bootkiln:problem\tnot-installed\tgone\t\"gone\" cannot be locked: no such package is installed\n"
		known = "bootkiln:known\tnot-installed\t"
	)
	t.Run("dnf4", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "lock-dnf4.sh", "rpm-installed.sh", "problem.sh")
		put(t, filepath.Join(dir, "rpm"), "#!/bin/bash\n"+rpmDatabase)
		list := filepath.Join(dir, "etc", "versionlock.list")
		put(t, list, "wine-0:9.0-1.el10.*\n")
		if out, err := run("lock-dnf4.sh", "list", list, "kernel*", "wine", "vim-minimal"); err != nil {
			t.Fatal(err, out)
		}
		wantFile(t, list, "wine-0:9.0-1.el10.*\nkernel-core-0:6.12.0-1.el10.*\nkernel-core-0:6.12.0-2.el10.*\nvim-minimal-2:9.1-3.el10.*\n")
		if out, err := run("lock-dnf4.sh", "list", list, "absent*", "wine", "gone"); err == nil || !strings.HasPrefix(out, nothing+known) {
			t.Errorf("got %v, %q", err, out)
		}
	})
	t.Run("dnf5", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "lock-dnf5.sh", "rpm-installed.sh", "problem.sh")
		put(t, filepath.Join(dir, "rpm"), "#!/bin/bash\n"+rpmDatabase)
		list := filepath.Join(dir, "etc", "versionlock.toml")
		if out, err := run("lock-dnf5.sh", list, "wine", "vim-minimal", "w*"); err != nil {
			t.Fatal(err, out)
		}
		entry := "\n[[packages]]\nname = %q\n[[packages.conditions]]\nkey = \"evr\"\ncomparator = \"=\"\nvalue = %q\n"
		wantFile(t, list, "version = \"1.0\"\n"+fmt.Sprintf(entry, "vim-minimal", "2:9.1-3.el10")+fmt.Sprintf(entry, "wine", "0:9.0-1.el10"))
		if out, err := run("lock-dnf5.sh", list, "absent*", "gone"); err == nil || !strings.HasPrefix(out, nothing+known) {
			t.Errorf("got %v, %q", err, out)
		}
	})
	t.Run("apt", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "lock-apt.sh", "problem.sh")
		put(t, filepath.Join(dir, "dpkg-query"), `#!/bin/bash
case ${!#} in
wine*) ;;
'${Package}\n') exec echo wine ;;
*) exit 1 ;;
esac
printf 'installed wine\nconfig-files wine32:i386\ninstalled wine64:amd64\n'
`)
		put(t, filepath.Join(dir, "apt-mark"), "#!/bin/bash\necho \"$@\"\n")
		if out, err := run("lock-apt.sh", "wine*"); err != nil || out != "hold -- wine wine64:amd64\n" {
			t.Errorf("got %v, %q", err, out)
		}
		if out, err := run("lock-apt.sh", "absent*", "wine*", "gone"); err == nil || out != nothing+known+"wine\n" {
			t.Errorf("got %v, %q", err, out)
		}
	})
}

// TestGroupNames has a dnf5 whose lists look like those of DNF 5.
func TestGroupNames(t *testing.T) {
	t.Parallel()
	dir, run := stage(t, "groups-dnf5.sh")
	put(t, filepath.Join(dir, "dnf5"), `#!/bin/bash
case $* in
*'group list --hidden') printf 'ID                   Name                            Installed\nkde-desktop          KDE                                    no\ninput-methods        Input Methods                         yes\n' ;;
*'environment list') printf 'ID                       Name                  Installed\nkde-desktop-environment  KDE Plasma Workspaces        no\n' ;;
*) printf '%s\n' "$@" ;;
esac
[[ $* != *list* || $* == '-y --enablerepo=x '* ]]
`)
	got, err := run("groups-dnf5.sh", "dnf5", "-y", "install", "--enablerepo=x", "wine", "@KDE", "@KDE Plasma Workspaces", "@Input Methods", "@kde-desktop", "@KDE Plasma")
	if err != nil {
		t.Fatal(err, got)
	}
	want := "-y\ninstall\n--enablerepo=x\nwine\n@kde-desktop\n@kde-desktop-environment\n@input-methods\n@kde-desktop\n@KDE Plasma\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/file.rpm" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "content")
	}))
	t.Cleanup(server.Close)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("content")))
	dir, run := stage(t, "fetch.sh")
	file := filepath.Join(dir, "packages", "file.rpm")

	if out, err := run("fetch.sh", file, server.URL+"/file.rpm", sum); err != nil {
		t.Fatal(err, out)
	}
	wantFile(t, file, "content")

	other := strings.Repeat("0", 64)
	out, err := run("fetch.sh", file, server.URL+"/file.rpm", other)
	if err == nil || out != "bootkiln: what is at "+server.URL+"/file.rpm has the SHA-256 digest "+sum+", and not "+other+"\n" {
		t.Errorf("another digest: got %v, %q", err, out)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the wrong file is still there: %v", err)
	}
	if out, err := run("fetch.sh", file, server.URL+"/none.rpm"); err == nil || !strings.Contains(out, "404") {
		t.Errorf("no such file: got %v, %q", err, out)
	}
}

func TestEntitlement(t *testing.T) {
	t.Parallel()
	const certificate = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"1.pem", "1-key.pem"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(certificate))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(certificate)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		secret string
		want   []string
	}{
		"folder":   {archive.String(), []string{"1-key.pem", "1.pem"}},
		"one file": {certificate, []string{"bootkiln-key.pem", "bootkiln.pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, run := stage(t, "entitlement.sh")
			folder, repos := filepath.Join(dir, "entitlements"), filepath.Join(dir, "redhat.repo.d", "redhat.repo")
			put(t, filepath.Join(dir, "entitlement"), test.secret)
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			put(t, repos, "[of the image]\n")
			if out, err := run("entitlement.sh", "open", repos, folder); err != nil {
				t.Fatal(err, out)
			}
			for _, file := range test.want {
				wantFile(t, filepath.Join(folder, file), certificate)
			}
			put(t, repos, "[of the subscription]\n")
			if out, err := run("entitlement.sh", "close", repos); err != nil {
				t.Fatal(err, out)
			}
			wantFile(t, repos, "[of the image]\n")
		})
	}
	t.Run("not one", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "entitlement.sh")
		put(t, filepath.Join(dir, "entitlement"), "nonsense")
		if out, err := run("entitlement.sh", "open", filepath.Join(dir, "none"), dir); err == nil {
			t.Errorf("got %q", out)
		}
	})
	t.Run("of the host", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "entitlement.sh")
		repos := filepath.Join(dir, "redhat.repo.d", "redhat.repo")
		put(t, repos, "[of the image]\n")
		if out, err := run("entitlement.sh", "open", repos); err != nil {
			t.Fatal(err, out)
		}
		put(t, repos, "[of the subscription]\n")
		if out, err := run("entitlement.sh", "close", repos); err != nil {
			t.Fatal(err, out)
		}
		wantFile(t, repos, "[of the image]\n")
	})
	t.Run("no repositories before", func(t *testing.T) {
		t.Parallel()
		dir, run := stage(t, "entitlement.sh")
		put(t, filepath.Join(dir, "entitlement"), certificate)
		repos := filepath.Join(dir, "made.repo")
		if out, err := run("entitlement.sh", "open", repos, dir); err != nil {
			t.Fatal(err, out)
		}
		put(t, repos, "[of the subscription]\n")
		if out, err := run("entitlement.sh", "close", repos); err != nil {
			t.Fatal(err, out)
		}
		if _, err := os.Stat(repos); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file of repositories stays: %v", err)
		}
	})
}
