package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what the build recorded of itself.
type versionInfo struct {
	Version string `json:"version"`
	// Revision is the commit, "" where the build had none; Modified says that
	// the tree differed from it.
	Revision string            `json:"revision,omitempty"`
	Modified bool              `json:"modified,omitempty"`
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Modules  map[string]string `json:"modules"`
}

// recordedModules are those whose version decides how images come out.
var recordedModules = []string{
	"go.podman.io/buildah", "go.podman.io/image/v5", "go.podman.io/storage", "github.com/sigstore/cosign/v2",
}

func newVersionCmd(e *env) *cobra.Command {
	var format formatFlag
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of bootkiln and of what it is made with",
		Example: `  bootkiln version --format json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if format.value == formatJSON {
				return e.writeJSON(v)
			}
			if err := e.printf("bootkiln %s\n", v.describe()); err != nil {
				return err
			}
			for _, m := range recordedModules {
				if err := e.printf("  %s %s\n", m, v.Modules[m]); err != nil {
					return err
				}
			}
			return e.printf("  %s %s\n", v.Go, v.Platform)
		},
	}
	format.register(cmd, formatText, formatJSON)
	return cmd
}

func readVersion() versionInfo {
	v := versionInfo{
		Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Modules: map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, want := range recordedModules {
		for _, m := range info.Deps {
			if m.Path == want {
				v.Modules[want] = m.Version
			}
		}
	}
	return v
}

func (v versionInfo) describe() string {
	s := v.Version
	if v.Revision != "" && v.Version == "(devel)" {
		s += " " + v.Revision[:min(len(v.Revision), 12)]
		if v.Modified {
			s += " with changes"
		}
	}
	return s
}
