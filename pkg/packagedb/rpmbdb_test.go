package packagedb

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// berkeley is a database that rpm and db_load made, as rpm -qa reads it by
// _db_backend bdb_ro. Those of the machines that are "le" and "be" have a package
// whose header takes several pages, one that takes one, and a key within the
// page of the table; "small" has pages of 512 bytes and not the first of these.
func berkeley(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/berkeley-" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestBerkeleyDatabase(t *testing.T) {
	t.Parallel()
	day := time.Date(2020, 11, 20, 12, 0, 0, 0, time.UTC)
	kiln := Package{
		Name: "kiln-tools", Version: "1:2.0-3.el7", Arch: "noarch", Source: "kiln-tools", Format: "rpm", Vendor: "Kiln",
		BuildTime: time.Unix(1606000000, 0).UTC(), Changes: []time.Time{day, day.AddDate(0, 0, -1)},
	}
	doc := kiln
	doc.Name = "kiln-tools-doc"
	pages := []string{"usr/share/doc/kiln", "usr/share/doc/kiln/more"}
	for i := range 60 {
		pages = append(pages, fmt.Sprintf("usr/share/doc/kiln/more/page-%d.txt", i+1))
	}
	for _, order := range []string{"le", "be"} {
		for _, name := range []string{"var/lib/rpm/Packages", "usr/share/rpm/Packages", "usr/lib/sysimage/rpm/Packages"} {
			got, err := Owners(t.Context(), fstest.MapFS{name: {Data: berkeley(t, order)}})
			if err != nil {
				t.Fatalf("%s: %v", order, err)
			}
			want := []Owner{
				{Package: Package{Name: "gpg-pubkey", Version: "8483c65d-5ccc5b19", Source: "gpg-pubkey", Format: "rpm"}, Files: []string{}},
				{Package: kiln, Files: []string{"usr/bin/kiln"}},
				{Package: doc, Files: pages},
			}
			for _, o := range got {
				if strings.HasSuffix(o.Name, "-doc") {
					sortPages(o.Files)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", order, diff)
			}
		}
	}
}

// sortPages puts page-2 before page-10.
func sortPages(files []string) {
	for i := 1; i < len(files); i++ {
		for j := i; j > 0 && (len(files[j]) < len(files[j-1]) || len(files[j]) == len(files[j-1]) && files[j] < files[j-1]); j-- {
			files[j], files[j-1] = files[j-1], files[j]
		}
	}
}

func TestMalformedBerkeleyDatabases(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	const page = 4096
	whole := berkeley(t, "le")
	// table is a page with packages, and overflow one with a part of a header.
	var table, overflow int
	for n := page; n < len(whole); n += page {
		switch {
		case whole[n+25] == bdbHash && le.Uint16(whole[n+20:]) > 0:
			table = n
		case whole[n+25] == bdbOverflow:
			overflow = n
		}
	}
	// item is where one of a page begins.
	item := func(b []byte, i int) int { return table + int(le.Uint16(b[table+bdbPageHead+2*i:])) }
	large := -1
	for i := 1; i < int(le.Uint16(whole[table+20:])); i += 2 {
		if whole[item(whole, i)] == bdbOffPage {
			large = i
		}
	}
	if table == 0 || overflow == 0 || large < 0 {
		t.Fatal("the database has no page of the kinds that are to be broken")
	}
	for what, c := range map[string]struct {
		mutate func([]byte) []byte
		want   string
	}{
		"empty":                 {func([]byte) []byte { return nil }, "EOF"},
		"cut off":               {func(b []byte) []byte { return b[:page] }, "it has 1 pages instead of 7"},
		"another magic":         {func(b []byte) []byte { b[12]++; return b }, "not a hash table"},
		"a tree":                {func(b []byte) []byte { b[25] = 9; return b }, "not a hash table"},
		"encrypted":             {func(b []byte) []byte { b[24] = 1; return b }, "encrypted"},
		"pages of nothing":      {func(b []byte) []byte { le.PutUint32(b[20:], 0); return b }, "pages of 0 bytes"},
		"pages of 3000 bytes":   {func(b []byte) []byte { le.PutUint32(b[20:], 3000); return b }, "pages of 3000 bytes"},
		"an odd item":           {func(b []byte) []byte { b[table+20]++; return b }, "items"},
		"too many items":        {func(b []byte) []byte { le.PutUint16(b[table+20:], 60000); return b }, "60000 items"},
		"an item before":        {func(b []byte) []byte { le.PutUint16(b[table+bdbPageHead:], 3); return b }, "item 0 at 3"},
		"an item behind":        {func(b []byte) []byte { le.PutUint16(b[table+bdbPageHead:], 60000); return b }, "item 0 at 60000"},
		"a key elsewhere":       {func(b []byte) []byte { b[item(b, 0)] = bdbOffPage; return b }, "a key that is no number"},
		"a value of a kind":     {func(b []byte) []byte { b[item(b, large)] = 2; return b }, "a value of type 2"},
		"a value nowhere":       {func(b []byte) []byte { le.PutUint32(b[item(b, large)+4:], 1<<31); return b }, "and then page 2147483648"},
		"a value that is large": {func(b []byte) []byte { le.PutUint32(b[item(b, large)+8:], 1<<31); return b }, "and then page 0"},
		"a value in a table":    {func(b []byte) []byte { le.PutUint32(b[item(b, large)+4:], uint32(table/page)); return b }, "is not part of a value"},
		"a circle": {func(b []byte) []byte {
			le.PutUint32(b[overflow+16:], uint32(overflow/page))
			le.PutUint32(b[item(b, large)+4:], uint32(overflow/page))
			return b
		}, "and then page"},
		"a part that is long": {func(b []byte) []byte { le.PutUint16(b[overflow+22:], 5000); return b }, "is not part of a value"},
	} {
		_, err := Packages(t.Context(), fstest.MapFS{"var/lib/rpm/Packages": {Data: c.mutate(bytes.Clone(whole))}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func FuzzBerkeley(f *testing.F) {
	f.Add(berkeley(f, "be"))
	f.Add(berkeley(f, "small"))
	f.Fuzz(func(t *testing.T, content []byte) {
		total := 0
		_ = readBDB(bytes.NewReader(content), int64(len(content)), func(blob []byte) error {
			total += len(blob)
			return nil
		})
		// Whatever it says, it has no more than it is long.
		if total > len(content) {
			t.Errorf("%d bytes of packages in %d", total, len(content))
		}
	})
}
