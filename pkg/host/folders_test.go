package host

import (
	"strings"
	"syscall"
	"testing"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"store on a Windows drive", "graph-root", func(f *fake) {
			f.wsl2()
			f.options.GraphRoot = "/mnt/c/store"
		}, []want{{Problem, "image store /mnt/c/store is on 9p, a Windows drive", "storage.conf"}}},
		{"temporary folder on one", "temp-dir", func(f *fake) {
			f.wsl2()
			f.mount("/var/tmp", "virtiofs", "drvfs", "rw")
		}, []want{{Problem, "virtiofs, a Windows drive", "TMPDIR"}}},
		{"output on one", "out-dir", func(f *fake) {
			f.wsl2()
			f.mount("/home/me", "drvfs", "C:", "rw")
		}, []want{{Problem, "drvfs, a Windows drive", "--out"}}},
		{"a name that only begins the same", "out-dir", func(f *fake) {
			f.wsl2()
			f.mount("/home/m", "drvfs", "C:", "rw")
		}, []want{{OK, "ext4", ""}}},
		{"folder of the host", "out-dir", func(f *fake) { f.mount("/home/me", "9p", "share", "rw") }, []want{{Problem, "9p, a folder of the host", "--out"}}},
		{"USB stick", "graph-root", func(f *fake) { f.mount("/var/lib/containers", "vfat", "/dev/sdb1", "rw") }, []want{{Problem, "vfat, which keeps no owners", "storage.conf"}}},
		{"overlay in a container", "graph-root", func(f *fake) {
			f.mounts[0] = "22 1 0:50 / / rw - overlay overlay rw,lowerdir=a,upperdir=b"
			f.inContainer()
		}, []want{{Problem, "overlays are not put on one another", "--volume"}}},
		{"overlay elsewhere", "graph-root", func(f *fake) { f.mount("/var/lib", "overlay", "overlay", "rw") }, []want{{Problem, "overlays are not", "storage.conf"}}},
		{"output on an overlay", "out-dir", func(f *fake) { f.mount("/home", "overlay", "overlay", "rw") }, []want{{OK, "overlay", ""}}},
		{"store on NFS", "graph-root", func(f *fake) { f.mount("/var/lib/containers", "nfs4", "s:/x", "rw") }, []want{{Problem, "overlay cannot be mounted on", "storage.conf"}}},
		{"store on FUSE", "graph-root", func(f *fake) { f.mount("/var/lib/containers", "fuse.sshfs", "s:/x", "rw") }, []want{{Problem, "overlay cannot be mounted on", "storage.conf"}}},
		{"output on NFS", "out-dir", func(f *fake) { f.mount("/home", "nfs4", "s:/x", "rw") }, []want{{Note, "slow", ""}}},
		{"temporary folder in memory", "temp-dir", func(f *fake) { f.mount("/var/tmp", "tmpfs", "tmpfs", "rw") }, []want{{Warning, "fills the memory", "TMPDIR"}}},
		{"read-only", "graph-root", func(f *fake) { f.mount("/var/lib/containers", "ext4", "/dev/sdb", "ro") }, []want{{Problem, "mounted read-only", "storage.conf"}}},
		{"read-only in WSL", "graph-root", func(f *fake) {
			f.wsl2()
			f.mounts[0] = "22 1 8:32 / / ro,relatime - ext4 /dev/sdc ro"
		}, []want{{Problem, "mounted read-only", "e2fsck"}}},
		{"covered mount", "out-dir", func(f *fake) {
			f.mount("/home", "nfs4", "s:/x", "rw")
			f.mount("/home", "ext4", "/dev/sdb", "rw")
		}, []want{{OK, "ext4", ""}}},
		{"symbolic link", "graph-root", func(f *fake) {
			f.mount("/data", "xfs", "/dev/sdb", "rw")
			f.RealPath = func(p string) (string, error) { return strings.Replace(p, "/var/lib/containers", "/data", 1), nil }
		}, []want{{OK, "xfs", ""}}},
		{"broken link", "graph-root", func(f *fake) { f.RealPath = func(string) (string, error) { return "", syscall.ELOOP } }, []want{{Unknown, "too many levels", ""}}},
		{"unknown mounts", "graph-root", func(f *fake) { f.mounts = nil }, []want{{Unknown, "reading the mounts", ""}}},
		{"no mount", "graph-root", func(f *fake) { f.mounts = f.mounts[1:] }, []want{{Unknown, "on no mount", ""}}},
		{"not asked for", "out-dir", func(f *fake) { f.options.OutDir = "" }, nil},
		{"WSL's fallback", "root-file-system", func(f *fake) {
			f.wsl2()
			f.mounts[0] = "22 1 0:50 / / rw - overlay none rw"
		}, []want{{Problem, "is lost", "wsl --shutdown"}}},
		{"container on WSL", "root-file-system", func(f *fake) {
			f.wsl2()
			f.mounts[0] = "22 1 0:50 / / rw - overlay none rw"
			f.inContainer()
		}, nil},
		{"WSL as it should be", "root-file-system", (*fake).wsl2, nil},
		{"one disk", "free-space", func(f *fake) { f.room[""] = Room{Free: 51 << 30} }, []want{{OK, "51.0 GiB for the image store, temporary folder, output folder", ""}}},
		{"one disk, rather full", "free-space", func(f *fake) { f.room[""] = Room{Free: 51<<30 - 1} }, []want{{Warning, "wants 51.0 GiB", "podman"}}},
		{"one disk, full", "free-space", func(f *fake) { f.room[""] = Room{Free: 6 << 30} }, []want{{Problem, "at least 6.1 GiB", "podman"}}},
		{"two disks", "free-space", func(f *fake) {
			f.mount("/var/tmp", "ext4", "/dev/sdb", "rw")
			f.room["/var/tmp"] = Room{Free: 1<<30 - 1}
		}, []want{{OK, "for the image store, output folder", ""}, {Problem, "1.0 GiB for the temporary folder (/var/tmp)", "podman"}}},
		{"no inodes", "free-space", func(f *fake) { f.room[""] = Room{Free: 500 << 30, Files: 1e6, FreeFiles: 1e5} }, []want{{Problem, "only 100000 more files", "podman"}}},
		{"unknown room", "free-space", func(f *fake) { f.Statfs = func(string) (Room, error) { return Room{}, syscall.EIO } }, []want{{Unknown, "input/output error", ""}}},
		{"full runner", "free-space", func(f *fake) {
			f.env["GITHUB_ACTIONS"] = "true"
			f.room[""] = Room{Free: 18 << 30}
			f.write("/opt/ghc/x", "")
		}, []want{{Warning, "18.0 GiB", "sudo rm -rf /opt/ghc"}}},
		{"clean runner", "free-space", func(f *fake) {
			f.env["GITHUB_ACTIONS"] = "true"
			f.room[""] = Room{Free: 18 << 30}
		}, []want{{Warning, "18.0 GiB", "larger runner"}}},
		{"container job", "free-space", func(f *fake) {
			f.env["GITHUB_ACTIONS"] = "true"
			f.inContainer()
			f.room[""] = Room{Free: 18 << 30}
		}, []want{{Warning, "18.0 GiB", "volumes:"}}},
		{"Windows drive with room", "windows-drive", (*fake).wsl2, []want{{OK, "500.0 GiB on drive C:", ""}}},
		{"Windows drive, rather full", "windows-drive", func(f *fake) {
			f.wsl2()
			f.room["/mnt/c"] = Room{Free: 39 << 30}
		}, []want{{Warning, "39.0 GiB", "Optimize-VHD"}}},
		{"Windows drive, full", "windows-drive", func(f *fake) {
			f.wsl2()
			f.room["/mnt/c"] = Room{Free: 4 << 30}
		}, []want{{Problem, "4.0 GiB", "Optimize-VHD"}}},
		{"Windows drive elsewhere", "windows-drive", func(f *fake) {
			f.wsl2()
			f.mounts = f.mounts[:2]
			f.mount("/c", "virtiofs", "c:", "rw")
			f.room["/c"] = Room{Free: 4 << 30}
		}, []want{{Problem, "4.0 GiB", "Optimize-VHD"}}},
		{"Windows drive by its usual place", "windows-drive", func(f *fake) {
			f.wsl2()
			f.mounts = f.mounts[:2]
			f.mount("/mnt/c", "virtiofs", "drvfsa1", "rw")
			f.room["/mnt/c"] = Room{Free: 4 << 30}
		}, []want{{Problem, "4.0 GiB", "Optimize-VHD"}}},
		{"no Windows drive", "windows-drive", func(f *fake) {
			f.wsl2()
			f.mounts = f.mounts[:2]
		}, []want{{Unknown, "not mounted", ""}}},
		{"unknown Windows drive", "windows-drive", func(f *fake) {
			f.wsl2()
			f.Statfs = func(string) (Room, error) { return Room{}, syscall.EIO }
		}, []want{{Unknown, "input/output error", ""}}},
	})
}
