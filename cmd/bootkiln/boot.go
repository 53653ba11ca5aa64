package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

type bootOptions struct {
	env        *env
	globals    *globals
	image      string
	rootfs     string
	mode       string
	target     string
	timeout    time.Duration
	memory     string
	cpus       int
	accel      string
	active     []string
	out        string
	shell      bool
	screenshot string
	registry   registryFlags
	store      storeFlags
	format     formatFlag
}

// The words of --mode and --accel.
var (
	bootModes  = []string{"auto", string(disk.Direct), string(disk.OSTree), string(disk.Install)}
	bootAccels = []string{"auto", string(qemu.KVM), string(qemu.TCG)}
)

func newBootCmd(e *env, g *globals) *cobra.Command {
	o := &bootOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "boot IMAGE | --rootfs DIR",
		Short: "Boot the image in a virtual machine, and say what failed",
		Long: `Boots an image in QEMU, from its own kernel and its own initramfs on a throw-away
disk made of its root file system, and asks its systemd whether it reached its
target and which units failed. The image is only read, and may be one of the
local store (needs root), in a registry (docker://REPOSITORY:TAG), in an OCI
layout (oci:DIR), in an archive (oci-archive:FILE, docker-archive:FILE), or a
folder that holds a root file system. The guest has no network. An image that
does not boot is exit status 4.

There are three ways in: direct (the root file system on the disk), ostree (a
deployment of it, as bootc makes it: /usr read-only, /etc merged, /var empty) and
install (the image installs itself with bootc, and the firmware boots the disk).
auto is ostree where that is possible, else direct; the report says which it was.
install runs the image's own programs with all privileges on this machine, so it
has to be asked for. A guest may restart itself once, in order, as after it has
labelled its files for SELinux.

KVM is used where a guest really starts with it, else emulation, some ten times
slower. With --shell the console is shown as it comes, and at the end the
terminal is that of a root shell in the guest, or of the console where the guest
offers none; Ctrl-] ends it.`,
		Example: `  bootkiln boot localhost/centos-kde
  bootkiln boot --target multi-user.target --expect-active sshd.service localhost/centos-kde
  bootkiln boot --format json --out out/boot docker://ghcr.io/me/centos-kde:latest
  bootkiln boot --mode direct --memory 4GiB --shell localhost/centos-kde`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.rootfs != "" && len(args) > 0:
				return &usageError{errors.New("give an image, or --rootfs, and one of them only")}
			case o.rootfs == "" && len(args) == 0:
				return &usageError{errors.New("nothing to boot: give an image, or --rootfs DIR")}
			case len(args) > 0:
				o.image = args[0]
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.rootfs, "rootfs", "", "`folder` that holds a root file system")
	fl.StringVar(&o.mode, "mode", "auto", "the `way` in: "+strings.Join(bootModes, ", "))
	fl.StringVar(&o.target, "target", "", "`unit` to reach (default: the image's default target)")
	fl.DurationVar(&o.timeout, "timeout", 0, "how long the guest may take (default: 5m, in emulation 15m)")
	fl.StringVar(&o.memory, "memory", "2GiB", "the `size` of the guest's memory")
	fl.IntVar(&o.cpus, "cpus", boot.DefaultCPUs, "processors of the guest")
	fl.StringVar(&o.accel, "accel", "auto", "what runs the guest, an `accelerator`: "+strings.Join(bootAccels, ", "))
	fl.StringArrayVar(&o.active, "expect-active", nil, "a `unit` that has to be active")
	fl.StringVar(&o.out, "out", "", "`folder` for boot.json, console.log and screenshot.png (default: none is kept)")
	fl.BoolVar(&o.shell, "shell", false, "leave the guest running, with this terminal as its own")
	fl.StringVar(&o.screenshot, "screenshot", "", "`file` for a picture of the display (PNG)")
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	for name, words := range map[string][]string{"mode": bootModes, "accel": bootAccels} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
	}
	return cmd
}

