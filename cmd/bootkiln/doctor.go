package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/host"
)

type doctorOptions struct {
	env       *env
	out       string
	platforms []string
	store     storeFlags
	format    formatFlag
}

func newDoctorCmd(e *env) *cobra.Command {
	o := &doctorOptions{env: e}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to mend it",
		Long: `Looks at this machine: root, kernel, WSL, the file system of the image store,
OCI runtimes, free space, mounts, KVM, GitHub's runners. Changes nothing. Exit
status 1 where a build would fail.`,
		Example: `  sudo bootkiln doctor
  sudo bootkiln doctor --format json | jq '.[] | select(.status == "problem")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.out, "out", "out", "output `folder` to look at")
	cmd.Flags().StringArrayVar(&o.platforms, "platform", nil, "a `platform` to build for, as linux/arm64 (default: this machine's)")
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

func (o *doctorOptions) run(ctx context.Context) error {
	out, err := filepath.Abs(o.out)
	if err != nil {
		return fmt.Errorf("looking at the output folder: %w", err)
	}
	store, err := build.Locate(o.store.options(o.env, nil))
	if err != nil {
		return err
	}
	findings := host.Examine(ctx, host.Options{
		GraphRoot: store.GraphRoot, GraphDriver: store.Driver,
		TempDir: "/var/tmp", OutDir: out, Platforms: o.platforms, Runtimes: o.runtimes,
	})
	if o.format.value == formatJSON {
		err = o.env.writeJSON(findings)
	} else {
		err = host.WriteText(o.env.stdout, findings, o.env.color(o.env.stdoutIsTerminal))
	}
	if err != nil {
		return err
	}
	if n := host.Problems(findings); n > 0 {
		return fmt.Errorf("looking at this machine: %d problems would make a build fail", n)
	}
	return nil
}

// runtimes hands the builder's verdict on the OCI runtimes on.
func (o *doctorOptions) runtimes(ctx context.Context) []host.Runtime {
	found, err := build.ProbeRuntimes(ctx)
	if err != nil {
		o.env.log.Warn("trying the OCI runtimes", "error", err)
	}
	var list []host.Runtime
	for _, r := range found {
		verdict := host.Runtime{Path: r.Path, Version: r.Version.String()}
		if r.Err != nil {
			verdict.Reason = r.Err.Error()
		}
		list = append(list, verdict)
	}
	return list
}
