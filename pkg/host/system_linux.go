package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProbeSystem returns the machine that this runs on.
func ProbeSystem() *System {
	return &System{
		FS:           os.DirFS("/"),
		Getenv:       os.Getenv,
		Now:          time.Now,
		UID:          os.Geteuid,
		Uname:        uname,
		RealPath:     filepath.EvalSymlinks,
		LookPath:     exec.LookPath,
		Statfs:       statfs,
		OpenFiles:    openFiles,
		OpenKVM:      openKVM,
		MountOverlay: mountOverlay,
		ProbeFiles:   probeFiles,
	}
}

func uname() (release, machine string, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", "", os.NewSyscallError("uname", err)
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]), nil
}

func statfs(path string) (Room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Room{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	// The fragment size counts the blocks; 0 on kernels and file systems that do
	// not fill it in.
	block := uint64(st.Frsize)
	if block == 0 {
		block = uint64(st.Bsize)
	}
	return Room{Free: st.Bavail * block, Files: st.Files, FreeFiles: st.Ffree}, nil
}

func openFiles() (soft, hard uint64, err error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, 0, os.NewSyscallError("getrlimit", err)
	}
	return limit.Cur, limit.Max, nil
}

// openKVM goes as far as a virtual machine: the device alone is there on
// machines, too, whose processor or hypervisor then refuses.
func openKVM() error {
	const kvmCreateVM = 0xae01 // KVM_CREATE_VM, linux/kvm.h: _IO(KVMIO, 0x01)
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	vm, err := unix.IoctlRetInt(int(f.Fd()), kvmCreateVM)
	if err != nil {
		return &os.PathError{Op: "making a virtual machine with", Path: "/dev/kvm", Err: err}
	}
	return unix.Close(vm)
}

const probePattern = ".bootkiln-doctor-*"

// mountOverlay works in a mount namespace of its own, so that no mount is left
// behind however the process ends.
func mountOverlay(dir string) (err error) {
	tmp, err := os.MkdirTemp(dir, probePattern)
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.RemoveAll(tmp); err == nil {
			err = rerr
		}
	}()
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and the
		// namespace with it.
		runtime.LockOSThread()
		done <- tryOverlay(tmp)
	}()
	return <-done
}

func tryOverlay(dir string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(path(name), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path("lower/file"), nil, 0o600); err != nil {
		return err
	}
	option := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`)
	data := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s",
		option.Replace(path("lower")), option.Replace(path("upper")), option.Replace(path("work")))
	if err := unix.Mount("overlay", path("merged"), "overlay", 0, data); err != nil {
		return &os.PathError{Op: "mounting an overlay on", Path: dir, Err: err}
	}
	// Deleting what is in the lower folder is what needs whiteouts.
	err := os.Remove(path("merged/file"))
	if uerr := unix.Unmount(path("merged"), unix.MNT_DETACH); uerr != nil {
		err = errors.Join(err, os.NewSyscallError("unmount", uerr))
	}
	return err
}

func probeFiles(dir string) (features FileFeatures, err error) {
	tmp, err := os.MkdirTemp(dir, probePattern)
	if err != nil {
		return FileFeatures{}, err
	}
	defer func() {
		if rerr := os.RemoveAll(tmp); err == nil {
			err = rerr
		}
	}()
	file := filepath.Join(tmp, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return FileFeatures{}, err
	}
	features.DeviceNode = unix.Mknod(filepath.Join(tmp, "whiteout"), unix.S_IFCHR, int(unix.Mkdev(0, 0)))
	features.Owner = probeOwner(file)
	features.TrustedXattr = unix.Lsetxattr(file, "trusted.overlay.opaque", []byte("y"), 0)
	// vfs_cap_data of linux/capability.h, revision 2, with no capability in it.
	capability := make([]byte, 20)
	binary.LittleEndian.PutUint32(capability, 0x02000000)
	features.CapabilityXattr = unix.Lsetxattr(file, "security.capability", capability, 0)
	if _, err := os.Lstat(filepath.Join(tmp, "FILE")); err == nil {
		features.Case = errors.New("\"file\" and \"FILE\" are the same file")
	}
	return features, nil
}

func probeOwner(file string) error {
	const nobody = 65534
	if err := unix.Lchown(file, nobody, nobody); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(file, &st); err != nil {
		return err
	}
	if st.Uid != nobody || st.Gid != nobody {
		return fmt.Errorf("chown is ignored: the owner stays %d:%d", st.Uid, st.Gid)
	}
	return nil
}
