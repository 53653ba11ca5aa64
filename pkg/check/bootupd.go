package check

import (
	"context"
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	bootupdDir     = "usr/lib/bootupd/updates"
	efiPayloadDir  = "usr/lib/efi"
	systemdBootDir = "usr/lib/systemd/boot/efi"
)

func checkBootupd(_ context.Context, t *Target) ([]Finding, error) {
	if has, err := t.hasBootc(); err != nil {
		return nil, err
	} else if !has {
		return nil, NotApplicable("no bootc in the image, which could install it")
	}
	if _, bootloader, err := t.installSettings(); err != nil {
		return nil, err
	} else if bootloader == "none" {
		return nil, nil
	}
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	program, err := t.hasProgram("bootupctl")
	if err != nil {
		return nil, err
	}
	updates, err := t.Root.ReadDir(bootupdDir)
	if err != nil && !isAbsent(err) {
		return nil, err
	}
	present := err == nil
	systemd, err := t.readDir(systemdBootDir)
	if err != nil {
		return nil, err
	}
	composefs := slices.ContainsFunc(kernels, func(k *bootKernel) bool { return k.unified() })
	switch {
	case program && present:
		return t.bootupdMetadata(updates)
	case program:
		return found(bootupdDir, "bootupctl is there, and no such folder with what it installs"), nil
	case present:
		return found(bootupdDir, "it is there, and no program bootupctl to install it"), nil
	case composefs && len(systemd) > 0:
		return nil, nil // which the back end for unified kernel images installs
	case composefs:
		return found(systemdBootDir, "neither systemd-boot nor bootupd is in the image"), nil
	}
	return found(bootupdDir, "bootupd is not in the image"), nil
}

// bootupdMetadata looks at what generate-update-metadata leaves: a file for
// each component, which is passed over without.
func (t *Target) bootupdMetadata(updates []fs.DirEntry) ([]Finding, error) {
	var out []Finding
	components := 0
	for _, e := range updates {
		name := path.Join(bootupdDir, e.Name())
		component, isMetadata := strings.CutSuffix(e.Name(), ".json")
		if e.IsDir() || !isMetadata || component != "EFI" && component != "BIOS" {
			continue
		}
		components++
		data, err := readSmall(t.Root, name)
		if err != nil {
			return nil, err
		}
		var metadata struct {
			Timestamp string `json:"timestamp"`
			Version   string `json:"version"`
		}
		if err := json.Unmarshal(data, &metadata); err != nil {
			out = append(out, finding(name, "bootupd cannot read it: %v", err))
		} else if metadata.Version == "" {
			out = append(out, finding(name, "it names no version"))
		}
		if component != "EFI" {
			continue
		}
		if has, err := t.hasEFIPayload(); err != nil {
			return nil, err
		} else if !has {
			out = append(out, finding(name, "it speaks of a boot loader that is neither in /%s/EFI nor in /%s/<name>/<version>/EFI", bootupdDir, efiPayloadDir))
		}
	}
	if components == 0 {
		return found(bootupdDir, "it has neither EFI.json nor BIOS.json: bootupd installs nothing"), nil
	}
	return out, nil
}

func (t *Target) hasEFIPayload() (bool, error) {
	if entries, err := t.readDir(path.Join(bootupdDir, "EFI")); err != nil || len(entries) > 0 {
		return len(entries) > 0, err
	}
	names, err := t.readDir(efiPayloadDir)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		versions, err := t.readDir(path.Join(efiPayloadDir, name.Name()))
		if err != nil {
			return false, err
		}
		for _, v := range versions {
			if entries, err := t.readDir(path.Join(efiPayloadDir, name.Name(), v.Name(), "EFI")); err != nil || len(entries) > 0 {
				return len(entries) > 0, err
			}
		}
	}
	return false, nil
}
