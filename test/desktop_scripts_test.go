//go:build e2e

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/kernel"
)

// scriptsProject is a project whose base has the scripts of package plan in
// /usr/lib/e2e, and files that stand for packages.
func scriptsProject(t *testing.T, files map[string]string) desktopProject {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), []byte(content))
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "usr/bin/") {
			mode = 0o755
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return newDesktopProject(t, map[string]string{"/": dir + "/.", "/usr/lib/e2e": "../pkg/plan/scripts"})
}

// run builds an image in which the shell ran; a script that it calls is
// "$s/NAME.sh".
func (p desktopProject) run(t *testing.T, status int, shell string, words ...string) {
	t.Helper()
	p.write(t, "kernel: {initramfs: never}", "run: [{name: scripts, network: false, shell: "+quoteYAML("s=/usr/lib/e2e\n"+shell)+"}]")
	bootkiln(t, p.args("build")...).want(t, status, words...)
}

const displayManagerUnit = "[Service]\nExecStart=/usr/bin/true\n"

func TestDisplayManagerScript(t *testing.T) {
	t.Parallel()
	p := scriptsProject(t, map[string]string{
		"usr/lib/systemd/system/sddm.service":                 displayManagerUnit + "[Install]\nAlias=display-manager.service\n",
		"usr/lib/systemd/system/gdm.service":                  displayManagerUnit,
		"usr/lib/systemd/system/site-greeter.service":         displayManagerUnit + "[Install]\nAlias=display-manager.service\n",
		"usr/share/wayland-sessions/plasma.desktop":           "",
		"usr/share/xsessions/plasma.desktop":                  "",
		"usr/share/xsessions/openbox.desktop":                 "",
		"usr/share/accountsservice/user-templates/standard":   "[Template]\n\n[User]\nSession=\nIcon=x\n",
		"usr/lib/systemd/system/bootkiln-flatpak.service":     read(t, "../pkg/plan/scripts/flatpak.service"),
		"usr/lib/systemd/system/bootkiln-flatpak.timer":       read(t, "../pkg/plan/scripts/flatpak.timer"),
		"usr/bin/bootkiln-flatpak":                            "#!/bin/sh\n",
		"usr/share/accountsservice/user-templates/additional": "[User]\n",
		"var/lib/sddm/.config":                                "",
		"var/cache/sddm/kept":                                 "",
		"usr/lib/tmpfiles.d/sddm.conf":                        "d /var/cache/sddm 0711 sddm sddm\n#d /var/lib/sddm\nd /var/lib/sddm-data -\n",
	})
	p.run(t, 0, `SYSTEMD_OFFLINE=1 systemctl enable site-greeter.service
install -m 0755 /usr/bin/bootkiln-flatpak /usr/libexec/bootkiln-flatpak
bash $s/display-manager.sh --session=plasma sddm.service`,
		"site-greeter.service is disabled, since sddm.service is the display manager")
	p.inFolder(t, func(root string) {
		wantLinks(t, root, map[string]string{"etc/systemd/system/display-manager.service": "/usr/lib/systemd/system/sddm.service"})
		wantFiles(t, root, map[string]string{
			"usr/lib/systemd/system-preset/10-bootkiln-desktop.preset": "enable sddm.service\ndisable gdm.service\ndisable site-greeter.service\n",
			"usr/lib/tmpfiles.d/bootkiln-session.conf": "f /var/lib/sddm/state.conf 0644 sddm sddm - " +
				"[Last]\\nSession=/usr/share/wayland-sessions/plasma.desktop\\n\n",
			"usr/lib/tmpfiles.d/bootkiln-display-manager.conf": "d /var/lib/sddm 0755 root root -\n",
		})
		for _, unit := range []string{"bootkiln-flatpak.service", "bootkiln-flatpak.timer"} {
			if out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root="+root, unit).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
			}
		}
	})

	// A unit without [Install], as Debian's of gdm.
	p.run(t, 0, "bash $s/display-manager.sh --session=openbox gdm.service gdm3.service")
	p.inFolder(t, func(root string) {
		wantLinks(t, root, map[string]string{"etc/systemd/system/display-manager.service": "/usr/lib/systemd/system/gdm.service"})
		wantFiles(t, root, map[string]string{
			"etc/accountsservice/user-templates/standard":   "[Template]\n\n[User]\nSession=openbox\nIcon=x\n",
			"etc/accountsservice/user-templates/additional": "[User]\nSession=openbox\n",
		})
	})

	p.run(t, 3, "bash $s/display-manager.sh --session=plasme sddm.service",
		`the image has no session "plasme"; it has: openbox plasma`, `did you mean "plasma"?`)
	p.run(t, 3, "bash $s/display-manager.sh lightdm.service",
		`the image has no unit "lightdm.service"; its display managers are: gdm.service sddm.service site-greeter.service`)
}