// options turns the flags into what package boot takes.
func (o *bootOptions) options() (boot.Options, error) {
	b := boot.Options{
		Target: o.target, Expect: guest.Expect{Active: o.active}, Timeout: o.timeout, CPUs: o.cpus,
		Screenshot: o.screenshot != "",
	}
	for flag, v := range map[string]struct {
		value string
		words []string
	}{"mode": {o.mode, bootModes}, "accel": {o.accel, bootAccels}} {
		if !slices.Contains(v.words, v.value) {
			return b, &usageError{fmt.Errorf("unknown --%s %q; known: %s", flag, v.value, strings.Join(v.words, ", "))}
		}
	}
	if o.mode != "auto" {
		b.Mode = disk.Mode(o.mode)
	}
	if o.accel != "auto" {
		b.Accel = qemu.Accel(o.accel)
	}
	memory, err := humanize.ParseBytes(o.memory)
	if err != nil || memory < 64<<20 || memory > 1<<42 {
		return b, hinted(&usageError{fmt.Errorf("--memory %q is no size of a machine's memory", o.memory)}, "as in 2GiB; 64MiB is the least")
	}
	b.Memory = int64(memory)
	if o.cpus < 1 || o.cpus > 255 {
		return b, &usageError{fmt.Errorf("--cpus %d: a machine has 1 to 255", o.cpus)}
	}
	if o.timeout < 0 {
		return b, &usageError{fmt.Errorf("--timeout %v is before the start", o.timeout)}
	}
	for _, unit := range append([]string{o.target}, o.active...) {
		if unit != "" && (!strings.Contains(unit, ".") || strings.ContainsAny(unit, "/ \t\n'\"\\$`;&|")) {
			return b, hinted(&usageError{fmt.Errorf("%q is not the name of a unit", unit)}, "as in sshd.service or graphical.target")
		}
	}
	return b, nil
}

func (o *bootOptions) run(ctx context.Context) (err error) {
	e := o.env
	options, err := o.options()
	if err != nil {
		return err
	}
	if o.shell && e.stdinTerminal == nil {
		return &usageError{errors.New("--shell needs a terminal")}
	}
	access, err := o.registry.options(e)
	if err != nil {
		return err
	}
	dir, remove, err := access.WorkDir()
	if err != nil {
		return err
	}
	defer remove()
	options.Dir = dir
	var img image.Image
	if o.rootfs != "" {
		img, err = image.OpenDir(o.rootfs)
	} else {
		var closer interface{ Close() error }
		img, closer, err = openImage(ctx, o.image, o.store.options(e, nil), access, nil)
		if err == nil {
			defer closing(closer, &err)
		}
	}
	if err != nil {
		return err
	}
	options.Reference = storeName(img)
	options.Causes = causes(img)
	reporter := e.progress(o.globals)
	if o.shell {
		// A bar would be drawn between the lines of the guest.
		reporter = progress.Select(e.stderr, progress.SelectOptions{Quiet: o.globals.quiet, Getenv: e.getenv})
		live := &mutable{to: e.stderr}
		options.Live = live
		options.Interact = func(ctx context.Context, s boot.Session) error {
			live.mute(s.Root != nil) // the shell has the terminal to itself
			return e.interact(ctx, s)
		}
	}
	stage := reporter.Stage("boot")
	options.Stage = stage
	result, err := boot.Boot(ctx, img, options)
	stage.End(errors.Join(err, resultErr(result)))
	if err != nil {
		return err
	}
	if err := o.keep(result); err != nil {
		return err
	}
	if o.format.value == formatJSON {
		err = e.writeJSON(result)
	} else {
		err = e.write([]byte(result.Text()))
	}
	return errors.Join(err, silenced(result.Err()))
}

func resultErr(r *boot.Result) error {
	if r == nil {
		return nil
	}
	return r.Err()
}

// keep writes what was asked for to files.
func (o *bootOptions) keep(r *boot.Result) error {
	if o.screenshot != "" && r.Picture != nil {
		if err := os.WriteFile(o.screenshot, r.Picture, 0o644); err != nil {
			return fmt.Errorf("writing the screenshot: %w", err)
		}
	}
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the output folder: %w", err)
	}
	report, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %q: %w", boot.ReportName, err)
	}
	files := map[string][]byte{boot.ReportName: append(report, '\n'), boot.ConsoleName: r.Log, boot.ScreenshotName: r.Picture}
	for name, content := range files {
		if name == boot.ScreenshotName && content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil {
			return fmt.Errorf("writing the result of the boot: %w", err)
		}
	}
	return nil
}

// causes has the checks look for what explains a failure.
func causes(img image.Image) func(context.Context) ([]boot.Cause, error) {
	return func(ctx context.Context) ([]boot.Cause, error) {
		report, err := check.Run(ctx, img, check.Options{})
		if err != nil {
			return nil, err
		}
		return boot.CausesIn(report), nil
	}
}

// storeName is the name of an image of the local store there, "" for others.
func storeName(img image.Image) string {
	location, ok := strings.CutPrefix(img.Location(), "containers-storage:")
	if !ok {
		return ""
	}
	if _, name, ok := strings.Cut(location, "]"); ok {
		return name
	}
	return location
}
