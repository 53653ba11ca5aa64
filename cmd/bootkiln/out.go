package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/journal"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
)

// The files of the output folder.
const (
	outContainerfile = "Containerfile"
	outLog           = "build.log"
	outCheck         = "check.json"
	outBoot          = boot.ReportName
	outConsole       = boot.ConsoleName
	outScreenshot    = boot.ScreenshotName
	outResult        = "result.json"
	outJournal       = journal.Name
	outUploads       = journal.UploadsName
	outSBOM          = pipeline.SBOMName
	outProvenance    = pipeline.ProvenanceName
	outChunk         = pipeline.ChunkName
)

// openOut makes the output folder and claims it, so that two runs of one recipe
// do not write over each other, and removes what an earlier run left there, or, for
// one that is resumed, what that run had only begun to write. A folder that holds
// anything else is refused: it is somebody's. The returned file is closed at the
// end.
func openOut(dir string, resume bool) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, hinted(fmt.Errorf("making the output folder: %w", err), "name a folder that can be written to with --out")
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the output folder: %w", err)
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		return nil, hinted(fmt.Errorf("claiming the output folder %q: another run is using it", dir),
			"wait for it, or give this run a folder of its own with --out")
	}
	if err := clearOut(dir, d, resume); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func clearOut(dir string, d *os.File, resume bool) error {
	names, err := d.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("reading the output folder: %w", err)
	}
	ours := []string{
		outContainerfile, outLog, outCheck, outBoot, outConsole, outScreenshot, outResult,
		outJournal, outUploads, outSBOM, outProvenance, outChunk,
	}
	// The layers are replaced by the run that has new ones, and only where they
	// are bootkiln's (see chunk.Rewrite).
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == pipeline.LayoutDir || name == chunk.UnfinishedName(pipeline.LayoutDir)
	})
	for _, name := range names {
		// A killed run leaves a file under the name that it has while it is written.
		begun, hidden := strings.CutPrefix(name, ".")
		begun, _, _ = strings.Cut(begun, "-")
		if !slices.Contains(ours, name) && !(hidden && slices.Contains(ours, begun)) {
			return hinted(fmt.Errorf("claiming the output folder %q: it holds %q, which is not bootkiln's", dir, name),
				"name a folder of its own with --out")
		}
	}
	for _, name := range names {
		if resume && !strings.HasPrefix(name, ".") {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("clearing the output folder: %w", err)
		}
	}
	return nil
}