// TestUnitsThatAreOtherNames are not for systemctl, but may be masked.
func TestUnitsThatAreOtherNames(t *testing.T) {
	t.Parallel()
	p := scriptsProject(t, map[string]string{"usr/lib/systemd/system/ssh.service": displayManagerUnit + "[Install]\nAlias=sshd.service\n"})
	const other = "SYSTEMD_OFFLINE=1 systemctl enable ssh.service\nbash $s/units.sh system "
	p.run(t, 0, other+"--mask=sshd.service ssh.service")
	p.run(t, 3, other+"sshd.service", `"sshd.service" is another name of "ssh.service"; write that`)
}

// TestSubordinateNumbers begin after those that the image has.
func TestSubordinateNumbers(t *testing.T) {
	t.Parallel()
	p := scriptsProject(t, map[string]string{"usr/bin/newuidmap": "#!/bin/sh\n", "etc/subuid": "site:1000000:10\nb:100000:65536\n"})
	p.run(t, 0, "rm -rf /etc/subgid /etc/skel\nfor _ in 1 2; do bash $s/users.sh --user=a --shell=/bin/bash --user=b; done")
	p.inFolder(t, func(root string) {
		wantFiles(t, root, map[string]string{
			"etc/subuid": "site:1000000:10\nb:100000:65536\na:1000010:65536\n",
			"etc/subgid": "a:524288:65536\nb:589824:65536\n",
		})
		if entry, err := os.Stat(filepath.Join(root, "etc/skel")); err != nil || !entry.IsDir() {
			t.Errorf("what homes are copies of: %v", err)
		}
	})
}

func TestInputMethodScript(t *testing.T) {
	t.Parallel()
	const component = "<component><name>org.freedesktop.IBus.X</name>\n<engines>\n<engine>\n<name>other</name>\n</engine>\n</engines></component>\n"
	p := scriptsProject(t, map[string]string{
		"usr/bin/fcitx5":           "#!/bin/sh\n",
		"usr/bin/ibus":             "#!/bin/sh\n",
		"usr/bin/kwin_wayland":     "#!/bin/sh\n",
		"etc/default/keyboard":     "XKBLAYOUT=\"kr,us\"\n",
		"etc/xdg/kwinrc":           "[Wayland]\nInputMethod=old\n[Windows]\nx=1\n",
		"etc/gtk-3.0/settings.ini": "[Settings]\ngtk-theme-name=Breeze\n",
		"usr/share/applications/org.fcitx.Fcitx5.desktop": "[Desktop Entry]\nExec=fcitx5\n",
		"usr/share/fcitx5/inputmethod/hangul.conf":        "",
		"usr/share/ibus/component/hangul.xml":             component,
	})
	p.run(t, 0, "bash $s/input-method.sh fcitx5 --engine=hangul:hangul")
	p.inFolder(t, func(root string) {
		wantFiles(t, root, map[string]string{
			"usr/lib/environment.d/50-bootkiln-input-method.conf": "XMODIFIERS=@im=fcitx\n",
			"etc/gtk-3.0/settings.ini":                            "[Settings]\ngtk-theme-name=Breeze\ngtk-im-module=fcitx\n",
			"etc/xdg/kwinrc":                                      "[Wayland]\nInputMethod[$e]=/usr/share/applications/org.fcitx.Fcitx5.desktop\n[Windows]\nx=1\n",
			"etc/xdg/autostart/org.fcitx.Fcitx5.desktop":          "[Desktop Entry]\nExec=fcitx5\nNotShowIn=KDE;\n",
			"etc/xdg/fcitx5/profile": "[Groups/0]\nName=Default\nDefault Layout=kr\nDefaultIM=hangul\n\n" +
				"[Groups/0/Items/0]\nName=keyboard-kr\nLayout=\n\n[Groups/0/Items/1]\nName=hangul\nLayout=\n\n[GroupOrder]\n0=Default\n",
		})
	})

	// Without ibus's program for KWin; no schemas are there to be compiled.
	p.run(t, 0, "bash $s/input-method.sh ibus --engine=hangul:hangul")
	p.inFolder(t, func(root string) {
		wantFiles(t, root, map[string]string{
			"usr/lib/environment.d/50-bootkiln-input-method.conf": "XMODIFIERS=@im=ibus\nQT_IM_MODULE=ibus\n",
			"etc/xdg/kwinrc": "[Wayland]\nInputMethod=old\n[Windows]\nx=1\n",
			"etc/xdg/autostart/bootkiln-ibus.desktop": "[Desktop Entry]\nType=Application\nName=IBus\n" +
				"Exec=ibus-daemon --daemonize --xim --replace\nOnlyShowIn=KDE;\nNoDisplay=true\n",
		})
	})
	p.run(t, 3, "bash $s/input-method.sh fcitx5 --engine=anthy:anthy", `fcitx5 has no engine "anthy" in this image`)
}

