// Package pkg_test keeps the direction of the imports: a stage never knows a
// later one, and heavy libraries stay in the rooms that are for them.
package pkg_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bootkiln/bootkiln/"

// allowed lists, for each package, which other packages of ours it may import
// directly. What is not listed may import none. Tests are not held to it.
var allowed = map[string][]string{
	"pkg/diag":                 {},
	"pkg/progress":             {"pkg/diag"},
	"pkg/image":                {},
	"pkg/image/storeimage":     {"pkg/image"},
	"pkg/image/transportimage": {"pkg/image"},
	"pkg/kernel":               {},
	"pkg/boot/guest":           {},
	"pkg/boot/qemu":            {},
	"pkg/boot":                 {"pkg/boot/disk", "pkg/boot/guest", "pkg/boot/qemu", "pkg/check", "pkg/image", "pkg/progress"},
	"pkg/packagedb":            {},
	"pkg/sbom":                 {"pkg/image", "pkg/packagedb"},
	"pkg/provenance":           {},
	"pkg/repofile":             {},
	"pkg/host":                 {"pkg/diag"},
	"recipes":                  {},
	"pkg/recipe":               {"pkg/diag"},
	"pkg/scaffold":             {"pkg/diag", "pkg/recipe"},
	"pkg/plan":                 {"pkg/diag", "pkg/recipe", "pkg/repofile"},
	"pkg/containerfile":        {"pkg/diag", "pkg/plan"},
	"pkg/resolve":              {"pkg/diag", "pkg/plan"},
	"pkg/build": {
		"pkg/diag", "pkg/progress", "pkg/recipe", "pkg/plan", "pkg/containerfile", "pkg/resolve", "pkg/image", "pkg/image/storeimage",
	},
	"pkg/check":     {"pkg/diag", "pkg/recipe", "pkg/image", "pkg/kernel", "pkg/packagedb", "pkg/repofile"},
	"pkg/diff":      {"pkg/image", "pkg/kernel", "pkg/packagedb"},
	"pkg/chunk":     {"pkg/diag", "pkg/image", "pkg/packagedb", "pkg/progress"},
	"pkg/registry":  {"pkg/image", "pkg/image/transportimage", "pkg/progress"},
	"pkg/sign":      {"pkg/image", "pkg/registry"},
	"pkg/trust":     {"pkg/image", "pkg/registry", "pkg/sign"},
	"pkg/boot/disk": {"pkg/image", "pkg/kernel"},
	"pkg/journal":   {"pkg/plan"},
	"pkg/place":     {"pkg/image"},
	"pkg/pipeline": {
		"pkg/diag", "pkg/progress", "pkg/recipe", "pkg/plan", "pkg/containerfile", "pkg/image", "pkg/check", "pkg/chunk",
		"pkg/boot", "pkg/boot/disk", "pkg/boot/guest", "pkg/journal", "pkg/packagedb", "pkg/provenance", "pkg/sbom",
	},
	"pkg/internal/golden":       {},
	"pkg/internal/fakeimage":    {"pkg/image"},
	"pkg/internal/testregistry": {"pkg/image", "test/faultproxy"},
	"pkg/internal/signbed":      {"pkg/image", "pkg/registry", "pkg/sign", "pkg/internal/testregistry"},
	"pkg/internal/layermodel":   {"pkg/chunk", "pkg/packagedb"},
	"pkg/internal/updatecost":   {"pkg/chunk", "pkg/image", "pkg/internal/layermodel"},
	"pkg/scripttest":            {"pkg/internal/golden", "pkg/internal/fakeimage", "pkg/internal/testregistry", "test/fakesigstore"},
}

// heavy lists, for a path of other modules, who may import it.
var heavy = map[string][]string{
	"go.podman.io/buildah":                    {"pkg/build"},
	"go.podman.io/":                           {"pkg/build", "pkg/image/storeimage", "pkg/image/transportimage", "pkg/place", "pkg/registry", "pkg/sign", "pkg/trust", "pkg/internal/testregistry"},
	"github.com/sigstore/":                    {"pkg/sign", "pkg/trust"},
	"go.yaml.in/yaml/":                        {"pkg/recipe", "pkg/check"},
	"github.com/spf13/cobra":                  {"cmd/bootkiln"},
	"github.com/Microsoft/hcsshim/":           {"pkg/boot/disk"},
	"github.com/google/go-containerregistry/": {"pkg/registry", "pkg/sign", "pkg/internal/testregistry"},
}

// light packages are tested without cgo, without build tags and without root,
// so nothing below them may need any.
var light = []string{
	"pkg/diag", "pkg/progress", "pkg/recipe", "pkg/plan", "pkg/containerfile", "pkg/resolve", "pkg/image", "pkg/kernel", "pkg/boot/guest", "pkg/packagedb", "pkg/repofile", "pkg/check", "pkg/diff", "pkg/sbom", "pkg/provenance", "pkg/journal", "pkg/host", "pkg/scaffold", "pkg/boot/disk",
}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

func TestImports(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		may, known := allowed[name]
		if !known && name != "pkg" && !strings.HasPrefix(name, "cmd/") && !strings.HasPrefix(name, "test") {
			t.Errorf("%s is in no row of the import rules", name)
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && known && !slices.Contains(may, ours) {
				t.Errorf("%s must not import %s", name, ours)
			}
			for path, by := range heavy {
				if strings.HasPrefix(imported+"/", path) && !slices.Contains(by, name) && !strings.HasPrefix(name, "test") {
					t.Errorf("%s must not import %s: only %s may", name, imported, strings.Join(by, ", "))
				}
			}
		}
		if slices.Contains(light, name) {
			for _, d := range p.Deps {
				if strings.HasPrefix(d, "go.podman.io/") {
					t.Errorf("%s must not depend on %s", name, d)
				}
			}
		}
	}
	for name := range allowed {
		if !slices.ContainsFunc(packages, func(p listed) bool { return p.ImportPath == module+name }) {
			t.Errorf("the import rules have a row for %s, which does not exist", name)
		}
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "../...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
