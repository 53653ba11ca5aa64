package host

import (
	"fmt"
	"slices"
	"strings"
)

// folder is one of the folders that a build writes to.
type folder struct {
	check string // the check that is about its file system
	what  string
	path  string
	mend  string // how to have it elsewhere
	// least and wanted are the free bytes without which it fails, and with which
	// a desktop image of some 20 GB has room.
	least, wanted uint64
}

const oneGiB = 1 << 30

// folders returns those that are to be examined.
func (m *machine) folders() []folder {
	all := []folder{
		{"graph-root", "image store", m.o.GraphRoot, "set graphroot in /etc/containers/storage.conf to a folder on ext4, xfs or btrfs", 5 * oneGiB, 40 * oneGiB},
		{"temp-dir", "temporary folder", m.o.TempDir, "set TMPDIR to a folder on ext4, xfs or btrfs", 1 * oneGiB, 10 * oneGiB},
		{"out-dir", "output folder", m.o.OutDir, "choose another one with --out", oneGiB / 10, 1 * oneGiB},
	}
	return slices.DeleteFunc(all, func(f folder) bool { return f.path == "" })
}

// File systems by what is wrong with them for a build.
var (
	// hostShares are drives of Windows in WSL, and folders that a virtual machine
	// shares with its host.
	hostShares = []string{"9p", "drvfs", "virtiofs", "prl_fs", "vboxsf"}
	// foreign ones keep no owners, modes or extended attributes.
	foreign = []string{"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "iso9660", "ecryptfs"}
	// remote ones refuse overlay's attributes.
	remote = []string{"nfs", "nfs4", "cifs", "smb3", "ceph", "afs"}
)

// checkFolders: what kinds of file system the folders of a build are on.
func (m *machine) checkFolders() {
	for _, f := range m.folders() {
		m.checkFolder(f)
	}
}

func (m *machine) checkFolder(f folder) {
	if m.mountsErr != nil {
		m.add(f.check, Unknown, fmt.Sprintf("reading the mounts: %v", m.mountsErr))
		return
	}
	dir, err := m.existing(f.path)
	if err != nil {
		m.add(f.check, Unknown, fmt.Sprintf("finding %q: %v", f.path, err))
		return
	}
	mount := m.mountOf(dir)
	if mount == nil {
		m.add(f.check, Unknown, fmt.Sprintf("%q is on no mount that can be seen", dir))
		return
	}
	store := f.check == "graph-root"
	fstype, about := mount.FSType, fmt.Sprintf("%s %s is on %s", f.what, f.path, mount.FSType)
	options := strings.Split(mount.Options+","+mount.VFSOptions, ",")
	switch {
	case slices.Contains(options, "ro"):
		mend := f.mend
		if m.wsl == 2 && mount.Mountpoint == "/" {
			mend = "WSL mounts a damaged disk read-only: repair it with e2fsck from another distribution, after wsl --shutdown"
		}
		m.add(f.check, Problem, about+", mounted read-only", mend)
	case slices.Contains(hostShares, fstype) && m.wsl != 0:
		m.add(f.check, Problem, about+", a Windows drive: it keeps no owners and device nodes, and \"A\" and \"a\" are the same file",
			f.mend, "the distribution's own disk, for example /var/lib or a home folder, is ext4")
	case slices.Contains(hostShares, fstype):
		m.add(f.check, Problem, about+", a folder of the host: it keeps no owners and device nodes", f.mend)
	case slices.Contains(foreign, fstype):
		m.add(f.check, Problem, about+", which keeps no owners, modes and extended attributes", f.mend)
	case store && fstype == "overlay":
		mend := f.mend
		if m.container {
			mend = "give the container a volume: --volume bootkiln:/var/lib/containers"
		}
		m.add(f.check, Problem, about+", and overlays are not put on one another", mend)
	case store && (slices.Contains(remote, fstype) || strings.HasPrefix(fstype, "fuse")):
		m.add(f.check, Problem, about+", which overlay cannot be mounted on", f.mend)
	case fstype == "tmpfs" || fstype == "ramfs":
		m.add(f.check, Warning, about+": it fills the memory, and is gone with the next boot", f.mend)
	case slices.Contains(remote, fstype):
		m.add(f.check, Note, about+": slow, but it works")
	default:
		m.add(f.check, OK, about)
	}
}

// checkRootFileSystem: WSL puts an overlay in memory over a root that it cannot
// write to, and all that is written is lost.
func (m *machine) checkRootFileSystem() {
	root := m.mountOf("/")
	if m.wsl != 2 || m.container || root == nil {
		return
	}
	if root.FSType == "overlay" || root.FSType == "tmpfs" {
		m.add("root-file-system", Problem, "WSL has put a "+root.FSType+" over /, because the virtual disk is full or damaged: what is written now is lost",
			"in PowerShell: wsl --shutdown; make room on the Windows drive, and repair the disk with e2fsck from another distribution")
	}
}

// checkFreeSpace: one finding for each file system that the folders are on.
func (m *machine) checkFreeSpace() {
	const check = "free-space"
	type disk struct {
		dir           string
		names         []string
		least, wanted uint64
	}
	var disks []*disk
	byDevice := map[string]*disk{}
	for _, f := range m.folders() {
		dir, err := m.existing(f.path)
		if err != nil {
			continue // checkFolder has said so
		}
		device := dir
		if mount := m.mountOf(dir); mount != nil {
			device = fmt.Sprintf("%d:%d", mount.Major, mount.Minor)
		}
		d := byDevice[device]
		if d == nil {
			d = &disk{dir: dir}
			byDevice[device] = d
			disks = append(disks, d)
		}
		d.names = append(d.names, f.what)
		d.least += f.least
		d.wanted += f.wanted
	}
	for _, d := range disks {
		names := strings.Join(d.names, ", ")
		room, err := m.sys.Statfs(d.dir)
		if err != nil {
			m.add(check, Unknown, fmt.Sprintf("asking for the room for the %s: %v", names, err))
			continue
		}
		about := fmt.Sprintf("%s for the %s (%s)", gib(room.Free), names, d.dir)
		mend := []string{"make room; of the image store, `podman system prune` and `podman image prune --all` remove what nothing uses"}
		if m.github {
			mend = m.githubCleanup()
		}
		switch {
		case room.Free < d.least:
			m.add(check, Problem, about+"; at least "+gib(d.least)+" are needed", mend...)
		case room.Files > 0 && room.FreeFiles < leastFiles:
			m.add(check, Problem, fmt.Sprintf("%s, but room for only %d more files", about, room.FreeFiles), mend...)
		case room.Free < d.wanted:
			m.add(check, Warning, about+"; a desktop image wants "+gib(d.wanted), mend...)
		default:
			m.add(check, OK, about)
		}
	}
}

// leastFiles is the number of inodes without which a build fails: an image of
// an operating system has some hundred thousand files.
const leastFiles = 200_000

// checkWindowsDrive: WSL's virtual disk claims its full size, 1 TB, whatever
// room there is for it on the drive that it lies on.
func (m *machine) checkWindowsDrive() {
	const check = "windows-drive"
	if m.wsl != 2 || m.container {
		return
	}
	drive := ""
	for _, mount := range m.mounts {
		if slices.Contains(hostShares, mount.FSType) &&
			(strings.HasPrefix(strings.ToUpper(mount.Source), `C:`) || mount.Mountpoint == "/mnt/c") {
			drive = mount.Mountpoint
		}
	}
	if drive == "" {
		m.add(check, Unknown, "drive C: is not mounted, so whether the virtual disk can grow cannot be said")
		return
	}
	room, err := m.sys.Statfs(drive)
	if err != nil {
		m.add(check, Unknown, fmt.Sprintf("asking for the room on drive C: %v", err))
		return
	}
	about := gib(room.Free) + " on drive C:, which the virtual disk grows on (unless it was moved)"
	mend := []string{
		"make room on the drive; the virtual disk does not shrink by itself:",
		"in PowerShell: wsl --shutdown, then Optimize-VHD -Mode Full, or diskpart with \"compact vdisk\"",
	}
	switch {
	case room.Free < 5*oneGiB:
		m.add(check, Problem, about, mend...)
	case room.Free < 40*oneGiB:
		m.add(check, Warning, about, mend...)
	default:
		m.add(check, OK, about)
	}
}
