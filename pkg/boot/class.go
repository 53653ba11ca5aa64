package boot

import "regexp"

// Class is a kind of failure, in kebab case. It is stable, so that scripts can
// match it.
type Class string

// The classes.
const (
	Unbootable      Class = "unbootable"       // what is needed to try is not in the image
	BadKernel       Class = "bad-kernel"       // the machine cannot load the kernel or its initramfs
	NoBootLoader    Class = "no-boot-loader"   // the firmware finds nothing to start
	NoOutput        Class = "no-output"        // it never showed a sign of life
	Hung            Class = "hung"             // it stopped to show one
	BadInitramfs    Class = "bad-initramfs"    // the kernel cannot unpack it
	OutOfMemory     Class = "out-of-memory"    // it does not fit
	NoRoot          Class = "no-root"          // the root file system was not found or not mounted
	NoDeployment    Class = "no-deployment"    // ostree-prepare-root could not make the root of the deployment
	NoInit          Class = "no-init"          // there is no init that can be executed
	InitDied        Class = "init-died"        // init ended, or froze
	SELinux         Class = "selinux"          // no policy could be loaded
	Panic           Class = "panic"            // any other panic of the kernel
	InitrdEmergency Class = "initramfs-shell"  // the initramfs gave up
	Emergency       Class = "emergency"        // the system fell into its emergency shell
	NoTarget        Class = "no-target"        // the target is not there
	Blocked         Class = "target-blocked"   // the target is waiting for something that does not end
	Unreached       Class = "target-unreached" // the target failed, or nothing wants it
	UnitFailed      Class = "unit-failed"      // it booted, and units failed
	Unexpected      Class = "expectation"      // it booted, and is not as the recipe expects
	Reboots         Class = "reboots"          // it restarted itself
	PowersOff       Class = "powers-off"       // it switched itself off
	NoLogin         Class = "no-login"         // nobody could be asked, and no login came
)

// kind is what is known of a class.
type kind struct {
	class Class
	// summary ends the sentence "the image does not boot: …".
	summary string
	// explanation is for somebody who has never seen the console.
	explanation string
	// rules are those of the checks whose findings explain it, the likeliest
	// first.
	rules []string
}

var kinds = []kind{
	{Unbootable, "it lacks what is needed to start it", "", []string{"kernel", "initramfs-missing", "kernel-release"}},
	{
		BadKernel, "its kernel cannot be loaded",
		"The machine could not load the kernel with its initramfs, and never started: the kernel is cut off, damaged or none at all, or the initramfs is larger than the memory that it is loaded to.",
		[]string{"kernel", "kernel-release", "kernel-architecture", "initramfs-decodes"},
	},
	{
		NoBootLoader, "the firmware finds no boot loader",
		"The firmware found nothing on the installed disk that it can start: no boot loader was installed, or not for this firmware.",
		[]string{"bootupd"},
	},
	{
		NoOutput, "it never shows a sign of life",
		"The machine started and nothing came over its console: the kernel did not begin to run, is for another machine, or hangs at once.",
		[]string{"kernel-architecture", "kernel", "kernel-release", "architecture"},
	},
	{
		Hung, "it hangs",
		"The machine stopped to say anything, on its console or otherwise, long before it was done.",
		[]string{"kernel-modules", "initramfs-kernel", "initramfs-disk-drivers"},
	},
	{
		BadInitramfs, "the kernel cannot unpack its initramfs",
		"The kernel could not unpack the initramfs: it is cut off, damaged, or compressed in a way that this kernel was built without.",
		[]string{"initramfs-decodes", "initramfs-missing", "kernel-release"},
	},
	{
		OutOfMemory, "it needs more memory than the machine has",
		"The machine ran out of memory. Give it more (boot.memory in the recipe, or --memory), if those who get the image have more.",
		[]string{"initramfs-volatile", "initramfs-decodes"},
	},
	{
		NoRoot, "its root file system is not found",
		"The initramfs did not find or could not mount the root file system: the driver of the disk (virtio_blk) or of the file system is neither in the initramfs nor built into the kernel, or the initramfs has modules of another kernel only.",
		[]string{"initramfs-disk-drivers", "initramfs-root-driver", "initramfs-kernel", "initramfs-missing", "initramfs-decodes", "kernel-modules", "initramfs-init"},
	},
	{
		NoDeployment, "its ostree deployment cannot be made the root",
		"The disk was found, and what ostree deployed on it could not be made the root file system: ostree-prepare-root is not in the initramfs, or failed.",
		[]string{"initramfs-prepare-root", "prepare-root", "initramfs-prepare-root-conf", "initramfs-composefs-drivers", "ostree-layout"},
	},
	{
		NoInit, "it has no init that can be executed",
		"There is no program /sbin/init that this machine can execute: it is not there, is not executable, is for another processor, or its dynamic linker is missing.",
		[]string{"init", "architecture", "api-directories", "initramfs-init"},
	},
	{
		InitDied, "its init ends",
		"The first process of the system ended or froze, and the system with it. A library that init needs is missing or damaged, or what it needs to begin is.",
		[]string{"init", "initramfs-init", "architecture", "selinux-policy", "api-directories"},
	},
	{
		SELinux, "its SELinux policy cannot be loaded",
		"SELinux is enforcing, and no policy could be loaded: systemd refuses to go on.",
		[]string{"selinux-policy"},
	},
	{
		Panic, "its kernel panics", "The kernel met something that it cannot go on from.",
		[]string{"kernel-modules", "initramfs-decodes", "kargs-d", "initramfs-kernel"},
	},
	{
		InitrdEmergency, "its initramfs gives up",
		"The initramfs could not make the root file system ready, and offered its emergency shell.",
		[]string{"initramfs-disk-drivers", "initramfs-root-driver", "initramfs-kernel", "initramfs-prepare-root", "kernel-modules"},
	},
	{
		Emergency, "it falls into its emergency shell",
		"systemd gave up on the normal boot and offered its emergency shell: most often a mount of /etc/fstab or a unit that local-fs.target or sysinit.target needs failed.",
		[]string{"unit-programs", "unit-links", "masked-essentials", "kernel-modules"},
	},
	{
		NoTarget, "it has no such target",
		"The unit that was to be reached is not in the image, is masked, or cannot be loaded; systemd offers its rescue shell instead.",
		[]string{"default-target", "unit-links", "masked-essentials"},
	},
	{
		Blocked, "its target is not reached in time",
		"systemd is still busy with something that the target waits for and that does not end.",
		nil,
	},
	{
		Unreached, "its target is not reached",
		"systemd came to rest, and the target is not active: what it needs failed, or nothing wants it.",
		[]string{"default-target", "unit-links", "masked-essentials"},
	},
	{
		UnitFailed, "units fail", "The target was reached, and units failed on the way that may not.",
		[]string{"unit-programs", "unit-links", "sysusers", "var-tmpfiles"},
	},
	{Unexpected, "it is not what the recipe expects of it", "The target was reached, and the system is not as it is expected to be.", nil},
	{
		Reboots, "it restarts itself",
		"The machine restarted before it was done: by a unit that reboots, a fault that the processor cannot handle, or a panic that reboots at once. On real hardware it would do so for ever.",
		[]string{"kernel-architecture", "kargs-d"},
	},
	{PowersOff, "it switches itself off", "The machine switched itself off, or halted, before it was done.", nil},
	{
		NoLogin, "it comes to no login",
		"Nobody could be asked how it goes, because no systemd opened a shell, and no login prompt appeared on the console.",
		[]string{"init", "default-target"},
	},
}

