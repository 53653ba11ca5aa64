package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func TestBaseKeyMustBeAPublicKey(t *testing.T) {
	t.Parallel()
	p := &project{dir: t.TempDir(), recipe: &recipe.Recipe{}}
	pos := diag.Pos{File: "recipe.yaml", Line: 3}
	p.recipe.Base.VerifyKey = recipe.Path{String: recipe.String{Value: "base.pub", Pos: pos}}
	if err := os.WriteFile(filepath.Join(p.dir, "base.pub"), []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := p.baseKey()
	problems, ok := asError[*diag.ListError](err)
	if !ok || problems.List[0].Pos != pos || !strings.Contains(problems.List[0].Message, "base.pub") {
		t.Errorf("error = %v, want a problem at %v that names the file", err, pos)
	}
}
