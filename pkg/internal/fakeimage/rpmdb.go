package fakeimage

import (
	"database/sql"
	"encoding/binary"
	"os"
	"path"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // what rpm keeps its database in
)

// RPM is a package in a database of rpm. Empty fields are left out of it.
type RPM struct {
	Epoch                                        int
	Name, Version, Release, Arch, Source, Vendor string
	// Files are absolute.
	Files []string
}

// Header is the package as the database keeps it: counts, an index of tag,
// type, offset and count, and the data (lib/header.c of rpm).
func (p RPM) Header() []byte {
	var index, data []byte
	count := uint32(1)
	add := func(tag, kind uint32, value []byte) {
		for _, v := range []uint32{tag, kind, uint32(len(data)), count} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, value...)
	}
	const int32Type, stringType, arrayType = 4, 6, 8
	if p.Epoch > 0 {
		add(1003, int32Type, binary.BigEndian.AppendUint32(nil, uint32(p.Epoch)))
	}
	for _, f := range []struct {
		tag   uint32
		value string
	}{{1000, p.Name}, {1001, p.Version}, {1002, p.Release}, {1011, p.Vendor}, {1022, p.Arch}, {1044, p.Source}} {
		if f.value != "" {
			add(f.tag, stringType, append([]byte(f.value), 0))
		}
	}
	var bases, dirs, indexes []byte
	for i, file := range p.Files {
		dir, base := path.Split(file)
		bases, dirs = append(append(bases, base...), 0), append(append(dirs, dir...), 0)
		indexes = binary.BigEndian.AppendUint32(indexes, uint32(i))
	}
	if count = uint32(len(p.Files)); count > 0 {
		add(1116, int32Type, indexes)
		add(1117, arrayType, bases)
		add(1118, arrayType, dirs)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(index)/16))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

// RPMDatabase makes a database as rpm does of the headers of packages, with all
// but the first package in its write-ahead log still, and returns the content
// of both files: rpmdb.sqlite and rpmdb.sqlite-wal.
func RPMDatabase(t testing.TB, headers ...[]byte) (db, wal []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	conn, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		if _, err := conn.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("PRAGMA journal_mode=WAL")
	exec("PRAGMA wal_autocheckpoint=0")
	exec("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
	for i, h := range headers {
		exec("INSERT INTO Packages (blob) VALUES (?)", h)
		if i == 0 {
			exec("PRAGMA wal_checkpoint(TRUNCATE)")
		}
	}
	for suffix, to := range map[string]*[]byte{"": &db, "-wal": &wal} {
		if *to, err = os.ReadFile(file + suffix); err != nil {
			t.Fatal(err)
		}
	}
	return db, wal
}
