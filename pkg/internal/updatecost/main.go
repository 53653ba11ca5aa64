// Command updatecost says what a machine downloads for an update from one root
// file system to another, with the layers of several planners: as the image
// was built, with chunkah's packing, with a layer for each source package (the
// floor), and with ours. It fails where ours is not what it has to be.
//
//	go run ./pkg/internal/updatecost BEFORE AFTER
//
// The root file systems are folders, which hack/desktop-pair makes. The sizes
// that planners are compared by are sums over files that were compressed each
// for itself. In the end the layers are written as well, for what they really
// come to.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/layermodel"
)

// aims are the most that an update may cost, as parts of the floor, by the
// number of layers: the first one, and one that finds the groups divided along
// what the first one changed, which is below the floor.
var aims = []struct {
	layers      int
	floor, back float64
}{{64, 1.05, 1.05}, {128, 1.01, 1}}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: updatecost BEFORE AFTER")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // this is main
	err := run(ctx, os.Stdout, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "updatecost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, from, to string) error {
	before, err := layermodel.Scan(ctx, from)
	if err != nil {
		return err
	}
	after, err := layermodel.Scan(ctx, to)
	if err != nil {
		return err
	}
	var missed error
	for _, aim := range aims {
		r, err := layermodel.Compare(before, after, chunk.Options{Layers: aim.layers})
		if err != nil {
			return err
		}
		fmt.Fprintln(w, r)
		if got := float64(r.Ours) / float64(max(r.Floor, 1)); got > aim.floor || r.Ours >= r.Chunkah {
			missed = fmt.Errorf("with %d layers an update costs %.3f of the floor; the aim is %.2f, and less than chunkah's packing", aim.layers, got, aim.floor)
			fmt.Fprintln(w, missed)
		}
		if got := float64(r.Back) / float64(max(r.BackFloor, 1)); got > aim.back {
			missed = fmt.Errorf("with %d layers the way back costs %.3f of its floor; the aim is %.2f", aim.layers, got, aim.back)
			fmt.Fprintln(w, missed)
		}
	}
	for _, aim := range aims {
		if err := write(ctx, w, from, to, aim.layers); err != nil {
			return err
		}
	}
	return missed
}

// write writes both images, and prints what is said of the update.
func write(ctx context.Context, w io.Writer, from, to string, layers int) error {
	scratch, err := os.MkdirTemp("", "updatecost-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	o := chunk.RewriteOptions{Options: chunk.Options{Layers: layers}}
	for _, root := range []string{from, to} {
		img, err := image.OpenDir(root)
		if err != nil {
			return err
		}
		chunked, report, err := chunk.Rewrite(ctx, img, filepath.Join(scratch, filepath.Base(root)), o)
		if err != nil {
			return err
		}
		o.Previous = chunked
		fmt.Fprintf(w, "%d layers, written: %s: %s\n", layers, filepath.Base(root), report.Summary())
		if report.Update != nil {
			fmt.Fprintf(w, "%d layers, written: %s\n", layers, report.Update.Summary())
		}
		for _, note := range report.Notes {
			fmt.Fprintf(w, "%d layers, written: %s\n", layers, note)
		}
	}
	return nil
}
