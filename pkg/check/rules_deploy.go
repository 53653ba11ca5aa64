package check

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
)

// deployRules foresee how a machine imports the image: its labels, its history
// and files that only the importer minds.
var deployRules = []Rule{
	{
		ID:       "label-bootc-value",
		Summary:  "label containers.bootc is 1",
		Severity: diag.Warning,
		Doc:      "bootc takes any value and writes a warning to the journal of every machine at every update. Other tools compare it with 1.",
		Source:   "check_bootc_label in crates/lib/src/deploy.rs of bootc",
		Hint:     `set the label: labels: {containers.bootc: "1"}`,
		Run:      checkLabelBootcValue,
	},
	{
		ID:       "label-version",
		Summary:  "the image says which version it is",
		Severity: diag.Note,
		Doc:      `"bootc status" and "bootc upgrade --check" show no version, only digests.`,
		Source:   "version_for_config in crates/ostree-ext of bootc",
		Hint:     `set the label: labels: {org.opencontainers.image.version: "1.2"}`,
		Run:      checkLabelVersion,
	},
	{
		ID:       "label-ostree",
		Summary:  "labels of ostree are of an image that has ostree's layers",
		Severity: diag.Error,
		Doc:      `bootc takes the first layers for objects of ostree and stops: "Missing ostree.final-diffid", or with an error about a tar stream. Tools that make an image's layers anew leave the label of the old ones behind.`,
		Source:   "parse_manifest_layout in bootc's crates/ostree-ext/src/container/store.rs; tunaOS issue 71",
		Hint:     "remove the labels ostree.final-diffid and ostree.commit where the layers are made anew",
		Run:      checkLabelOSTree,
	},
	{
		ID:       "history",
		Summary:  "the history has an entry for each layer",
		Severity: diag.Error,
		Doc:      `bootc reads what a layer is from the history, and refuses the image: "Truncated history".`,
		Source:   "layers_with_history in bootc's crates/ostree-ext/src/container/store.rs",
		Hint:     "write a history entry for each layer where the layers are made anew",
		Run:      checkHistory,
	},
	{
		ID:       "uki-composefs",
		Summary:  "a unified kernel image can be installed by bootc's composefs back end",
		Severity: diag.Error,
		Doc:      "A UKI in /boot/EFI/Linux makes bootc use its composefs back end, which asks for the digest of the root file system in the UKI's command line, a boot loader of its own, and a root file system with fs-verity unless that command line does without.",
		Source:   "install.rs, write_pe_to_esp in bootc_composefs/boot.rs and kernel.rs of bootc's crates/lib/src",
		Hint:     "make the UKI when the root file system is done, with composefs=<digest> in its command line; install on ext4 or btrfs",
		Run:      checkUKIComposefs,
	},
	{
		ID:       "etc-links",
		Summary:  "no link in /etc leads to /usr/etc",
		Severity: diag.Error,
		Doc:      `/etc becomes /usr/etc when bootc imports the image, and the link leads to itself: the import crashes, and "Failed to commit tar" is all that it says.`,
		Source:   "bootc issue 942",
		Hint:     "move what the link leads to out of /usr/etc, such as to /usr/share, and let the link lead there",
		Visit:    visitEtcLinks,
	},
	{
		ID:       "hard-links",
		Summary:  "no file has more names than file systems allow",
		Severity: diag.Warning,
		Doc:      `ext4 keeps at most 65000 names of one file: where a layer is unpacked on it, the pull ends with "too many links". Hard links that would cross layers cannot be seen in the merged image, and are not looked for.`,
		Source:   "rpm-ostree issue 5479; EXT4_LINK_MAX of Linux",
		Hint:     "make copies, or leave files out",
		Visit:    visitHardLinks,
	},
}

func (t *Target) label(name string) (string, bool) {
	value, ok := t.Config.Config.Labels[name]
	return value, ok
}

