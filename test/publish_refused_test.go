//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

// foreignInitramfs is an initramfs with everything that a boot needs, but for
// modules of the kernel of the image: it has those of 9.9.9.
func foreignInitramfs(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := cpio.NewWriter(&buf)
	add := func(name string, mode fs.FileMode, content string) {
		t.Helper()
		h := &cpio.Header{Name: name, Mode: cpio.FileMode(mode.Perm()) | cpio.TypeReg, Size: int64(len(content)), Links: 1}
		switch {
		case mode.IsDir():
			h.Mode, h.Links = cpio.FileMode(mode.Perm())|cpio.TypeDir, 2
		case mode&fs.ModeSymlink != 0:
			h.Mode = cpio.FileMode(mode.Perm()) | cpio.TypeSymlink // the target is the content
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	const units, modules = "usr/lib/systemd/system", "usr/lib/modules/9.9.9/kernel"
	for _, dir := range []string{units + "/initrd-root-fs.target.wants", modules, "usr/lib/ostree"} {
		for i := range dir {
			if dir[i] == '/' {
				add(dir[:i], fs.ModeDir|0o755, "")
			}
		}
		add(dir, fs.ModeDir|0o755, "")
	}
	add("init", 0o755, "#!/bin/sh\n")
	add("usr/lib/ostree/ostree-prepare-root", 0o755, "#!/bin/sh\n")
	add(units+"/ostree-prepare-root.service", 0o644, "[Service]\nExecStart=/usr/lib/ostree/ostree-prepare-root\n")
	add(units+"/initrd-root-fs.target.wants/ostree-prepare-root.service", fs.ModeSymlink|0o777, "../ostree-prepare-root.service")
	add(modules+"/ext4.ko", 0o644, "\x7fELF of another kernel")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// An image that cannot boot stays where it was built: the registry does not
// even get its layers.
func TestPublishRefusesWhatCannotBoot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct {
		name string
		// step is the recipe's last; it runs in the folder of the kernel.
		step string
		// rules are all that the image breaks, sorted.
		rules []string
	}{
		{"no initramfs", "rm initramfs.img", []string{"initramfs-missing"}},
		{"half an initramfs", "truncate --size $(($(stat --format %s initramfs.img) / 2)) initramfs.img", []string{"initramfs-decodes"}},
		{"another kernel's initramfs", "mv /usr/lib/foreign.img initramfs.img", []string{"initramfs-kernel"}},
		{"no kernel", "rm vmlinuz", []string{"kernel"}},
		{"two kernels", "mkdir ../9.9.9 && cp vmlinuz initramfs.img ../9.9.9", []string{"initramfs-kernel", "kernel", "kernel-modules", "kernel-release"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProject(t)
			write(t, filepath.Join(p.dir, "foreign.img"), foreignInitramfs(t))
			p.write(t,
				"  - {source: foreign.img, destination: /usr/lib/foreign.img}",
				`run: [{name: break it, shell: "cd /usr/lib/modules/*/ && `+c.step+`"}]`,
				s.destination("latest"))
			s.proxy.forget()
			o := s.publish(t, p)
			o.want(t, 4, append([]string{"build: done", "check: failed"}, c.rules...)...)
			if diff := cmp.Diff(c.rules, p.brokenRules(t)); diff != "" {
				t.Errorf("broken rules (-want +got):\n%s\n%s", diff, o.stderr)
			}
			if tags := s.registry.tags(t, s.repository); len(tags) > 0 {
				t.Errorf("the registry has the tags %q", tags)
			}
			requests := s.proxy.forget()
			if puts, blobs := manifestPuts(requests), sentBlobs(requests); len(puts) > 0 || blobs > 0 {
				t.Errorf("manifests %v and %d blobs were sent", puts, blobs)
			}
			if result := p.result(t); len(result.Published) > 0 || result.Checks == nil || result.Checks.Errors == 0 {
				t.Errorf("result.json: %+v", result)
			}
		})
	}
}

// brokenRules returns the rules with errors in check.json, sorted.
func (p *project) brokenRules(t testing.TB) []string {
	t.Helper()
	var report findings
	if err := json.Unmarshal([]byte(p.file(t, "check.json")), &report); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range report.Findings {
		if f.Severity == "error" {
			ids = append(ids, f.Rule)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
