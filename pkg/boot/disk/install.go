package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// installSize is the least size of a disk that an image is installed on: boot
// partitions and room for what bootc needs while it works.
const installSize = 10 << 30

// firmwares are UEFI firmwares without Secure Boot, and the variable stores
// that go with them, by architecture: where Debian, Fedora and Arch have them.
var firmwares = map[string][][2]string{
	"amd64": {
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
	},
	"arm64": {
		{"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
		{"/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"},
	},
}

func (m machine) findFirmware(architecture string) (code, vars string, err error) {
	for _, f := range m.firmwares[architecture] {
		if regular(f[0]) && regular(f[1]) {
			return f[0], f[1], nil
		}
	}
	pkg := "ovmf"
	if architecture == "arm64" {
		pkg = "qemu-efi-aarch64"
	}
	return "", "", &MissingError{Program: "UEFI firmware for " + architecture, Package: pkg}
}

func regular(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.Mode().IsRegular()
}

// makeInstall has the image install itself onto the disk: the command of
// bootc's documentation (docs/src/man/bootc-install-to-disk.8.md and
// docs/src/bootc-install.md), in a container of podman's.
func (m *maker) makeInstall(ctx context.Context) (_ *Bootable, err error) {
	if !exists(m.root, "usr/bin/bootc") {
		return nil, &UnbootableError{Reason: "no bootc in it, so that it cannot install itself", Hint: "install bootc, or take another mode"}
	}
	if m.reference == "" {
		return nil, errors.New("making a disk: an image installs itself only from containers/storage, where this one is not")
	}
	if !m.machine.root {
		return nil, errors.New("making a disk: an image installs itself only as root")
	}
	b := &Bootable{
		Disk: filepath.Join(m.dir, diskFile), Mode: Install, Release: m.kernel.release, Architecture: m.kernel.architecture,
		Variables: filepath.Join(m.dir, "variables.fd"), Notes: m.notes,
	}
	code, vars, err := m.machine.findFirmware(b.Architecture)
	if err != nil {
		return nil, err
	}
	b.Firmware = code
	sum, err := measure(ctx, m.root, nil)
	if err != nil {
		return nil, err
	}
	space, err := checkSpace(m.dir, sum.bytes)
	if err != nil {
		return nil, err
	}
	id := filepath.Join(m.dir, "container.id")
	defer func() {
		if err != nil {
			err = space.explain(errors.Join(err, removeContainer(ctx, id), removeFiles(b.Disk, b.Variables)))
		}
		err = errors.Join(err, removeFiles(id))
	}()
	if err := copyFromHost(ctx, b.Variables, vars); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(b.Disk, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a disk: %w", err)
	}
	// bootc keeps the image twice for a moment.
	if err := errors.Join(f.Truncate(max(installSize, 2*sum.bytes+m.free)), f.Close()); err != nil {
		return nil, fmt.Errorf("making a disk: %w", err)
	}
	args, err := m.installCommand(id)
	if err != nil {
		return nil, err
	}
	_, err = run(ctx, nil, args...)
	if err := refusedBy(err, "it does not install itself"); err != nil {
		return nil, fmt.Errorf("making a disk: %w", err)
	}
	return b, nil
}

// installCommand is the command line. "--generic-image" installs boot loaders
// for any machine and changes no firmware variable of this one.
func (m *maker) installCommand(id string) ([]string, error) {
	dir, err := filepath.Abs(m.dir)
	if err != nil {
		return nil, fmt.Errorf("making a disk: %w", err)
	}
	args := append([]string{"podman", "run"}, ulimits...)
	args = append(args,
		"--rm", "--privileged", "--pid=host", "--pull=never", "--cidfile="+id,
		"--security-opt=label=type:unconfined_t",
		"--volume=/dev:/dev", "--volume=/var/lib/containers:/var/lib/containers", "--volume="+dir+":/output",
		m.reference,
		"bootc", "install", "to-disk", "--generic-image", "--via-loopback", "--wipe")
	named, err := namesRootFS(m.root)
	if err != nil {
		return nil, err
	}
	if !named {
		args = append(args, "--filesystem=ext4") // which bootc wants to be told
	}
	for _, arg := range m.more {
		args = append(args, "--karg="+arg)
	}
	return append(args, "/output/"+diskFile), nil
}

// namesRootFS reports whether the image says which root file system it wants:
// crates/lib/src/install/config.rs of bootc.
func namesRootFS(root image.Root) (bool, error) {
	for _, dir := range []string{"etc/bootc/install", "usr/local/lib/bootc/install", "usr/lib/bootc/install"} {
		names, err := filesIn(root, dir, func(name string) bool { return strings.HasSuffix(name, ".toml") })
		if err != nil {
			return false, err
		}
		for _, name := range names {
			text, err := readText(root, name)
			if err != nil {
				return false, err
			}
			var content map[string]any
			read, err := toml.Decode(text, &content)
			// A file that cannot be read is for bootc to complain about.
			if err == nil && (read.IsDefined("install", "root-fs-type") || read.IsDefined("install", "filesystem", "root", "type")) {
				return true, nil
			}
		}
	}
	return false, nil
}

func copyFromHost(ctx context.Context, to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	defer f.Close()
	return copyFile(ctx, to, f)
}
