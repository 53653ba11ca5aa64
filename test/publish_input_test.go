//go:build e2e

package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// unreachable is a destination that is never asked: what is wrong is found
// before.
const unreachable = "publish: [{to: 127.0.0.1:1/os/e2e}]"

func TestPublishWithAWrongKeyPassword(t *testing.T) {
	t.Parallel()
	p, k := newProject(t), newKeys(t)
	p.write(t, "sign: {key: "+k.private+"}", unreachable)
	cmd := command(t, p.args("publish")...)
	cmd.Env = append(cmd.Env, "COSIGN_PASSWORD=not this one")
	o := cmd.run(t)
	o.want(t, 1, k.private, "password", "hint: ")
	p.assertUntouched(t, o)
	if strings.Contains(o.stderr, "not this one") {
		t.Errorf("the password is shown:\n%s", o.stderr)
	}
}

func TestPublishWithoutTheKeyFile(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.write(t, "sign: {key: keys/missing.key}", unreachable)
	o := bootkiln(t, p.args("publish")...)
	// At the value of the key, on the line after the ones that write writes.
	o.want(t, 3, "recipe.yaml:7:13: ", "keys/missing.key", "sign: {key: keys/missing.key}", "hint: ")
	p.assertUntouched(t, o)
}

// assertUntouched fails the test if a stage has begun.
func (p *project) assertUntouched(t testing.TB, o outcome) {
	t.Helper()
	if strings.Contains(o.stderr, ": done in") || strings.Contains(o.stderr, ": failed after") {
		t.Errorf("a stage has begun:\n%s", o.stderr)
	}
	if _, err := os.Stat(p.out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is an output folder: %v", err)
	}
}

func TestPublishWithAFailingStep(t *testing.T) {
	t.Parallel()
	s, p := newSite(t), newProject(t)
	p.write(t,
		"run:",
		`  - {name: good, shell: "echo good"}`,
		`  - name: bad`,
		`    shell: |`,
		`      echo the reason is this one`,
		`      exit 7`,
		s.destination("latest"))
	o := s.publish(t, p)
	o.want(t, 3, "build: failed", "\n  | the reason is this one\n", "recipe.yaml:9:5: ", "status 7")
	if puts := manifestPuts(s.proxy.forget()); len(puts) > 0 {
		t.Errorf("manifests %v were sent", puts)
	}
	if log := p.file(t, "build.log"); !strings.Contains(log, "the reason is this one") {
		t.Errorf("build.log lacks the step's output:\n%s", log)
	}
	if result := p.result(t); result.Error == "" || len(result.Published) > 0 {
		t.Errorf("result.json: %+v", result)
	}
}

// A secret reaches the step, and nothing that stays.
func TestPublishKeepsSecrets(t *testing.T) {
	t.Parallel()
	const token, license = "correct-horse-battery-staple", "line one of the license\nline two of it"
	s, p := newSite(t), newProject(t)
	file := filepath.Join(t.TempDir(), "license")
	write(t, file, []byte(license+"\n"))
	p.write(t,
		"secrets: [{id: token, env: E2E_TOKEN}, {id: license, file: "+file+"}]",
		"run:",
		`  - name: use them`,
		`    secrets: [token, license]`,
		`    shell: |`,
		`      cat /run/secrets/token; echo`,
		`      cat /run/secrets/license >&2`,
		`      sha256sum /run/secrets/token | cut -c1-64 > /usr/lib/used`,
		s.destination("latest"))
	cmd := command(t, s.publishArgs(p)...)
	cmd.Env = append(cmd.Env, "E2E_TOKEN="+token)
	o := cmd.run(t)
	o.want(t, 0, "build | ***")

	secret := [][]byte{[]byte(token), []byte("line one of the license"), []byte("line two of it")}
	search := func(where string, content []byte) {
		t.Helper()
		for _, value := range secret {
			if bytes.Contains(content, value) {
				t.Errorf("%q is in %s", value, where)
			}
		}
	}
	search("the output", []byte(o.stdout+o.stderr))
	err := filepath.WalkDir(p.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		search(name, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	done := p.result(t).Published[0]
	raw := s.registry.manifest(t, s.repository, done.Digest.String())
	search("the manifest", raw)
	var m imgspecv1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	search("the configuration", readAll(t, s.registry.blob(t, s.repository, m.Config.Digest.String())))
	used := false
	for _, layer := range m.Layers {
		d, err := zstd.NewReader(s.registry.blob(t, s.repository, layer.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(d)
		d.Close()
		if err != nil {
			t.Fatal(err)
		}
		search("layer "+layer.Digest.String(), content)
		// Its SHA-256: the step did see it, and this search does see the layers.
		used = used || bytes.Contains(content, []byte("87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590"))
	}
	if !used {
		t.Error("no layer holds what the step made of the secret: this test sees nothing")
	}
}
