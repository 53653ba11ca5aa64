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

	_ "modernc.org/sqlite" // rpm's database since Fedora 33; this driver needs no cgo
)

// rpmDatabases are the places of rpm's database, the ones in /usr first: that is
// where ostree-based systems keep it, and /var may have an old copy of it. It
// is sqlite on Fedora and Enterprise Linux, ndb (Packages.db) on SUSE, and in
// Berkeley's format (Packages) on what is older than these, which rpm only
// reads where it has been given up.
var rpmDatabases = []string{
	"usr/lib/sysimage/rpm/rpmdb.sqlite",
	"usr/share/rpm/rpmdb.sqlite",
	"usr/lib/sysimage/rpm/Packages.db",
	"var/lib/rpm/rpmdb.sqlite",
	"var/lib/rpm/Packages.db",
	"usr/lib/sysimage/rpm/Packages",
	"usr/share/rpm/Packages",
	"var/lib/rpm/Packages",
}

func rpmPackages(ctx context.Context, root fs.FS) (list []Package, err error) {
	err = rpmHeaders(ctx, root, func(h *rpmHeader) error {
		p, err := h.pkg()
		list = append(list, p)
		return err
	})
	return list, err
}

func rpmOwners(ctx context.Context, root fs.FS) (list []Owner, err error) {
	err = rpmHeaders(ctx, root, func(h *rpmHeader) error {
		p, err := h.pkg()
		if err != nil {
			return err
		}
		o := Owner{Package: p}
		if o.Files, o.Ghosts, err = h.files(); err != nil {
			return fmt.Errorf("package %q: %w", p.Name, err)
		}
		list = append(list, o)
		return nil
	})
	return list, err
}

// rpmHeaders calls each for every package, in the order of the database.
func rpmHeaders(ctx context.Context, root fs.FS, each func(*rpmHeader) error) (err error) {
	f, name, err := first(root, rpmDatabases...)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bootkiln-rpmdb-*")
	if err != nil {
		f.Close()
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	local := filepath.Join(dir, path.Base(name))
	if err := copyOut(ctx, f, local); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if err := foldLog(ctx, root, name, local); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	err = rpmBlobs(ctx, local, func(blob []byte) error {
		h, err := parseRPMHeader(blob)
		if err != nil {
			return err
		}
		return each(h)
	})
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// foldLog copies the write-ahead log that an sqlite database may have beside
// it and writes it into the copy: the reader opens a database as immutable,
// and would not see the newest packages.
func foldLog(ctx context.Context, root fs.FS, name, local string) error {
	if path.Ext(name) != ".sqlite" {
		return nil
	}
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

// rpmBlobs calls each for the header of every package in a database on this
// machine.
func rpmBlobs(ctx context.Context, local string, each func([]byte) error) (err error) {
	switch path.Base(local) {
	case "Packages.db":
		return ndbBlobs(local, each)
	case "Packages":
		return bdbBlobs(local, each)
	}
	if err := checkMagic(local); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+local+"?mode=ro&immutable=1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT blob FROM Packages")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var blob sql.RawBytes
		if err := rows.Scan(&blob); err != nil {
			return err
		}
		if err := each(blob); err != nil {
			return err
		}
	}
	return rows.Err()
}

// checkMagic says more clearly than the driver what is no database.
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
