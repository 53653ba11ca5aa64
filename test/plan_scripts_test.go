//go:build e2e

package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// changed writes a recipe whose one step under "run" is shell, and that builds
// the initramfs where something has changed.
func (p *project) changed(t testing.TB, shell string) {
	t.Helper()
	write(t, p.recipe(), []byte(`version: 1
name: e2e
base: {image: "containers-storage:`+debianBase+`"}
files: [{content: "of a test", destination: /usr/lib/`+p.mark+`/file}]
run: [{name: change, network: false, shell: `+quoteYAML(shell)+"}]\n"))
}

// TestKernelThatIsGone leaves what the purge of a Debian kernel leaves: the
// files that the base has added to its folder.
func TestKernelThatIsGone(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.changed(t, `cd /usr/lib/modules
mkdir 1.0-gone
touch 1.0-gone/vmlinuz 1.0-gone/initramfs.img 1.0-gone/config 1.0-gone/modules.builtin
mkdir -p /var/cache/debconf /var/cache/other
touch /var/cache/debconf/config.dat-old /var/cache/other/file
echo of the base >/var/cache/debconf/config.dat
`)
	bootkiln(t, p.args("build")...).want(t, 0, "removing what is left of kernel 1.0-gone", "the initramfs stays")
	if got := p.imageFile(t, "var/cache/debconf/config.dat"); got != "of the base\n" {
		t.Errorf("debconf's database holds %q", got)
	}
	p.inFolder(t, func(root string) {
		if got, _ := filepath.Glob(root + "/usr/lib/modules/*"); len(got) != 1 {
			t.Errorf("folders of modules: %q", got)
		}
		for _, name := range []string{"var/cache/debconf/config.dat-old", "var/cache/other/file"} {
			if _, err := os.Lstat(filepath.Join(root, name)); !os.IsNotExist(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := os.Lstat(filepath.Join(root, "var/cache/other")); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoKernels(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.changed(t, "mkdir -p /usr/lib/modules/1.0-other/kernel\ntouch /usr/lib/modules/1.0-other/vmlinuz\n")
	bootkiln(t, p.args("build")...).want(t, 3, "the image has 2 kernels (1.0-other ")
}

// TestInitramfsIsBuiltAnew changes what dracut takes into an initramfs. The
// dracut of this image says so and fails, since a real one takes minutes.
func TestInitramfsIsBuiltAnew(t *testing.T) {
	t.Parallel()
	const dracut = "rm /usr/bin/dracut\nprintf '#!/bin/sh\\necho dracut was called\\nexit 1\\n' >/usr/bin/dracut\nchmod +x /usr/bin/dracut\n"
	for _, name := range []string{"/etc/modprobe.d/e2e.conf", "/usr/lib/modprobe.d/e2e.conf", "/etc/locale.conf"} {
		t.Run(filepath.Dir(name), func(t *testing.T) {
			p := newProject(t)
			p.changed(t, dracut+"rm -f "+name+"\necho LANG=ko_KR.UTF-8 >"+name+"\n")
			bootkiln(t, p.args("build")...).want(t, 3, "dracut was called")
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		p := newProject(t)
		p.changed(t, "rm /usr/bin/sha256sum\nprintf '#!/bin/sh\\necho cannot be read >&2\\nexit 1\\n' >/usr/bin/sha256sum\nchmod +x /usr/bin/sha256sum\n")
		got := bootkiln(t, p.args("build")...)
		got.want(t, 3, "cannot be read")
		if strings.Contains(got.stderr, "the initramfs stays") {
			t.Errorf("what could not be compared is taken for equal:\n%s", got.stderr)
		}
	})
}

// TestAptTakesNoRegularExpressions asks apt-get, with the configuration of the
// build, for packages that are installed: so no repository is needed.
func TestAptTakesNoRegularExpressions(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("../pkg/plan/scripts/apt.conf")
	if err != nil {
		t.Fatal(err)
	}
	p := newProject(t)
	got := p.inImage(t, `mkdir -p /run/bootkiln/cache/archives/partial /run/bootkiln/cache/indexes/partial
export APT_CONFIG=/usr/lib/apt.conf.e2e
for name in dpkg 'dpk*' 'd*kg' 'dpk.' 'dpk?'; do
	if apt-get --simulate install -- "$name" >&2; then echo "$name: yes"; else echo "$name: no"; fi
done`,
		"  - {destination: /usr/lib/apt.conf.e2e, content: "+quoteYAML(string(config))+"}")
	if want := "dpkg: yes\ndpk*: yes\nd*kg: yes\ndpk.: no\ndpk?: no\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
