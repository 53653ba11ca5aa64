package packagedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	rpmdb "github.com/anchore/go-rpmdb/pkg"
	_ "modernc.org/sqlite" // rpm's database since Fedora 33; this driver needs no cgo
)

// rpmDatabases are the places of rpm's database, the one in /usr first: that is
// where ostree-based systems keep it, and /var may have an old copy of it.
var rpmDatabases = []string{
	"usr/lib/sysimage/rpm/rpmdb.sqlite",
	"usr/share/rpm/rpmdb.sqlite",
	"var/lib/rpm/rpmdb.sqlite",
}

// rpmOldDatabases are those in rpm's other formats (ndb, Berkeley). Their
// readers trust what they read, and no bootc image is known to have one.
var rpmOldDatabases = []string{
	"usr/lib/sysimage/rpm/Packages.db",
	"usr/lib/sysimage/rpm/Packages",
	"usr/share/rpm/Packages",
	"var/lib/rpm/Packages.db",
	"var/lib/rpm/Packages",
}

func rpmPackages(ctx context.Context, root fs.FS) (_ []Package, err error) {
	f, name, err := first(root, rpmDatabases...)
	if errors.Is(err, ErrNone) {
		old, name, err := first(root, rpmOldDatabases...)
		if err == nil {
			old.Close()
			err = fmt.Errorf("%q: only rpm databases in sqlite format are supported; convert it with rpmdb --rebuilddb", name)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bootkiln-rpmdb-*")
	if err != nil {
		f.Close()
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	local := filepath.Join(dir, path.Base(name))
	if err := copyOut(ctx, f, local); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if err := foldLog(ctx, root, name, local); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	list, err := readRPM(local)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return list, nil
}

// foldLog copies the write-ahead log that an sqlite database may have beside
// it and writes it into the copy: the reader opens a database as immutable,
// and would not see the newest packages.
func foldLog(ctx context.Context, root fs.FS, name, local string) error {
	wal, err := root.Open(name + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := copyOut(ctx, wal, local+"-wal"); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+local)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, db.Close())
}

// copyOut copies an opened file, which it closes, to a path on this machine.
func copyOut(ctx context.Context, f fs.File, local string) (err error) {
	defer f.Close()
	out, err := os.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(out, f, 1<<20); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func readRPM(local string) (list []Package, err error) {
	// The library trusts offsets and counts of the headers it reads.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed database: %v", p)
		}
	}()
	if err := checkMagic(local); err != nil {
		return nil, err
	}
	db, err := rpmdb.Open(local)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	headers, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		p := Package{Name: h.Name, Version: h.Version + "-" + h.Release, Arch: h.Arch, Source: h.Name, Format: "rpm", Vendor: h.Vendor}
		if h.Epoch != nil && *h.Epoch != 0 {
			p.Version = fmt.Sprintf("%d:%s", *h.Epoch, p.Version)
		}
		if name := sourceName(h.SourceRpm); name != "" {
			p.Source = name
		}
		list = append(list, p)
	}
	return list, nil
}

// checkMagic keeps from the library what it would take for another format.
func checkMagic(local string) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	const want = "SQLite format 3\x00"
	magic := make([]byte, len(want))
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != want {
		return errors.New("not an sqlite database")
	}
	return nil
}

// sourceName takes the name off "name-version-release.src.rpm"; "" for what is
// no such name.
func sourceName(file string) string {
	i := strings.LastIndexByte(file, '-')
	if i <= 0 {
		return ""
	}
	if i = strings.LastIndexByte(file[:i], '-'); i <= 0 {
		return ""
	}
	return file[:i]
}
