package check

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// configRules are about the configuration that bootc, ostree and bootupd read
// from an image, most of them long after it was built.
var configRules = []Rule{
	{
		ID:       "install-config",
		Summary:  "bootc can read its installation's configuration",
		Severity: diag.Error,
		Doc:      "bootc refuses to install the image while one key of one file is unknown or has a value that it does not take. Nothing reads the files before. The key is match-architectures, although the manual writes match_architectures.",
		Source:   "crates/lib/src/install/config.rs of bootc; no lint of bootc reads these files",
		Hint:     "write the keys of bootc-install-config(5), with dashes, in one table [install]",
		Run:      checkInstallConfig,
	},
	{
		ID:       "install-architectures",
		Summary:  "match-architectures of the installation's configuration has names that bootc knows",
		Severity: diag.Warning,
		Doc:      "What the file says is left out without a word.",
		Source:   "std::env::consts::ARCH in crates/lib/src/install/config.rs of bootc",
		Hint:     "use the names " + knownRust(),
		Run:      checkInstallArchitectures,
	},
	{
		ID:       "install-filesystem",
		Summary:  "the image says which root file system it is installed on",
		Severity: diag.Warning,
		Doc:      `"bootc install to-disk" and tools that use it stop with "No root filesystem specified" unless whoever installs knows what to give it. A machine that updates to the image is not concerned.`,
		Source:   "prepare_install in crates/lib/src/install.rs of bootc",
		Hint:     `write to /usr/lib/bootc/install/00-image.toml: [install.filesystem.root] type = "xfs"`,
		Run:      checkInstallFilesystem,
	},
	{
		ID:       "bound-images",
		Summary:  "bootc can read the images that belong to this one",
		Severity: diag.Error,
		Doc:      "bootc reads all of them before it installs or updates, and stops at the first that is not as it wants it: the machine keeps its old image.",
		Source:   "query_bound_images in crates/lib/src/boundimage.rs of bootc",
		Hint:     "put links to files of Quadlet there: ln -s /usr/share/containers/systemd/x.image /usr/lib/bootc/bound-images.d/x.image",
		Run:      checkBoundImages,
	},
	{
		ID:       "prepare-root",
		Summary:  "there is a prepare-root.conf, and ostree can read it",
		Severity: diag.Error,
		Doc:      `Without the file "bootc install" stops with "Failed to find ostree/prepare-root.conf", which its lint calls a warning. With one that ostree cannot read, no deployment succeeds.`,
		Source:   "require_config_from_root in bootc's crates/ostree-ext/src/ostree_prepareroot.rs; otcore_load_rootfs_config of ostree; bootc lint baseimage-composefs passes what it cannot read as a warning",
		Hint:     "write to /usr/lib/ostree/prepare-root.conf: [composefs] enabled = yes; then make the initramfs anew",
		Run:      checkPrepareRoot,
	},
	{
		ID:       "composefs",
		Summary:  "prepare-root.conf turns composefs or a transient root on",
		Severity: diag.Warning,
		Doc:      "Without them the root file system is a folder that root can write to, the content of folders such as /opt is left out of the deployment of an image with an ostree base, and nothing notices damage.",
		Source:   "bootc lint baseimage-composefs, which does not know root.transient-ro; a missing or unreadable file is rule prepare-root's",
		Hint:     "write to /usr/lib/ostree/prepare-root.conf: [composefs] enabled = yes; then make the initramfs anew",
		Run:      checkComposefs,
	},
	{
		ID:       "bootupd",
		Summary:  "bootc can install a boot loader from the image",
		Severity: diag.Warning,
		Doc:      `"bootc install" stops with "bootupd is required for ostree-based installs", or installs a disk that does not start. Machines that have a boot loader keep theirs: bootc never updates it.`,
		Source:   "supports_bootupd in bootc's crates/lib/src/bootloader.rs, PostFetchState in install.rs; src/component.rs and src/efi.rs of bootupd",
		Hint:     "install bootupd and the distribution's boot loaders, then run: bootupctl backend generate-update-metadata",
		Run:      checkBootupd,
	},
	{
		ID:       "selinux-policy",
		Summary:  "the SELinux policy that is switched on is in the image",
		Severity: diag.Error,
		Doc:      `The deployment fails: "Could not find binary policy file", or on bootc's composefs back end "SELinux policy is missing mandatory file_contexts file".`,
		Source:   "initable_init and get_policy_checksum in ostree's ostree-sepolicy.c; composefs-boot's selabel.rs",
		Hint:     "install the policy's package (selinux-policy-targeted, or selinux-policy-default on Debian), or write SELINUX=disabled",
		Run:      checkSELinuxPolicy,
	},
	{
		ID:       "kargs-reserved",
		Summary:  "kargs.d leaves out the arguments that bootc sets itself",
		Severity: diag.Warning,
		Doc:      "bootc adds root=, ostree= and composefs= for the disk and the deployment of each machine. Of two, programs take the first or the last as they like, and the machine looks for the root file system of another.",
		Source:   "crates/lib/src/bootc_kargs.rs and install.rs of bootc",
		Hint:     "leave it out; root-mount-spec of bootc's installation configuration changes root=",
		Run:      checkKargsReserved,
	},
}

