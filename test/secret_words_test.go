//go:build e2e

package test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
)

// TestSecretsReachNothing uses secrets in steps and looks for them, in several
// encodings, in all that a build keeps and says.
func TestSecretsReachNothing(t *testing.T) {
	t.Parallel()
	const token = "tr0ub4dor&3 \\ \"quoted\" <correct horse>"
	const license = "first line of the license\nsecond line of it, 한국어\n"
	values := []string{token, "first line of the license", "second line of it, 한국어"}
	hunt := newHunt(values...)
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			p := newProject(t)
			file := filepath.Join(t.TempDir(), "license")
			write(t, file, []byte(license))
			p.write(t,
				"secrets: [{id: token, env: E2E_TOKEN}, {id: license, file: "+file+"}]",
				"run:",
				`  - name: before`,
				`    shell: |`,
				`      test ! -e /run/secrets/token && test -z "${E2E_TOKEN-}"`,
				`  - name: token`,
				`    secrets: [token]`,
				`    shell: |`,
				`      set -x`,
				`      read -r value </run/secrets/token || true`,
				`      printf '%s\n' "$value" | tee /dev/stderr`,
				`      printf '%s' "$value" | sha256sum | cut -c1-64 >/usr/lib/used`,
				`  - name: license`,
				`    secrets: [license]`,
				`    script: license.sh`,
				`  - name: variables`,
				`    secrets: [{id: token, env: STEP_TOKEN}, {id: license, env: STEP_LICENSE}]`,
				`    shell: |`,
				`      set -x`,
				`      test "$STEP_TOKEN" = "$(cat /run/secrets/token)"`,
				`      test "$STEP_LICENSE" = "$(cat /run/secrets/license)"`,
				`      if cat /proc/[0-9]*/cmdline 2>/dev/null | grep -q -a -F -f <(printf '%s' "${STEP_TOKEN:0:8}"); then exit 9; fi`,
				`      env | tee /dev/stderr`,
				`  - name: after`,
				`    shell: |`,
				`      test ! -e /run/secrets && test -z "${E2E_TOKEN-}${STEP_TOKEN-}"`)
			write(t, filepath.Join(p.dir, "license.sh"), []byte("#!/bin/bash -eux\ncp /run/secrets/license /tmp/copy\ncat /tmp/copy\nrm /tmp/copy\n"))

			run := func(args ...string) outcome {
				t.Helper()
				cmd := command(t, append(args, "--verbose")...)
				cmd.Env = append(cmd.Env, "E2E_TOKEN="+token)
				o := cmd.run(t)
				hunt.search(t, "stdout of "+args[0], strings.NewReader(o.stdout))
				hunt.search(t, "stderr of "+args[0], strings.NewReader(o.stderr))
				return o
			}
			run("plan", "--json", p.recipe()).want(t, 0)
			run("render", p.recipe()).want(t, 0)
			run(p.args("build", "--format", "json", "--isolation", string(isolation))...).want(t, 0, "build | ***")
			hunt.searchFolder(t, p.out)
			for _, name := range []string{"build.log", "check.json", "result.json", "Containerfile"} {
				p.file(t, name) // it was there to be searched
			}
			// The SHA-256 of the token: the step did see it, and the search does
			// see the layers.
			const used = "c8ca98a8268f2d5f64266a9d0ea655b1ff18063abed89f3c0780e296d8e7545d"
			if !p.searchImages(t, newHunt(append(values, used)...), used) {
				t.Error("no layer holds what the step made of the secret")
			}

			// A step that fails shows its last lines. What the first build left in the
			// store is there still.
			p.write(t,
				"secrets: [{id: token, env: E2E_TOKEN}]",
				"run:",
				`  - {name: fail, secrets: [{id: token, env: STEP_TOKEN}], shell: "cat /run/secrets/token; env >&2; echo $STEP_TOKEN; exit 7"}`)
			run(p.args("build", "--isolation", string(isolation))...).want(t, 3, "status 7", "  | ***")
			hunt.searchFolder(t, p.out)
			hunt.searchStore(t)
		})
	}
}

// hunt looks for values.
type hunt struct {
	forms   map[string]string // what to look for, and which value that is
	longest int
	// starts has the forms by their first two bytes, and begins says that there are
	// some: gigabytes are searched, for dozens of forms.
	starts map[uint16][]string
	begins *[1 << 16]bool
}

