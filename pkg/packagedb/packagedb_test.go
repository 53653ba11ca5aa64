package packagedb

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1
Description: GNU C Library
 shared libraries
Conffiles:
 /etc/ld.so.conf.d/x.conf 1234

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

package: tool
Status: hold ok triggers-pending
Architecture: all
Version: 1:3
`

var statusPackages = []Package{
	{Name: "libc6", Version: "2.36-9+deb12u1", Arch: "amd64", Source: "glibc", Format: "dpkg"},
	{Name: "tool", Version: "1:3", Arch: "all", Source: "tool", Format: "dpkg"},
}

func TestReadDpkgStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want []Package
		err  string
	}{
		"packages":     {in: status, want: statusPackages},
		"CRLF":         {in: strings.ReplaceAll(status, "\n", "\r\n"), want: statusPackages},
		"empty":        {},
		"no field":     {in: "\nPackage: a\nStatus install\n", err: "line 3: no field"},
		"continuation": {in: " x\n", err: "line 1: continues no field"},
		"twice":        {in: "Package: a\nPackage: b\n", err: `line 2: field "package" is there twice`},
		"no status":    {in: "\nPackage: a\nVersion: 1\n\n", err: `entry at line 2: status "" is not three words`},
		"no version":   {in: "Package: a\nStatus: install ok installed\n", err: "entry at line 1: no name or version"},
		"long line":    {in: "Package: " + strings.Repeat("a", maxLine), err: "line 1: bufio.Scanner: token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadDpkgStatus(strings.NewReader(c.in))
			if msg := message(err); msg != c.err {
				t.Fatalf("err = %q, want %q", msg, c.err)
			}
			if diff := cmp.Diff(c.want, got); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzDpkgStatus(f *testing.F) {
	f.Add(status)
	f.Add("Package: a\nStatus: install ok installed\nSource:  (1)\nVersion: 1\n")
	f.Fuzz(func(t *testing.T, in string) {
		list, err := ReadDpkgStatus(strings.NewReader(in))
		if err != nil {
			return
		}
		for _, p := range list {
			if p.Name == "" || p.Version == "" || p.Source == "" || strings.ContainsAny(p.Name+p.Version, "\n") {
				t.Errorf("incomplete package %+v", p)
			}
		}
	})
}

func TestPackages(t *testing.T) {
	t.Parallel()
	db, wal := fakeimage.RPMDatabase(t,
		fakeimage.RPM{Name: "bash", Version: "5.2.26", Release: "6.el10", Arch: "x86_64", Source: "bash-5.2.26-6.el10.src.rpm", Vendor: "CentOS"}.Header(),
		fakeimage.RPM{Epoch: 2, Name: "vim-minimal", Version: "9.1", Release: "1.el10", Arch: "x86_64", Source: "vim-9.1-1.el10.src.rpm"}.Header(),
		fakeimage.RPM{Name: "gpg-pubkey", Version: "8483c65d", Release: "5ccc5b19"}.Header(),
	)
	bash := Package{Name: "bash", Version: "5.2.26-6.el10", Arch: "x86_64", Source: "bash", Format: "rpm", Vendor: "CentOS"}
	key := Package{Name: "gpg-pubkey", Version: "8483c65d-5ccc5b19", Source: "gpg-pubkey", Format: "rpm"}
	vim := Package{Name: "vim-minimal", Version: "2:9.1-1.el10", Arch: "x86_64", Source: "vim", Format: "rpm"}
	file := func(b []byte) *fstest.MapFile { return &fstest.MapFile{Data: b} }
	for name, c := range map[string]struct {
		root fstest.MapFS
		want []Package
	}{
		"dpkg":          {fstest.MapFS{"var/lib/dpkg/status": file([]byte(status))}, statusPackages},
		"dpkg in /usr":  {fstest.MapFS{"usr/lib/sysimage/dpkg/status": file([]byte(status))}, statusPackages},
		"rpm":           {fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": file(db)}, []Package{bash}},
		"rpm with log":  {fstest.MapFS{"usr/share/rpm/rpmdb.sqlite": file(db), "usr/share/rpm/rpmdb.sqlite-wal": file(wal)}, []Package{bash, key, vim}},
		"rpm, /usr won": {fstest.MapFS{"usr/lib/sysimage/rpm/rpmdb.sqlite": file(db), "var/lib/rpm/rpmdb.sqlite": file(nil)}, []Package{bash}},
		"both": {
			fstest.MapFS{"var/lib/dpkg/status": file([]byte(status)), "usr/lib/sysimage/rpm/rpmdb.sqlite": file(db)},
			append([]Package{bash}, statusPackages...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Packages(t.Context(), c.root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEVR(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][3]string{
		"5.2.26-6.el10":   {"0", "5.2.26", "6.el10"},
		"2:9.1-1.el10":    {"2", "9.1", "1.el10"},
		"2.36-9+deb12u1":  {"0", "2.36", "9+deb12u1"},
		"1:1.2-rc1-3":     {"1", "1.2-rc1", "3"},
		"12.4+deb12u5":    {"0", "12.4+deb12u5", ""},
		"1:3":             {"1", "3", ""},
		"8483c65d-5ccc5b": {"0", "8483c65d", "5ccc5b"},
	} {
		epoch, upstream, release := Package{Version: version}.EVR()
		if got := [3]string{epoch, upstream, release}; got != want {
			t.Errorf("%q is %q, want %q", version, got, want)
		}
	}
}

func TestPackagesErrors(t *testing.T) {
	t.Parallel()
	if _, err := Packages(t.Context(), fstest.MapFS{}); !errors.Is(err, ErrNone) {
		t.Errorf("without a database: %v", err)
	}
	broken := fakeimage.RPM{Name: "bash", Version: "5", Release: "1", Arch: "x86_64"}.Header()
	binary.BigEndian.PutUint32(broken[8+8:], 1<<30) // offset of the name
	badHeader, _ := fakeimage.RPMDatabase(t, broken)
	for name, data := range map[string][]byte{
		"var/lib/rpm/rpmdb.sqlite":          badHeader,
		"usr/share/rpm/rpmdb.sqlite":        []byte("SQLite format 3\x00 and no more"),
		"usr/lib/sysimage/rpm/rpmdb.sqlite": nil,
		"var/lib/rpm/Packages.db":           []byte("x"),
		"var/lib/dpkg/status":               []byte("x"),
	} {
		_, err := Packages(t.Context(), fstest.MapFS{name: {Data: data}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Packages(ctx, fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": {Data: badHeader}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
