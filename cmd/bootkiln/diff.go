package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/diff"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

type diffOptions struct {
	env      *env
	old, new string
	exact    bool
	registry registryFlags
	store    storeFlags
	format   formatFlag
}

func newDiffCmd(e *env) *cobra.Command {
	o := &diffOptions{env: e}
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what differs between two images",
		Long: `Compares packages, files, sizes by package, kernels, units that are enabled or
masked, setuid programs and file capabilities, and the images' configurations.
Each image may be in the local store (needs root), in a registry
(docker://REPOSITORY:TAG), in an OCI layout (oci:DIR), in an archive
(oci-archive:FILE, docker-archive:FILE), or a folder that holds a root file
system (dir-rootfs:DIR). Layers are unpacked to --tmpdir, which needs room for
both images, and nothing is kept; what both have is read once.

Files of one size are read in both images up to their first difference, except
those that also have one time of modification and belong to the same build of a
package in both; --exact reads them too. Times are not compared themselves.

Images that differ are no failure: the exit status is 0.`,
		Example: `  bootkiln diff docker://ghcr.io/me/centos-kde:10.1 docker://ghcr.io/me/centos-kde:latest
  bootkiln diff --format markdown oci:out/old oci:out/layout >>"$GITHUB_STEP_SUMMARY"
  bootkiln diff --format json localhost/kiosk:1 localhost/kiosk:2
  bootkiln diff --exact dir-rootfs:/mnt/old dir-rootfs:/mnt/new`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.old, o.new = args[0], args[1]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.exact, "exact", false, "read every two files of one size")
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON, formatMarkdown)
	return cmd
}

func (o *diffOptions) run(ctx context.Context) (err error) {
	options, err := o.registry.options(o.env, remote(o.old), remote(o.new))
	if err != nil {
		return err
	}
	var images [2]image.Image
	shared := &image.SharedLayers{}
	for i, ref := range []string{o.old, o.new} {
		img, closer, err := o.open(ctx, ref, options, shared)
		if err != nil {
			return err
		}
		defer closing(closer, &err)
		images[i] = img
	}
	report, err := diff.Images(ctx, images[0], images[1], diff.Options{Exact: o.exact})
	if err != nil {
		return err
	}
	switch o.format.value {
	case formatJSON:
		return o.env.writeJSON(report)
	case formatMarkdown:
		return report.WriteMarkdown(o.env.stdout)
	}
	return report.WriteText(o.env.stdout)
}

// open opens one of the images, or a folder by the reference that package
// image has for it.
func (o *diffOptions) open(ctx context.Context, ref string, options registry.Options, shared *image.SharedLayers) (image.Image, io.Closer, error) {
	if dir, ok := strings.CutPrefix(ref, image.DirPrefix); ok {
		img, err := image.OpenDir(dir)
		return img, io.NopCloser(nil), err
	}
	return openImage(ctx, ref, o.store.options(o.env, nil), options, shared)
}
