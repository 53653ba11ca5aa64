//go:build e2e

package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sessionFile = "[Desktop Entry]\nName=Kiosk\nExec=/usr/bin/true\n"
	userUnit    = "[Unit]\nDescription=Of a test\n\n[Service]\nExecStart=/usr/bin/true\n\n[Install]\nWantedBy=default.target\n"
	sshKey      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINBx7qRIS7GxvKgeT8WEn4Tc3wLDz6Ob2+4SN+X+J2sQ me@example.com 100%\n"
)

// desktopProject is a project whose base has the label of its mark, so that all
// that is built on it is found and removed.
type desktopProject struct {
	*project
	base string
}

// newDesktopProject makes the base of the test bed's and those files and
// folders, by path in the image.
func newDesktopProject(t testing.TB, sources map[string]string) desktopProject {
	t.Helper()
	p := desktopProject{project: newProject(t)}
	p.base = "localhost/bootkiln/" + p.mark + "-base:latest"
	container := p.mark + "-base"
	tool(t, nil, "buildah", "from", "--pull-never", "--name", container, debianBase)
	defer tool(t, nil, "buildah", "rm", container)
	tool(t, nil, "buildah", "config", "--label", "e2e="+p.mark, container)
	for name, source := range sources {
		tool(t, nil, "buildah", "copy", "--quiet", container, source, name)
	}
	tool(t, nil, "buildah", "commit", "--quiet", "--format", "oci", container, p.base)
	return p
}

// write writes the recipe.
func (p desktopProject) write(t testing.TB, lines ...string) {
	t.Helper()
	head := fmt.Sprintf("version: 1\nname: e2e\nbase: {image: \"containers-storage:%s\"}\n", p.base)
	write(t, p.recipe(), []byte(head+strings.Join(lines, "\n")+"\n"))
}

// TestDesktopOfDebian builds a small desktop from Debian's packages.
func TestDesktopOfDebian(t *testing.T) {
	t.Parallel()
	p := newDesktopProject(t, nil)
	k := newKeys(t)
	public, err := os.ReadFile(k.public)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.dir, "keys/cosign.pub"), public)
	write(t, filepath.Join(p.dir, "keys/me.pub"), []byte(sshKey))
	p.write(t,
		"locale: {language: ko_KR.UTF-8, keymap: kr, timezone: Asia/Seoul}",
		"desktop:",
		"  display-manager: lightdm",
		"  session: kiosk",
		"  input-method: {framework: ibus, engines: [hangul]}",
		"hostname: kiln",
		"files:",
		"  - {destination: /usr/share/xsessions/kiosk.desktop, content: "+quoteYAML(sessionFile)+"}",
		"  - {destination: /usr/lib/systemd/user/e2e.service, content: "+quoteYAML(userUnit)+"}",
		"users: [{name: kiosk, description: Kiosk 한글, groups: [sudo, e2e], ssh-keys: [keys/me.pub]}]",
		"systemd: {user: {enable: [e2e.service]}}",
		"kernel: {initramfs: never, dracut: {omit: [pcsc]}}",
		"trust: {keys: [keys/cosign.pub], scope: ghcr.io/me}",
	)
	bootkiln(t, p.args("build")...).want(t, 0, "what is under kernel.dracut has no effect")

	p.inFolder(t, func(root string) {
		wantFiles(t, root, map[string]string{
			"etc/hostname":                    "kiln\n",
			"etc/timezone":                    "Asia/Seoul\n",
			"etc/X11/default-display-manager": "/usr/sbin/lightdm\n",
			"usr/lib/systemd/system-preset/10-bootkiln-desktop.preset": "enable lightdm.service\n",
			"usr/lib/tmpfiles.d/bootkiln-display-manager.conf": "d /var/lib/lightdm 0750 lightdm lightdm -\n" +
				"d /var/lib/lightdm-data 0755 root root -\n",
			"usr/share/lightdm/lightdm.conf.d/50-bootkiln.conf":                     "[Seat:*]\nuser-session=kiosk\n",
			"usr/lib/environment.d/50-bootkiln-input-method.conf":                   "XMODIFIERS=@im=ibus\nQT_IM_MODULE=ibus\n",
			"etc/gtk-4.0/settings.ini":                                              "[Settings]\ngtk-im-module=ibus\n",
			"etc/X11/xinit/xinputrc":                                                "# Read by im-config(8).\nrun_im ibus\n",
			"usr/lib/dracut/dracut.conf.d/50-bootkiln.conf":                         "omit_dracutmodules+=\" pcsc \"\n",
			"usr/lib/systemd/user-preset/10-bootkiln.preset":                        "enable e2e.service\n",
			"etc/pki/containers/ghcr.io-me.pub":                                     string(public),
			"usr/share/glib-2.0/schemas/zz1-bootkiln-input-method.gschema.override": "[org.freedesktop.ibus.general]\npreload-engines=['xkb:kr::eng', 'hangul']\n",
		})
		wantLinks(t, root, map[string]string{
			"etc/systemd/system/display-manager.service":        "/usr/lib/systemd/system/lightdm.service",
			"etc/systemd/user/default.target.wants/e2e.service": "/usr/lib/systemd/user/e2e.service",
			"etc/systemd/system/default.target":                 "/usr/lib/systemd/system/graphical.target",
			"etc/localtime":                                     "../usr/share/zoneinfo/Asia/Seoul",
		})
		for name, word := range map[string]string{
			"usr/share/glib-2.0/schemas/gschemas.compiled": "xkb:kr::eng",
			"etc/containers/policy.json":                   "/etc/pki/containers/ghcr.io-me.pub",
			"etc/default/locale":                           "LANG=ko_KR.UTF-8",
			"etc/default/keyboard":                         `XKBLAYOUT="kr"`,
		} {
			content, err := os.ReadFile(filepath.Join(root, name))
			if err != nil || !bytes.Contains(content, []byte(word)) {
				t.Errorf("%s lacks %s: %v", name, word, err)
			}
		}
		for _, unit := range []string{"display-manager.service", "graphical.target"} {
			if out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root="+root, unit).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
			}
		}
		makeUsers(t, root)
	})
}