func (c Class) kind() kind {
	for _, k := range kinds {
		if k.class == c {
			return k
		}
	}
	return kind{class: c, summary: string(c)}
}

// Summary ends the sentence "the image does not boot: …".
func (c Class) Summary() string { return c.kind().summary }

// sign is a text on the console and what it is a sign of. The texts are those of
// Linux, dracut, systemd, ostree, SeaBIOS and edk2.
type sign struct {
	class Class
	text  *regexp.Regexp
	// final says that the machine does not recover: what it does from then on is
	// of no interest.
	final bool
}

// signs: of those that were seen, the first in this table says what it is. A
// sign explains those behind it: an initramfs that cannot be unpacked ends in a
// panic for want of a root.
var signs = []sign{
	{BadInitramfs, re(`Initramfs unpacking failed`), false},
	{BadInitramfs, re(`rootfs image is not initramfs`), false},
	{OutOfMemory, re(`System is deadlocked on memory|Out of memory and no killable processes|Out of memory: Kill`), true},
	{SELinux, re(`Failed to load SELinux policy`), true},
	{NoDeployment, re(`ostree-prepare-root(\[\d+\])?: (?i:couldn't|failed|error|could not)`), false},
	{NoDeployment, re(`Failed to start .*(ostree-prepare-root|OSTree Prepare OS/)`), false},
	{NoDeployment, re(`ostree-prepare-root\.service: (Main process exited|Failed)`), false},
	{NoRoot, re(`Kernel panic - not syncing: VFS: Unable to mount root fs`), true},
	{NoRoot, re(`No filesystem could mount root`), false},
	{NoInit, re(`Kernel panic - not syncing: (No working init found|Requested init )`), true},
	{NoInit, re(`(Failed to execute|Couldn't execute|exists but couldn't execute it).*(/init|/systemd)`), false},
	// systemd goes on to /bin/sh, which then waits for somebody to type.
	{NoInit, re(`No /sbin/init, trying fallback`), true},
	{NoInit, re(`Failed to switch root: (Specified switch root path|.*does not seem to be an OS tree)`), false},
	{NoInit, re(`os-release file is missing|does not seem to be an OS tree`), false},
	{InitDied, re(`error while loading shared libraries`), false},
	{NoTarget, re(`Failed to (load|start|isolate) default target`), false},
	{InitDied, re(`Kernel panic - not syncing: Attempted to kill init!`), true},
	{InitDied, re(`systemd\[1\]: Freezing execution|\[!!!!!!\] .*(freezing|Freezing)`), true},
	{Panic, re(`Kernel panic - not syncing`), true},
	{NoRoot, re(`(Warning|FATAL): (/dev/|root|.*/dev/disk/by-).* does not exist`), false},
	{NoRoot, re(`Timed out waiting for device|dev-(disk-by|vda).*\.device: Job .* timed out`), false},
	{NoRoot, re(`dracut-initqueue.*(timeout|Timed out)`), false},
	{NoRoot, re(`FATAL: No or empty root= argument|Don't know how to handle 'root=`), false},
	{NoRoot, re(`mount: .*unknown filesystem type|ALERT! .* does not exist`), false},
	{NoRoot, re(`Failed to mount .*(/sysroot|sysroot\.mount)`), false},
	{InitrdEmergency, re(`Generating "?/run/initramfs/rdsosreport\.txt|dracut:/#|Boot has failed\. To debug|\(initramfs\) $|Refusing to continue`), true},
	// systemd's way out where there is no default target: nothing that fails leads there.
	{NoTarget, re(`You are in rescue mode`), true},
	{Emergency, re(`You are in emergency mode|Cannot open access to console, the root account is locked|(root password for|Press Enter for) maintenance`), true},
	{PowersOff, re(`reboot: System halted`), true},
	{NoBootLoader, re(`No bootable device|Boot failed: not a bootable disk|BdsDxe: No bootable option|Shell> $|Operating System not found|grub rescue>`), true},
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }
