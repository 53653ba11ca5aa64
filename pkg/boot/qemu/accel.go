package qemu

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Accel is what executes the guest's instructions.
type Accel string

// The accelerators.
const (
	// KVM is the processor.
	KVM Accel = "kvm"
	// TCG is QEMU's emulator, some ten times slower.
	TCG Accel = "tcg"
)

// probeTime bounds how long a guest may take to show its first sign of life;
// firmware under a KVM that works takes a fraction of a second.
const probeTime = 10 * time.Second

// Probe proves that an accelerator runs guests: it starts one, and waits until
// the firmware has executed. That /dev/kvm is there, can be opened, and starts
// a machine says little: a hypervisor below may fail at the first instruction.
func Probe(ctx context.Context, m *Model, a Accel, dir string) error {
	if a == KVM && m.Architecture != runtime.GOARCH {
		return fmt.Errorf("starting a guest: a processor for %s cannot run code for %s", runtime.GOARCH, m.Architecture)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	probe, err := m.probe(dir)
	if err != nil {
		return err
	}
	g, err := start(ctx, Spec{Model: m, Accel: a, CPUs: 1, Memory: 128 << 20}, probe)
	if err != nil {
		return err
	}
	defer g.Close()
	first := make(chan error, 1)
	go func() {
		_, err := g.Console.Read(make([]byte, 1))
		first <- err
	}()
	select {
	case err = <-first:
		if err == nil {
			return nil
		}
		<-g.Done()
		return g.Err()
	case <-ctx.Done():
		return fmt.Errorf("starting a guest: it executed nothing within %v", probeTime)
	}
}

// probePC listens on the port that SeaBIOS and OVMF write to when they start.
func probePC(string) ([]string, error) {
	return []string{"-device", "isa-debugcon,iobase=0x402,chardev=console"}, nil
}

// probeVirt starts a program that writes a letter to the serial port, and stays
// in a loop.
func probeVirt(dir string) ([]string, error) {
	var program []byte
	for _, instruction := range []uint32{
		0xd2a12000, // movz x0, #0x900, lsl #16: the PL011 of the virt machine
		0x52800961, // movz w1, #'K'
		0xb9000001, // str  w1, [x0]
		0x14000000, // b    .
	} {
		program = binary.LittleEndian.AppendUint32(program, instruction)
	}
	name := filepath.Join(dir, "probe")
	if err := os.WriteFile(name, program, 0o600); err != nil {
		return nil, fmt.Errorf("writing the probe: %w", err)
	}
	return []string{"-kernel", name, "-serial", "chardev:console"}, nil
}
