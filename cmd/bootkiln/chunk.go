package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/chunk"
)

type chunkOptions struct {
	env      *env
	globals  *globals
	image    string
	to       string
	previous string
	layers   int
	largest  string
	cache    string
	registry registryFlags
	store    storeFlags
	format   formatFlag
}

// The fewest and the most layers: two hold directories, and containers/storage
// mounts no more than 500.
const (
	fewestLayers = 4
	mostLayers   = 500
)

func newChunkCmd(e *env, g *globals) *cobra.Command {
	o := &chunkOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "chunk IMAGE --to oci:DIR",
		Short: "Cut an image into layers that change as little as possible",
		Long: `Writes an image of the local store (needs root), a registry, a layout or an
archive as an OCI layout, in which what is updated together is in a layer of its
own, compressed with zstd. The layers are read back and compared with the image,
file by file; any difference is an error. Prints the layers, and what a machine
that has the image of --previous will download of them; manifest and configuration,
some tens of kB, come with every image.

With --previous, what was there keeps its place: without it, an update may move
packages between layers, which machines then download again. Give the image that
machines have now; its plan is in its configuration. A layer of which little
changed is kept as it is, and what changed in it goes to a layer above: so each
machine is spared the rest of it, at the price of up to 2.5 percent more for who
installs the image. A note says how much that is. Nothing but what packages
brought is left behind in that way: a file of your own that you take out of the
image is in no layer any more.

Nothing is altered but the times of modification, and what bootc drops from every
image: the content of /dev, /proc, /run, /sys and /tmp, /sysroot/ostree, and
labels of SELinux. A layout that 'chunk' wrote to DIR before is replaced.

Where something changed though its packages did not, the files are named that
did: a build that makes them anew each time costs every machine a download.

Layers that have not changed come out of a folder with those of earlier runs,
at most 8 GiB: --cache, else $XDG_CACHE_HOME/bootkiln/chunks. With --cache ""
there is none. They are also taken from a --previous that is an OCI layout here.
A machine that has neither compresses them again, to the same bytes: a registry
that has them does not get them a second time. 'bootkiln publish', which knows
where the image goes, leaves out what is there.`,
		Example: `  bootkiln chunk localhost/centos-kde --to oci:out/layout
  bootkiln chunk localhost/centos-kde --to oci:new --previous docker://ghcr.io/me/centos-kde:latest
  bootkiln chunk oci:built --to oci:chunked --layers 64 --largest 256MiB --format json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image = args[0]
			if !cmd.Flags().Changed("cache") {
				o.cache = e.layerCache()
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.to, "to", "", "where the layout goes, as `oci:DIR`")
	cmd.Flags().StringVar(&o.previous, "previous", "", "`image` that machines have now, of any kind that IMAGE may be")
	cmd.Flags().IntVar(&o.layers, "layers", chunk.DefaultLayers, "the most layers")
	cmd.Flags().StringVar(&o.largest, "largest", "512MiB", "the most that one layer may hold, compressed, a `size`: 1MiB or more")
	cmd.Flags().StringVar(&o.cache, "cache", "", "`folder` that keeps layers for the next run (default: see above)")
	cobra.CheckErr(cmd.MarkFlagDirname("cache"))
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("previous", noCompletion))
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// layerCacheLimit bounds the cache of layers: two images of a large desktop.
const layerCacheLimit = 8 << 30

// layerCache is the folder that keeps layers for the next run, "" where there
// is no place for it.
func (e *env) layerCache() string {
	dir := e.getenv("XDG_CACHE_HOME")
	if dir == "" {
		home := e.getenv("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".cache")
	}
	return filepath.Join(dir, "bootkiln", "chunks")
}

func (o *chunkOptions) run(ctx context.Context) (err error) {
	e := o.env
	dir, err := o.folder()
	if err != nil {
		return err
	}
	largest, err := humanize.ParseBytes(o.largest)
	if err != nil || largest > 1<<40 {
		return hinted(&usageError{fmt.Errorf("--largest %q is no size", o.largest)}, "write a number and a unit, as in 512MiB")
	}
	if largest < chunk.LeastLargest {
		return hinted(&usageError{fmt.Errorf("--largest %q is less than a layer can be cut to", o.largest)}, "write 1MiB or more")
	}
	if o.layers < fewestLayers || o.layers > mostLayers {
		return &usageError{fmt.Errorf("--layers %d: an image has from %d to %d layers", o.layers, fewestLayers, mostLayers)}
	}
	options, err := o.registry.options(e, remote(o.image), remote(o.previous))
	if err != nil {
		return err
	}
	img, closer, err := openImage(ctx, o.image, o.store.options(e, nil), options, nil)
	if err != nil {
		return err
	}
	defer closing(closer, &err)
	rewrite := chunk.RewriteOptions{
		Options: chunk.Options{Layers: o.layers, Largest: int64(largest)},
		Cache:   o.cache, CacheLimit: layerCacheLimit,
	}
	if o.previous != "" {
		// Its plan is in its configuration: layers may be missing.
		previous, closer, err := openPartial(ctx, o.previous, o.store.options(e, nil), options, nil)
		if err != nil {
			return fmt.Errorf("opening what --previous names (leave it out where nothing is published yet): %w", err)
		}
		defer closer.Close()
		rewrite.Previous = previous
	}
	stage := e.progress(o.globals).Stage("chunk")
	rewrite.Stage = stage
	_, report, err := chunk.Rewrite(ctx, img, dir, rewrite)
	stage.End(err)
	if occupied, ok := asError[*chunk.OccupiedError](err); ok {
		return hinted(&usageError{occupied}, "name a folder that does not exist, is empty, or holds what 'chunk' wrote")
	}
	if full, ok := asError[*chunk.BudgetError](err); ok {
		return hinted(&usageError{full}, "allow larger ones with --largest, or more with --layers")
	}
	if err != nil {
		return unwritable(err, dir)
	}
	if o.format.value == formatJSON {
		return e.writeJSON(report)
	}
	return report.WriteText(e.stdout)
}

// unwritable adds to an error of the file system at the place of the layout what
// to do.
func unwritable(err error, dir string) error {
	abs, _ := filepath.Abs(dir)
	if p, ok := asError[*fs.PathError](err); ok && hintOf(err) == "" && (p.Path == abs || filepath.Dir(p.Path) == filepath.Dir(abs)) {
		return hinted(err, "name a folder that can be written to, or does not exist, as --to oci:DIR")
	}
	return err
}

// folder is where the layout goes.
func (o *chunkOptions) folder() (string, error) {
	dir, ok := strings.CutPrefix(o.to, "oci:")
	switch {
	case o.to == "":
		return "", hinted(&usageError{errors.New("nowhere to write the layers to")}, "say --to oci:DIR")
	case !ok && strings.Contains(o.to, ":"), ok && dir == "":
		return "", hinted(&usageError{fmt.Errorf("--to %q is no OCI layout", o.to)}, "name a folder, as oci:DIR; 'bootkiln push' brings it to a registry")
	case !ok:
		return "", hinted(&usageError{fmt.Errorf("--to %q is no OCI layout", o.to)}, "write oci:"+o.to+" for the folder")
	case strings.Contains(dir, ":"):
		return "", hinted(&usageError{fmt.Errorf("--to %q: the layout has one image, without a name", o.to)}, "write oci:"+strings.Split(dir, ":")[0])
	}
	return dir, nil
}
