package check

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// fstabRules are about what the image mounts besides its root file system.
var fstabRules = []Rule{
	{
		ID:       "fstab",
		Summary:  "/etc/fstab waits for no disk of one machine",
		Severity: diag.Warning,
		Doc:      "A machine that has no such disk waits for it for 90 seconds at each boot, and ends in the emergency shell unless it was one for swapping. Lines with nofail or noauto are not looked at, nor disks that are named by a label.",
		Source:   "systemd-fstab-generator(8), systemd.mount(5)",
		Hint:     "take the line out of the image, add the option nofail, or name the file system by a label: LABEL=data",
		Run:      checkFstab,
	},
}

func checkFstab(_ context.Context, t *Target) ([]Finding, error) {
	const name = "etc/fstab"
	data, err := readSmall(t.Root, name)
	if err != nil {
		return nil, err
	}
	var out []Finding
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		// fstab(5): device, folder, type and options, with blanks between them.
		fields := strings.Fields(text)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || !ofOneMachine(fields[0]) {
			continue
		}
		if len(fields) > 3 {
			options := strings.Split(fields[3], ",")
			if slices.Contains(options, "nofail") || slices.Contains(options, "noauto") {
				continue
			}
		}
		use := fields[1] + " is on"
		if len(fields) > 2 && fields[2] == "swap" {
			use = "swapping needs"
		}
		out = append(out, finding(name, "line %d: %s %s, which other machines do not have", line, use, fields[0]))
	}
	return out, nil
}

// ofOneMachine reports whether a device has a name that says which of all
// devices it is, or how it is plugged in.
func ofOneMachine(device string) bool {
	key, _, tagged := strings.Cut(device, "=")
	if tagged && !strings.HasPrefix(device, "/") {
		return slices.Contains([]string{"UUID", "PARTUUID", "ID"}, strings.ToUpper(key))
	}
	dir, disk := path.Split(path.Clean(device))
	switch dir {
	case "/dev/disk/by-uuid/", "/dev/disk/by-partuuid/", "/dev/disk/by-id/", "/dev/disk/by-path/", "/dev/disk/by-diskseq/":
		return true
	case "/dev/":
		return slices.ContainsFunc([]string{"sd", "hd", "vd", "xvd", "nvme", "mmcblk"}, func(kind string) bool { return strings.HasPrefix(disk, kind) })
	}
	return false
}