// newHunt hunts for the values as they are, in hexadecimal digits, in base64
// wherever in a longer text they stand, and as JSON.
func newHunt(values ...string) hunt {
	h := hunt{forms: map[string]string{}, starts: map[uint16][]string{}, begins: &[1 << 16]bool{}}
	for _, value := range values {
		add := func(form string) {
			if h.forms[form] == "" {
				start := uint16(form[0])<<8 | uint16(form[1])
				h.starts[start], h.begins[start] = append(h.starts[start], form), true
			}
			h.forms[form] = value
			h.longest = max(h.longest, len(form))
		}
		add(value)
		add(hex.EncodeToString([]byte(value)))
		add(strings.ToUpper(hex.EncodeToString([]byte(value))))
		for before := range 3 {
			// The first and the last digits depend on what stands beside it.
			first, end := (before*8+5)/6, (before+len(value))*8/6
			text := append(make([]byte, before), value...)
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				add(encoding.EncodeToString(text)[first:end])
			}
		}
		for _, escape := range []bool{true, false} {
			var text bytes.Buffer
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(escape)
			_ = enc.Encode(value) // a string can be encoded
			add(strings.TrimSuffix(strings.TrimPrefix(text.String(), `"`), "\"\n"))
		}
	}
	return h
}

// in returns which forms of values are in r.
func (h hunt) in(r io.Reader) (found []string, err error) {
	buf, n := make([]byte, 1<<20+h.longest), 0
	for {
		read, err := io.ReadFull(r, buf[n:])
		n += read
		for i := 1; i < n; i++ {
			start := uint16(buf[i-1])<<8 | uint16(buf[i])
			if !h.begins[start] {
				continue
			}
			for _, form := range h.starts[start] {
				if bytes.HasPrefix(buf[i-1:n], []byte(form)) && !slices.Contains(found, form) {
					found = append(found, form)
				}
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		// One may stand across two pieces.
		n = copy(buf, buf[n-h.longest:n])
	}
}

// search fails the test if a value is in r.
func (h hunt) search(t testing.TB, where string, r io.Reader) {
	t.Helper()
	found, err := h.in(r)
	if err != nil {
		t.Errorf("reading %s: %v", where, err)
	}
	for _, form := range found {
		t.Errorf("%q, which is %q, is in %s", form, h.forms[form], where)
	}
}

// searchFolder searches every file in a folder but those in the folders to be
// left out. Others may work in it.
func (h hunt) searchFolder(t testing.TB, dir string, without ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(without, name):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		h.search(t, name, f)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// searchStore searches all that the machine's store writes about images,
// layers, containers and builds, and what is kept for later builds.
func (h hunt) searchStore(t testing.TB) {
	t.Helper()
	store := machineStore(t)
	h.searchFolder(t, store.GraphRoot(), filepath.Join(store.GraphRoot(), "overlay"))
	h.searchFolder(t, store.RunRoot(), filepath.Join(store.RunRoot(), "overlay"))
}

// searchImages searches the image that was built and those of its steps:
// configuration with history, manifest, and every layer as a tar archive. The
// value used may be in a layer, and searchImages reports whether it is.
func (p *project) searchImages(t testing.TB, h hunt, used string) (seen bool) {
	t.Helper()
	store := machineStore(t)
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]bool{"": true}
	for _, img := range images {
		config, err := store.ImageBigData(img.ID, "sha256:"+img.ID)
		if err != nil || !bytes.Contains(config, []byte(p.mark)) {
			continue
		}
		for _, name := range img.BigDataNames {
			content, err := store.ImageBigData(img.ID, name)
			if err != nil {
				t.Fatal(err)
			}
			h.search(t, name+" of image "+img.ID, bytes.NewReader(content))
		}
		for id := img.TopLayer; !done[id]; {
			done[id] = true
			layer, err := store.Layer(id)
			if err != nil {
				t.Fatal(err)
			}
			plain := archive.Uncompressed
			diff, err := store.Diff("", id, &storage.DiffOptions{Compression: &plain})
			if err != nil {
				t.Fatal(err)
			}
			found, err := h.in(diff)
			if err := errors.Join(err, diff.Close()); err != nil {
				t.Fatal(err)
			}
			for _, form := range found {
				if h.forms[form] == used {
					seen = true
					continue
				}
				t.Errorf("%q, which is %q, is in layer %s", form, h.forms[form], id)
			}
			id = layer.Parent
		}
	}
	return seen
}
