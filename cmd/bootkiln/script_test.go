package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/scripttest"
)

func TestMain(m *testing.M) {
	if build.InitReexec() {
		return
	}
	testscript.Main(m, map[string]func(){"bootkiln": func() {
		scripttest.LeaveRoot()
		main()
	}})
}

// testdata/script has a script for each command, and for what goes wrong.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripttest.Params(t, "testdata/script"))
}
