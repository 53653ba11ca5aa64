package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

func TestManagerFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		distro Distro
		want   string
	}{
		{Distro{ID: "debian", Version: "12"}, "apt-get"},
		{Distro{ID: "debian"}, "apt-get"}, // testing has no VERSION_ID
		{Distro{ID: "ubuntu", Version: "26.04", IDLike: []string{"debian"}}, "apt-get"},
		{Distro{ID: "linuxmint", Version: "22", IDLike: []string{"ubuntu", "debian"}}, "apt-get"},
		{Distro{ID: "centos", Version: "9", IDLike: []string{"rhel", "fedora"}}, "dnf"},
		{Distro{ID: "centos", Version: "10"}, "dnf"},
		{Distro{ID: "rhel", Version: "9.6", IDLike: []string{"fedora"}}, "dnf"},
		{Distro{ID: "rhel", Version: "10.1", IDLike: []string{"fedora"}}, "dnf"},
		{Distro{ID: "almalinux", Version: "10.0", IDLike: []string{"rhel", "centos", "fedora"}}, "dnf"},
		{Distro{ID: "rocky", Version: "9"}, "dnf"},
		{Distro{ID: "other", Version: "9", IDLike: []string{"rhel", "fedora"}}, "dnf"},
		{Distro{ID: "rhel", Version: "11", IDLike: []string{"fedora"}}, "dnf5"},
		{Distro{ID: "fedora", Version: "40"}, "dnf"},
		{Distro{ID: "fedora", Version: "41"}, "dnf5"},
		{Distro{ID: "fedora", Version: "44"}, "dnf5"},
		{Distro{ID: "bazzite", Version: "43", IDLike: []string{"fedora"}}, "dnf5"},
		{Distro{ID: "arch"}, ""},
		{Distro{}, ""},
	} {
		got := ""
		if m := managerFor(test.distro); m != nil {
			got = m.Name()
		}
		if got != test.want {
			t.Errorf("%+v: got %q, want %q", test.distro, got, test.want)
		}
	}
}

