// Command bootkiln turns a YAML recipe into a signed, published bootc OS image.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/build"
)

func main() {
	// The builder starts itself again for steps that need namespaces of their
	// own; those children must not get any further than this.
	if build.InitReexec() {
		return
	}
	cobra.EnableCommandSorting = false // the help has them in the order of their use
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once, as if there were no handler.
	context.AfterFunc(ctx, stop)
	status := run(ctx, newEnv(ctx), os.Args[1:])
	stop()
	os.Exit(status)
}
