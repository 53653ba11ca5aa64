// Package qemu runs a machine in QEMU: it finds the program, proves which
// accelerator works, starts a guest whose processes and memory end with this
// program's, and says what becomes of it.
package qemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// A Model is a kind of machine that QEMU can be. It is all that differs between
// architectures.
type Model struct {
	// Architecture is that of image configurations ("amd64").
	Architecture string
	// Machine is QEMU's name of it ("q35").
	Machine string
	// Console and Channel are the guest's ttys of [Guest.Console] and
	// [Guest.Channel] ("ttyS0").
	Console, Channel string
	// Arguments are for the kernel, because of what the machine is.
	Arguments []string

	programs []string
	// packages are those that have the program.
	packages string
	cpu      map[Accel]string
	devices  []string
	// probe returns arguments for a guest that writes to the character device
	// "console" as soon as it executes anything; files go to dir.
	probe func(dir string) ([]string, error)
}

// models: the slots for the console and the channel are the character devices
// "console" and "channel".
var models = []Model{
	{
		Architecture: "amd64", Machine: "q35", Console: "ttyS0", Channel: "ttyS1",
		// An emulator that others keep from running loses ticks: the kernel's test
		// of the timer then fails, and it panics. Under KVM it makes no such test.
		Arguments: []string{"no_timer_check"},
		programs:  []string{"qemu-system-x86_64"},
		packages:  "qemu-system-x86 (Debian, Ubuntu), qemu-kvm (Fedora, CentOS, RHEL)",
		cpu:       map[Accel]string{KVM: "host", TCG: "max"},
		devices: []string{
			"isa-serial,chardev=console,index=0", "isa-serial,chardev=channel,index=1", "pvpanic", "VGA",
		},
		probe: probePC,
	},
	{
		Architecture: "arm64", Machine: "virt", Console: "ttyAMA0", Channel: "hvc0",
		programs: []string{"qemu-system-aarch64"},
		packages: "qemu-system-arm (Debian, Ubuntu), qemu-system-aarch64 (Fedora)",
		// The pointer authentication of the architecture takes the emulator half of
		// its time.
		cpu: map[Accel]string{KVM: "host", TCG: "max,pauth-impdef=on"},
		devices: []string{
			"virtio-serial-pci", "virtconsole,chardev=channel", "pvpanic-pci", "virtio-gpu-pci", "qemu-xhci", "usb-kbd",
		},
		probe: probeVirt,
	},
}

// ModelFor returns the machine for images of an architecture; "" is that of
// this program. An architecture that there is no machine for is an error.
func ModelFor(architecture string) (*Model, error) {
	if architecture == "" {
		architecture = runtime.GOARCH
	}
	for i := range models {
		if models[i].Architecture == architecture {
			return &models[i], nil
		}
	}
	return nil, fmt.Errorf("booting an image for %q: %w: there is a machine for amd64 and arm64 only", architecture, errors.ErrUnsupported)
}

// MissingError says that QEMU is not installed.
type MissingError struct {
	// Program is what was looked for.
	Program string
	// Packages are those that have it.
	Packages string
}

// Error names the program.
func (e *MissingError) Error() string {
	return fmt.Sprintf("booting the image: %s is not installed", e.Program)
}

// MendHint names the packages.
func (e *MissingError) MendHint() string { return "install one of: " + e.Packages }

// Program returns the path of QEMU's program for the machine; a
// [*MissingError] where there is none.
func (m *Model) Program() (string, error) {
	names := m.programs
	if m.Architecture == runtime.GOARCH {
		// As CentOS and RHEL install it, outside of PATH.
		names = append(names[:len(names):len(names)], "qemu-kvm", "/usr/libexec/qemu-kvm")
	}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("looking for %q: %w", name, err)
		}
	}
	return "", &MissingError{m.programs[0], m.packages}
}
