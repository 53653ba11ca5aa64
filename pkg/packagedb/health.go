package packagedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// RPMDatabases lists the files of rpm's databases that a root file system has,
// in the order in which [Packages] looks for them: it reads the first. A link
// and what it leads to are both in the list.
func RPMDatabases(root fs.FS) ([]string, error) {
	var names []string
	for _, name := range rpmDatabases {
		f, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f.Close()
		names = append(names, name)
	}
	return names, nil
}

// RPMDamage says what is wrong with one of [RPMDatabases], in the words of
// whoever noticed; nil where it is whole. Its error is about the reading. The
// database is copied to the folder for temporary files.
func RPMDamage(ctx context.Context, root fs.FS, name string) (damage []string, err error) {
	f, err := root.Open(name)
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
	// From here on all is about the database: the copy is whole.
	problems, broken := rpmProblems(ctx, root, name, local)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if broken != nil {
		problems = append(problems, broken.Error())
	}
	return problems, nil
}

func rpmProblems(ctx context.Context, root fs.FS, name, local string) ([]string, error) {
	if path.Ext(local) != ".sqlite" {
		return nil, rpmBlobs(ctx, local, func(blob []byte) error {
			_, err := parseRPMHeader(blob)
			return err
		})
	}
	if err := checkMagic(local); err != nil {
		return nil, err
	}
	if err := foldLog(ctx, root, name, local); err != nil {
		return nil, err
	}
	return quickCheck(ctx, local)
}

// quickCheck reads every page of an sqlite database. integrity_check would
// compare the indexes with the tables too, and takes many times as long.
func quickCheck(ctx context.Context, local string) (problems []string, err error) {
	db, err := sql.Open("sqlite", "file:"+local+"?mode=ro&immutable=1")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check(5)")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return problems, err
		}
		if line != "ok" {
			problems = append(problems, strings.Join(strings.Fields(line), " "))
		}
	}
	if err := rows.Err(); err != nil {
		return problems, err
	}
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'Packages'").Scan(&tables)
	if err == nil && tables == 0 {
		err = errors.New("it has no table of packages")
	}
	return problems, err
}

// Unfinished is a package that dpkg began to work on and did not finish.
type Unfinished struct {
	Name string
	// State is dpkg's own word ("half-configured"), or "reinst-required".
	State string
}

// DpkgUnfinished lists what "dpkg --audit" would complain of, in the order of
// dpkg's database, the file that it returns. The error is [ErrNone] where
// there is none.
func DpkgUnfinished(root fs.FS) (list []Unfinished, file string, err error) {
	f, file, err := first(root, dpkgStatus...)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	err = dpkgEntries(f, func(stanza map[string]string) error {
		status := strings.Fields(stanza["status"])
		if len(status) != 3 {
			return fmt.Errorf("status %q is not three words", stanza["status"])
		}
		switch {
		case status[1] == "reinstreq":
			list = append(list, Unfinished{stanza["package"], "reinst-required"})
		case status[2] != "installed" && status[2] != "not-installed" && status[2] != "config-files":
			list = append(list, Unfinished{stanza["package"], status[2]})
		}
		return nil
	})
	if err != nil {
		return nil, file, fmt.Errorf("%q: %w", file, err)
	}
	return list, file, nil
}