func TestParseDistro(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Distro{
		"centos-10":     {ID: "centos", Version: "10"},
		"ubuntu-24.04":  {ID: "ubuntu", Version: "24.04"},
		"debian":        {ID: "debian"},
		"opensuse-leap": {ID: "opensuse-leap"},
	} {
		if diff := cmp.Diff(want, ParseDistro(text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestPin(t *testing.T) {
	t.Parallel()
	digest := BaseInfo{Digest: "sha256:d", ImageID: "id"}
	for _, test := range []struct {
		image string
		info  BaseInfo
		want  string
	}{
		{"quay.io/a/b:1", digest, "quay.io/a/b@sha256:d"},
		{"docker://quay.io/a/b:1", digest, "quay.io/a/b@sha256:d"},
		{"quay.io/a/b:1@sha256:old", digest, "quay.io/a/b@sha256:d"},
		{"localhost:5000/b", digest, "localhost:5000/b@sha256:d"},
		{"localhost:5000/b:1", digest, "localhost:5000/b@sha256:d"},
		{"quay.io/a/b:1", BaseInfo{}, "quay.io/a/b:1"},
		{"docker://quay.io/a/b:1", BaseInfo{}, "quay.io/a/b:1"},
		{"quay.io/a/b:1", BaseInfo{ImageID: "id"}, "id"},
		{"containers-storage:localhost/b:1", digest, "id"},
		{"containers-storage:localhost/b:1", BaseInfo{}, "containers-storage:localhost/b:1"},
		{"oci:dir:1", BaseInfo{Digest: "sha256:d"}, "oci:dir:1"},
	} {
		if got := pin(test.image, test.info); got != test.want {
			t.Errorf("%s, %+v: got %q, want %q", test.image, test.info, got, test.want)
		}
	}
}

func TestCacheID(t *testing.T) {
	t.Parallel()
	if got, want := cacheID(Distro{ID: "../../Etc", Version: "1,target=/"}, "apt"), "bootkiln-.._.._etc-1_target__-apt"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKernelArguments(t *testing.T) {
	t.Parallel()
	args := []Word{{Value: `a="b\c"`}, {Value: "quiet"}}
	want := "kargs = [\"a=\\\"b\\\\c\\\"\", \"quiet\"]\nmatch-architectures = [\"aarch64\"]\n"
	if diff := cmp.Diff(want, string(kargs(args, []string{"aarch64"}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// tree makes a folder, and returns it as a project.
func tree(t *testing.T) (string, fs.FS) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	for _, step := range []error{
		os.MkdirAll(filepath.Join(dir, "src/sub"), 0o777),
		os.WriteFile(filepath.Join(dir, "src/b"), []byte("b"), 0o600),
		os.WriteFile(filepath.Join(dir, "src/sub/a"), []byte("a"), 0o600),
		os.Chmod(filepath.Join(dir, "src/b"), 0o777), // past the umask
		os.Symlink("/etc/shadow", filepath.Join(dir, "src/absolute")),
		os.Symlink("../../../outside", filepath.Join(dir, "src/relative")),
		os.Symlink("src", filepath.Join(dir, "link")),
		os.Symlink("/etc", filepath.Join(dir, "leaves")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	return dir, root.FS()
}

func TestSourceWalk(t *testing.T) {
	t.Parallel()
	_, project := tree(t)
	type entry struct{ Path, Mode, Target string }
	walk := func(src Source) (list []entry, err error) {
		err = src.Walk(project, func(e Entry) error {
			list = append(list, entry{e.Path, e.Mode.String(), e.Target})
			return nil
		})
		return list, err
	}
	want := []entry{
		{".", "drwxr-xr-x", ""},
		{"absolute", "Lrwxrwxrwx", "/etc/shadow"},
		{"b", "-rwxr-xr-x", ""},
		{"relative", "Lrwxrwxrwx", "../../../outside"},
		{"sub", "drwxr-xr-x", ""},
		{"sub/a", "-rw-------", ""},
	}
	for _, name := range []string{"src", "link"} {
		got, err := walk(Source{Path: name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := walk(Source{Path: "link/sub/a", Mode: 0o640})
	if diff := cmp.Diff([]entry{{".", "-rw-r-----", ""}}, got); diff != "" || err != nil {
		t.Errorf("file: %v (-want +got):\n%s", err, diff)
	}
	if _, err := walk(Source{Path: "leaves"}); err == nil {
		t.Error("a link out of the project was followed")
	}
}

func TestSourceSpecialFile(t *testing.T) {
	t.Parallel()
	dir, project := tree(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "src/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sum(project, Source{Path: "src"}); !errors.Is(err, errSpecial) {
		t.Errorf("got %v", err)
	}
}

// TestSumTellsApart changes everything that a build can notice, one at a time.
func TestSumTellsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, change := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"content": func(dir string) error { return os.WriteFile(dir+"/src/sub/a", []byte("A"), 0o600) },
		"name":    func(dir string) error { return os.Rename(dir+"/src/sub/a", dir+"/src/sub/c") },
		"mode":    func(dir string) error { return os.Chmod(dir+"/src/sub/a", 0o700) },
		"link": func(dir string) error {
			return errors.Join(os.Remove(dir+"/src/absolute"), os.Symlink("x", dir+"/src/absolute"))
		},
		"folder":   func(dir string) error { return os.Mkdir(dir+"/src/new", 0o700) },
		"gone":     func(dir string) error { return os.Remove(dir + "/src/b") },
		"boundary": func(dir string) error { return os.WriteFile(dir+"/src/b", []byte("b\n8 relative "), 0o777) },
	} {
		dir, project := tree(t)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		digest, _, err := sum(project, Source{Path: "src"})
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[digest] = name
	}
	// The time does not count, nor does the umask.
	dir, project := tree(t)
	before, _, _ := sum(project, Source{Path: "src"})
	if err := errors.Join(os.Chmod(dir+"/src/b", 0o775), os.Chtimes(dir+"/src/b", time.Unix(1, 0), time.Unix(1, 0))); err != nil {
		t.Fatal(err)
	}
	if after, _, _ := sum(project, Source{Path: "src"}); after != before {
		t.Error("the time or the umask changed the digest")
	}
}

func TestLocalePackages(t *testing.T) {
	t.Parallel()
	at := diag.Pos{File: "r", Line: 1, Col: 1}
	needed, wanted := dnfLocale(localeWords{languages: []Word{
		{"ko_KR.UTF-8", at}, {"en_US.UTF-8", at}, {"en_GB.UTF-8", at}, {"zh_CN.UTF-8", at}, {"sr_RS.UTF-8@latin", at}, {"C.UTF-8", at},
	}})
	values := func(words []Word) (list []string) {
		for _, w := range words {
			list = append(list, w.Value)
		}
		return list
	}
	if diff := cmp.Diff([]string{"glibc-langpack-ko", "glibc-langpack-en", "glibc-langpack-zh", "glibc-langpack-sr"}, values(needed)); diff != "" {
		t.Errorf("needed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"langpacks-ko", "langpacks-en", "langpacks-en_GB", "langpacks-zh_CN", "langpacks-sr"}, values(wanted)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}