// makeUsers does, on a copy of the image's accounts, what systemd does when the
// image boots.
func makeUsers(t *testing.T, root string) {
	t.Helper()
	booted := t.TempDir()
	cmd := exec.Command("cp", "--archive", "--parents", "--target-directory="+booted,
		"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/skel", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d/bootkiln-users.conf")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Twice, as on the second boot: nothing may change then.
	for range 2 {
		tool(t, nil, "systemd-sysusers", "--root="+booted)
		tool(t, nil, "systemd-tmpfiles", "--root="+booted, "--create", "bootkiln-users.conf")
	}
	text, err := os.ReadFile(filepath.Join(booted, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	var kiosk []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "kiosk:") {
			kiosk = strings.Split(strings.TrimSpace(line), ":")
		}
	}
	if len(kiosk) != 7 || kiosk[2] != kiosk[3] || kiosk[4] != "Kiosk 한글" || kiosk[5] != "/var/home/kiosk" || kiosk[6] != "/bin/bash" {
		t.Errorf("the user is %q", kiosk)
	}
	groups, err := os.ReadFile(filepath.Join(booted, "etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sudo", "e2e"} {
		found := false
		for line := range strings.Lines(string(groups)) {
			found = found || strings.HasPrefix(line, name+":") && strings.HasSuffix(strings.TrimSpace(line), ":kiosk")
		}
		if !found {
			t.Errorf("the user is not in the group %s:\n%s", name, groups)
		}
	}
	want := []string{"600 /.ssh/authorized_keys", "644 /.bash_logout", "644 /.bashrc", "644 /.profile", "700 /", "700 /.ssh"}
	found, err := exec.Command("find", booted+"/var/home/kiosk", "-uid", kiosk[2], "-gid", kiosk[3], "-printf", "%m /%P\n").Output()
	got := strings.Split(strings.TrimSpace(string(found)), "\n")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("the home: %v (-want +got):\n%s", err, diff)
	}
	wantFiles(t, booted, map[string]string{"var/home/kiosk/.ssh/authorized_keys": sshKey})
}

func wantFiles(t *testing.T, root string, want map[string]string) {
	t.Helper()
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(content, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func wantLinks(t *testing.T, root string, want map[string]string) {
	t.Helper()
	for name, target := range want {
		got, err := os.Readlink(filepath.Join(root, name))
		// To systemctl, /lib and /usr/lib are the same.
		got = strings.TrimPrefix(got, "/usr")
		if err != nil || got != strings.TrimPrefix(target, "/usr") {
			t.Errorf("%s leads to %q, want %q: %v", name, got, target, err)
		}
	}
}