// TestMisspeltWordsOfTheDesktop are named at their place with what is near.
func TestMisspeltWordsOfTheDesktop(t *testing.T) {
	t.Parallel()
	p := newDesktopProject(t, nil)
	for _, test := range []struct{ line, want, hint string }{
		{"systemd: {enable: [systemd-timesynd.service]}", `20: there is no unit "systemd-timesynd.service" in the image`, ""},
		{"systemd: {user: {enable: [dirmgr.socket]}}", `27: there is no unit "dirmgr.socket" in the image`, `did you mean "dirmngr.socket"?`},
		{"users: [{name: daemon}]", `16: the image has a user "daemon" of its own; use another name`, ""},
		{"users: [{name: nobody}]", `16: the image has a user "nobody" of its own; use another name`, ""},
		{"users: [{name: a, shell: /bin/bassh}]", `26: there is no shell "/bin/bassh" in the image`, `did you mean "/bin/bash"?`},
		{"kernel: {dracut: {add: [crypto]}}", `25: dracut has no module "crypto" in this image`, `did you mean "crypt"?`},
		{"kernel: {dracut: {drivers: [virtio_blkk]}}", `29: kernel `, `did you mean "virtio_blk"?`},
	} {
		p.write(t, test.line)
		bootkiln(t, p.args("build")...).want(t, 3, p.recipe()+":4:"+test.want, test.hint)
	}
}

// TestDracutWords builds an initramfs with what is added and without what is
// left out.
func TestDracutWords(t *testing.T) {
	t.Parallel()
	p := newDesktopProject(t, nil)
	p.write(t, "kernel: {dracut: {add: [debug], omit: [terminfo], drivers: [btrfs, virtio_blk]}}")
	bootkiln(t, p.args("build")...).want(t, 0)
	p.inFolder(t, func(root string) {
		images, err := filepath.Glob(root + "/usr/lib/modules/*/initramfs.img")
		if err != nil || len(images) != 1 {
			t.Fatal(images, err)
		}
		f, err := os.Open(images[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		initramfs, err := kernel.ReadInitramfs(t.Context(), f, kernel.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !initramfs.HasModule("btrfs") {
			t.Error("the driver btrfs is not in the initramfs")
		}
		list, ok := initramfs.Lookup("usr/lib/dracut/modules.txt")
		if modules := strings.Fields(string(list.Content)); !ok || !slices.Contains(modules, "debug") || slices.Contains(modules, "terminfo") ||
			!slices.Contains(modules, "ostree") {
			t.Errorf("the modules of dracut are %q", modules)
		}
	})
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestHostnameStays builds with every isolation: builders have a file of their
// own in the place of /etc/hostname while a step runs.
func TestHostnameStays(t *testing.T) {
	t.Parallel()
	p := newDesktopProject(t, nil)
	p.write(t, "hostname: kiln.example.com", "kernel: {initramfs: never}", "run: [{name: after, shell: hostname}]")
	for _, isolation := range isolations {
		bootkiln(t, p.args("build", "--no-cache", "--isolation", string(isolation))...).want(t, 0)
		p.inFolder(t, func(root string) { wantFiles(t, root, map[string]string{"etc/hostname": "kiln.example.com\n"}) })
	}
}
