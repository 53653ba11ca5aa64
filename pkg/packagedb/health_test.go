package packagedb

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

func TestRPMDamage(t *testing.T) {
	t.Parallel()
	var headers [][]byte
	for range 200 {
		headers = append(headers, bash)
	}
	db, wal := fakeimage.RPMDatabase(t, headers...)
	torn := bytes.Clone(wal)
	copy(torn[len(torn)/2:], "torn")
	broken := bytes.Clone(db)
	copy(broken[100:], "\xff\xff\xff\xff") // the header of the first page's tree
	for what, c := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"whole":              {fstest.MapFS{"usr/share/rpm/rpmdb.sqlite": {Data: db}}, ""},
		"whole with its log": {fstest.MapFS{"usr/share/rpm/rpmdb.sqlite": {Data: db}, "usr/share/rpm/rpmdb.sqlite-wal": {Data: wal}}, ""},
		"torn log":           {fstest.MapFS{"usr/share/rpm/rpmdb.sqlite": {Data: db}, "usr/share/rpm/rpmdb.sqlite-wal": {Data: torn}}, ""},
		"cut off":            {fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": {Data: db[:len(db)-100]}}, "main"},
		"broken tree":        {fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": {Data: broken}}, "malformed"},
		"empty":              {fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": {Data: nil}}, "not an sqlite database"},
		"ndb":                {fstest.MapFS{"var/lib/rpm/Packages.db": {Data: ndb(bash)}}, ""},
		"Berkeley":           {fstest.MapFS{"var/lib/rpm/Packages": {Data: berkeley(t, "le")}}, ""},
		"broken Berkeley":    {fstest.MapFS{"var/lib/rpm/Packages": {Data: berkeley(t, "le")[:9000]}}, "it has 2 pages instead of 7"},
		"broken ndb":         {fstest.MapFS{"var/lib/rpm/Packages.db": {Data: ndb(bash)[:100]}}, "malformed ndb"},
	} {
		names, err := RPMDatabases(c.files)
		if err != nil || len(names) != 1 {
			t.Fatalf("%s: %v, %v", what, names, err)
		}
		damage, err := RPMDamage(t.Context(), c.files, names[0])
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := strings.Join(damage, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

func TestDpkgUnfinished(t *testing.T) {
	t.Parallel()
	const more = status + `
Package: half
Status: install ok half-configured
Version: 1

Package: broken
Status: install reinstreq half-installed
Version: 1

Package: never
Status: unknown ok not-installed
`
	got, file, err := DpkgUnfinished(fstest.MapFS{"usr/lib/sysimage/dpkg/status": {Data: []byte(more)}})
	if err != nil || file != "usr/lib/sysimage/dpkg/status" {
		t.Fatal(file, err)
	}
	want := []Unfinished{{"tool", "triggers-pending"}, {"half", "half-configured"}, {"broken", "reinst-required"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := DpkgUnfinished(fstest.MapFS{}); !errors.Is(err, ErrNone) {
		t.Errorf("without a database: %v", err)
	}
	if _, _, err := DpkgUnfinished(fstest.MapFS{"var/lib/dpkg/status": {Data: []byte("Package: a\n")}}); err == nil {
		t.Error("an entry without a state is none")
	}
}
