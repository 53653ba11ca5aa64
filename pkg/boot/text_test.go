package boot

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

func results() map[string]*Result {
	return map[string]*Result{
		"booted": {
			Image: "containers-storage:[overlay@/var/lib/c+/run/c]localhost/kiln:latest@0123", Verdict: Booted,
			Mode: disk.OSTree, Machine: "q35", Accelerator: "kvm", Target: "graphical.target", State: "running",
			Kernel: "6.12.0-1.el10.x86_64", OS: "CentOS Stream 10 (Coughlan)", Seconds: 14.2,
			Times:      &Times{Kernel: 1.04, Initrd: 3.3, Userspace: 7.25, Target: 11.5},
			Assertions: []guest.Assertion{{What: "sshd.service is active", OK: true}},
			Notes:      []string{"the disk has no boot loader, because the firmware does not boot it"},
		},
		"failed": {
			Image: "oci:out/layout", Verdict: Failed, Mode: disk.Direct, Machine: "q35", Accelerator: "tcg",
			Target: "multi-user.target", State: "degraded", Kernel: "6.1.0", OS: "Debian GNU/Linux 12 (bookworm)", Seconds: 61,
			Failure: &Failure{
				Class: UnitFailed, Explanation: UnitFailed.kind().explanation + " kiln.service failed: exit status 203.",
				Causes:  []Cause{{"unit-programs", "/usr/lib/systemd/system/kiln.service: /usr/bin/kiln is not there"}},
				Excerpt: []string{"[FAILED] Failed to start kiln.service - Kiln."},
			},
			FailedUnits: []guest.Unit{
				{Name: "kiln.service", Result: "exit-code", Status: 203, Log: []string{"kiln.service: Unable to locate executable '/usr/bin/kiln'"}},
				{Name: "smartd.service", Result: "exit-code", Status: 17, Allowed: "the virtual machine has no such hardware"},
			},
			Waiting:    []guest.Job{{Unit: "slow.service", Type: "start", State: "running"}},
			Assertions: []guest.Assertion{{What: "sshd.service is active", Found: "inactive"}},
		},
		"unbootable": {
			Image: "oci:out/layout", Verdict: Failed,
			Failure: &Failure{Class: Unbootable, Explanation: "The image has no kernel.", Hint: "install one"},
		},
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, r := range results() {
		golden.Check(t, "testdata/text/"+name+".txt", []byte(r.Text()))
	}
}

func TestErr(t *testing.T) {
	t.Parallel()
	for name, r := range results() {
		err := r.Err()
		var failed *FailedError
		if errors.As(fmt.Errorf("publishing: %w", err), &failed) == (name == "booted") {
			t.Errorf("%s: %v", name, err)
		}
		if failed != nil && (!strings.Contains(err.Error(), r.Failure.Class.Summary()) || failed.Result != r) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