const noLabels = NotApplicable("a folder has no labels")

func checkLabelBootcValue(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, noLabels
	}
	if value, ok := t.label("containers.bootc"); ok && value != "1" {
		return found("", "label containers.bootc is %q", value), nil
	}
	return nil, nil
}

func checkLabelVersion(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, noLabels
	}
	for _, name := range []string{"org.opencontainers.image.version", "version"} {
		if value, _ := t.label(name); value != "" {
			return nil, nil
		}
	}
	return found("", "the image has neither label org.opencontainers.image.version nor version"), nil
}

func checkLabelOSTree(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, noLabels
	}
	const final, commit = "ostree.final-diffid", "ostree.commit"
	last, ok := t.label(final)
	if !ok {
		return nil, nil
	}
	for _, layer := range t.Config.RootFS.DiffIDs {
		if layer.String() != last {
			continue
		}
		repo, err := t.lstat("sysroot/ostree/repo")
		if err != nil || repo != nil {
			return nil, err
		}
		return found("", "label %s says that there are layers of ostree, and the image has no /sysroot/ostree/repo", final), nil
	}
	f := finding("", "label %s names the layer %q, which the image does not have", final, last)
	if _, ok := t.label(commit); !ok {
		f.Hint = "remove the label " + final
	}
	return []Finding{f}, nil
}

func checkHistory(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, NotApplicable("a folder has no history")
	}
	if layers, entries := len(t.Config.RootFS.DiffIDs), len(t.Config.History); entries < layers {
		return found("", "the history has %d entries, and the image %d layers", entries, layers), nil
	}
	return nil, nil
}

func checkUKIComposefs(_ context.Context, t *Target) ([]Finding, error) {
	kernels, err := t.kernels()
	if err != nil {
		return nil, err
	}
	rootFS, bootloader, err := t.installSettings()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, k := range kernels {
		if !k.unified() || k.problem != "" {
			continue
		}
		digest, has := "", false
		for _, arg := range strings.Fields(k.cmdline) {
			if value, ok := strings.CutPrefix(arg, "composefs="); ok && !has {
				digest, has = value, true
			}
		}
		switch {
		case strings.TrimPrefix(digest, "?") == "":
			out = append(out, finding(k.name, "its command line has no composefs=<digest>: %q", k.cmdline))
		case rootFS == "xfs" && !strings.HasPrefix(digest, "?"):
			out = append(out, finding(k.name, "its command line asks for fs-verity, and the image is installed on xfs, which has none"))
		}
		if bootloader == "none" {
			out = append(out, finding(k.name, `the image is installed with bootloader = "none", which the composefs back end refuses`))
		}
	}
	return out, nil
}

func visitEtcLinks(t *Target, f File) ([]Finding, error) {
	if f.Info.Mode().Type() != fs.ModeSymlink || !strings.HasPrefix(f.Name, "etc/") {
		return nil, nil
	}
	target, err := t.Root.ReadLink(f.Name)
	if err != nil {
		return nil, err
	}
	to := path.Join("/", target)
	if !path.IsAbs(target) {
		to = path.Join("/", path.Dir(f.Name), target)
	}
	if to == "/usr/etc" || strings.HasPrefix(to, "/usr/etc/") {
		return found(f.Name, "it leads to %q, and is in /usr/etc itself once it is imported", target), nil
	}
	return nil, nil
}

// maxNames is EXT4_LINK_MAX.
const maxNames = 65_000

func visitHardLinks(t *Target, f File) ([]Finding, error) {
	st := image.StatOf(f.Info)
	// The name of a folder is one, however many folders are in it. What bootc
	// leaves out is unpacked all the same.
	if f.Info.IsDir() || st.Nlink <= maxNames || slices.Contains(t.linked, st.Inode) {
		return nil, nil
	}
	t.linked = append(t.linked, st.Inode)
	return found(f.Name, "it has %d names", st.Nlink), nil
}