func checkInstallConfig(_ context.Context, t *Target) ([]Finding, error) {
	files, err := t.installFiles()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, f := range files {
		for _, problem := range f.problems {
			out = append(out, finding(f.name, "%s", problem))
		}
	}
	return out, nil
}

func checkInstallArchitectures(_ context.Context, t *Target) ([]Finding, error) {
	files, err := t.installFiles()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, f := range files {
		out = append(out, unknownArchitectures(f.name, f.architectures)...)
	}
	return out, nil
}

func checkInstallFilesystem(_ context.Context, t *Target) ([]Finding, error) {
	if has, err := t.hasBootc(); err != nil {
		return nil, err
	} else if !has {
		return nil, NotApplicable("no bootc in the image, which could install it")
	}
	rootFS, _, err := t.installSettings()
	if err != nil || rootFS != "" {
		return nil, err
	}
	return found(installDirs[len(installDirs)-1], "no file here names a root file system"), nil
}

func checkPrepareRoot(_ context.Context, t *Target) ([]Finding, error) {
	if uses, err := t.usesOSTree(); err != nil {
		return nil, err
	} else if !uses {
		return nil, NotApplicable("neither a label nor /ostree says that the image is for bootc or ostree")
	}
	name, data, err := t.prepareRootIn("")
	if err != nil {
		return nil, err
	}
	if data == nil {
		return found("usr/lib/ostree/"+prepareRootFile, "neither this file nor /etc/ostree/%s is there", prepareRootFile), nil
	}
	if _, err := parsePrepareRoot(string(data)); err != nil {
		return found(name, "%v", err), nil
	}
	return nil, nil
}

func checkComposefs(_ context.Context, t *Target) ([]Finding, error) {
	var out []Finding
	judged := false
	for _, dir := range []string{"", baseimageRef} {
		name, data, err := t.prepareRootIn(dir)
		if err != nil {
			return nil, err
		}
		if data == nil {
			if fi, err := t.lstat(baseimageRef); err != nil {
				return nil, err
			} else if dir != "" && fi != nil {
				out = append(out, finding(dir, "the example of a base image has no %s", prepareRootFile))
			}
			continue
		}
		p, err := parsePrepareRoot(string(data))
		if err != nil {
			continue
		}
		judged = true
		if !p.usesComposefs() && !p.transient {
			out = append(out, finding(name, "neither composefs.enabled nor root.transient is on"))
		}
	}
	if !judged && out == nil {
		return nil, NotApplicable("no " + prepareRootFile + " that can be read: see rule prepare-root")
	}
	return out, nil
}

func checkKargsReserved(_ context.Context, t *Target) ([]Finding, error) {
	args, err := kernelArgs(t)
	if none := NotApplicable(""); err != nil && !errors.As(err, &none) {
		return nil, err
	}
	var out []Finding
	for _, arg := range args {
		if name, _, _ := strings.Cut(arg.text, "="); slices.Contains([]string{"root", "ostree", "composefs"}, name) {
			out = append(out, finding(arg.file, "kernel argument %q is bootc's to set", arg.text))
		}
	}
	return out, nil
}
