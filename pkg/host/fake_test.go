package host

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// fake is a machine that tests bend. As it comes it is a plain one that lacks
// nothing.
type fake struct {
	System
	files    fstest.MapFS
	env      map[string]string
	programs map[string]string
	room     map[string]Room
	mounts   []string
	options  Options
}

const plainMounts = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:22 / /sys rw shared:2 - sysfs sysfs rw
24 23 0:23 / /sys/fs/cgroup rw shared:3 - cgroup2 cgroup2 rw`

func newFake() *fake {
	f := &fake{
		files: fstest.MapFS{
			"proc/self/status":       {Data: []byte("Name:\tx\nCapEff:\t000001ffffffffff\n")},
			"proc/self/uid_map":      {Data: []byte("         0          0 4294967295\n")},
			"proc/self/cgroup":       {Data: []byte("0::/user.slice\n")},
			"proc/meminfo":           {Data: []byte("MemTotal:       16000000 kB\nSwapTotal:       4000000 kB\n")},
			"proc/cpuinfo":           {Data: []byte("processor\t: 0\nflags\t\t: fpu vmx\n")},
			"var/lib/containers":     {Mode: fs.ModeDir},
			"var/tmp":                {Mode: fs.ModeDir},
			"home/me/project":        {Mode: fs.ModeDir},
			"mnt/c":                  {Mode: fs.ModeDir},
			"run/systemd/system":     {Mode: fs.ModeDir},
			"etc/containers/ignored": {},
		},
		env:      map[string]string{},
		programs: map[string]string{"qemu-system-x86_64": "/usr/bin/qemu-system-x86_64"},
		room:     map[string]Room{"": {Free: 500 << 30, Files: 1e7, FreeFiles: 9e6}},
		mounts:   strings.Split(plainMounts, "\n"),
		options: Options{
			GraphRoot: "/var/lib/containers/storage", TempDir: "/var/tmp", OutDir: "/home/me/project/out/x", GraphDriver: "overlay",
		},
	}
	f.System = System{
		FS:       f.files,
		Getenv:   func(name string) string { return f.env[name] },
		Now:      func() time.Time { return time.Date(2026, 9, 2, 8, 0, 0, 0, time.UTC) },
		UID:      func() int { return 0 },
		Uname:    func() (string, string, error) { return "6.12.0-1.el10", "x86_64", nil },
		RealPath: func(path string) (string, error) { return path, nil },
		LookPath: func(name string) (string, error) {
			if p := f.programs[name]; p != "" {
				return p, nil
			}
			return "", os.ErrNotExist
		},
		Statfs: func(path string) (Room, error) {
			if r, ok := f.room[path]; ok {
				return r, nil
			}
			return f.room[""], nil
		},
		OpenFiles:    func() (uint64, uint64, error) { return 1024, 524288, nil },
		OpenKVM:      func() error { return nil },
		MountOverlay: func(string) error { return nil },
		ProbeFiles:   func(string) (FileFeatures, error) { return FileFeatures{}, nil },
	}
	return f
}

func (f *fake) write(name, text string) { f.files[rel(name)] = &fstest.MapFile{Data: []byte(text)} }

// mount adds a mount point.
func (f *fake) mount(point, fstype, source, options string) {
	f.mounts = append(f.mounts, fmt.Sprintf("%d 22 0:%d / %s rw - %s %s %s", 100+len(f.mounts), 100+len(f.mounts), point, fstype, source, options))
}

// wsl2 makes it a WSL 2 distribution.
func (f *fake) wsl2() {
	f.Uname = func() (string, string, error) { return "6.6.87.2-microsoft-standard-WSL2", "x86_64", nil }
	f.mounts = []string{
		"22 1 8:32 / / rw,relatime - ext4 /dev/sdc rw",
		"24 22 0:23 / /sys/fs/cgroup rw shared:3 - cgroup2 cgroup2 rw",
	}
	f.mount("/mnt/c", "9p", `C:\134`, `rw,aname=drvfs;path=C:\;uid=0,trans=fd`)
}

func (f *fake) inContainer() { f.write("/.dockerenv", "") }

func (f *fake) examine(t *testing.T) []Finding {
	t.Helper()
	if f.mounts != nil {
		f.write("/proc/self/mountinfo", strings.Join(f.mounts, "\n")+"\n")
	}
	f.options.System = &f.System
	return Examine(t.Context(), f.options)
}

// checkCase says what one check finds on a machine that was bent.
type checkCase struct {
	name  string
	check string
	bend  func(f *fake)
	want  []want
}

// want is one finding: its status, a part of its message and a part of its
// mend, "" where there must be none.
type want struct {
	status        Status
	message, mend string
}

func runChecks(t *testing.T, cases []checkCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			tt.bend(f)
			var got []Finding
			for _, finding := range f.examine(t) {
				if finding.Check == tt.check {
					got = append(got, finding)
				}
				if strings.Contains(finding.Message+finding.Mend, "hunter2") || strings.Contains(finding.Message+finding.Mend, "ghs_secret") {
					t.Errorf("a secret shows: %+v", finding)
				}
				if bad := finding.Status == Problem || finding.Status == Warning; bad && finding.Mend == "" && finding.Check != "containers-config" {
					t.Errorf("nothing mends %+v", finding)
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("findings are %+v, want %+v", got, tt.want)
			}
			for i, w := range tt.want {
				g := got[i]
				if g.Status != w.status || !strings.Contains(g.Message, w.message) || !strings.Contains(g.Mend, w.mend) || (w.mend == "") != (g.Mend == "") {
					t.Errorf("finding is %+v\nwant %v, %q, %q", g, w.status, w.message, w.mend)
				}
			}
		})
	}
}
