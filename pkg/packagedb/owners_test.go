package packagedb

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// field is one tag of a header that a test makes.
type field struct {
	tag, kind, count uint32
	value            []byte
}

func str(tag uint32, values ...string) field {
	kind := uint32(rpmStringArray)
	if len(values) == 1 {
		kind = rpmString
	}
	return field{tag, kind, uint32(len(values)), []byte(strings.Join(values, "\x00") + "\x00")}
}

func num(tag uint32, values ...uint32) field {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return field{tag, rpmInt32, uint32(len(values)), b}
}

func header(fields ...field) []byte {
	var index, data []byte
	for _, f := range fields {
		for _, v := range []uint32{f.tag, f.kind, uint32(len(data)), f.count} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, f.value...)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(index)/rpmEntrySize))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

// bash is a package with all that is read.
var bash = header(
	str(rpmName, "bash"), str(rpmVersion, "5.2"), str(rpmRelease, "1.el10"), str(rpmArch, "x86_64"),
	str(rpmSource, "bash-5.2-1.el10.src.rpm"), num(rpmBuildTime, 1_700_000_000), num(rpmChangelogTime, 1_690_000_000, 1_680_000_000),
	str(rpmChangelogText, "- mend CVE-2023-1 and CVE-2023-2", "- new\n- no hole"),
	str(rpmBaseNames, "bash", "sh", "skel"), num(rpmDirIndexes, 0, 0, 1), str(rpmDirNames, "/usr/bin/", "/etc/"),
	num(rpmFileFlags, 0, 1<<6|1<<3, 1),
)

// ndb lays headers out as rpm's ndb backend does.
func ndb(headers ...[]byte) []byte {
	le := binary.LittleEndian
	page := make([]byte, 4096)
	le.PutUint32(page, ndbHeaderMagic)
	le.PutUint32(page[12:], 1)
	for at := 2 * ndbBlock; at < len(page); at += ndbBlock {
		le.PutUint32(page[at:], ndbSlotMagic)
	}
	for i, h := range headers {
		slot := page[(2+i)*ndbBlock:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(page)/ndbBlock))
		for _, v := range []uint32{ndbBlobMagic, uint32(i + 1), 0, uint32(len(h))} {
			page = le.AppendUint32(page, v)
		}
		page = append(page, h...)
		page = append(page, make([]byte, -len(page)&(ndbBlock-1))...)
	}
	return page
}

func TestOwners(t *testing.T) {
	t.Parallel()
	sqlite, _ := fakeimage.RPMDatabase(t, bash)
	want := []Owner{{
		Package: Package{
			Name: "bash", Version: "5.2-1.el10", Arch: "x86_64", Source: "bash", Format: "rpm",
			BuildTime: time.Unix(1_700_000_000, 0).UTC(),
			Changes:   []time.Time{time.Unix(1_690_000_000, 0).UTC(), time.Unix(1_680_000_000, 0).UTC()},
			Flaws:     1,
		},
		Files:  []string{"usr/bin/bash", "usr/bin/sh", "etc/skel"},
		Ghosts: []string{"usr/bin/sh"},
	}}
	for name, root := range map[string]fstest.MapFS{
		"sqlite": {"usr/share/rpm/rpmdb.sqlite": {Data: sqlite}},
		"ndb":    {"usr/lib/sysimage/rpm/Packages.db": {Data: ndb(bash)}},
	} {
		got, err := Owners(t.Context(), root)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	got, err := Owners(t.Context(), fstest.MapFS{
		"var/lib/dpkg/status":                {Data: []byte(status)},
		"var/lib/dpkg/info/libc6:amd64.list": {Data: []byte("/.\n/lib\n/lib/libc.so.6\n")},
		"var/lib/dpkg/info/tool.list":        {Data: []byte("/usr/bin/tool\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	dpkg := []Owner{
		{Package: statusPackages[0], Files: []string{".", "lib", "lib/libc.so.6"}},
		{Package: statusPackages[1], Files: []string{"usr/bin/tool"}},
	}
	if diff := cmp.Diff(dpkg, got); diff != "" {
		t.Errorf("dpkg (-want +got):\n%s", diff)
	}
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	name, version := str(rpmName, "a"), str(rpmVersion, "1")
	cutOff := header(name, version)
	for what, blob := range map[string][]byte{
		"empty":             nil,
		"cut off":           cutOff[:len(cutOff)-1],
		"no version":        header(name),
		"no end of a text":  header(name, field{rpmVersion, rpmString, 1, []byte("1")}),
		"another type":      header(name, field{rpmVersion, rpmInt32, 1, []byte("1234")}),
		"too many":          header(name, version, field{rpmEpoch, rpmInt32, 1 << 30, []byte("1234")}),
		"numbers cut off":   header(name, version, field{rpmEpoch, rpmInt32, 2, []byte("1234")}),
		"files and folders": header(name, version, str(rpmBaseNames, "a", "b"), num(rpmDirIndexes, 0), str(rpmDirNames, "/")),
		"files and flags":   header(name, version, str(rpmBaseNames, "a"), num(rpmDirIndexes, 0), str(rpmDirNames, "/"), num(rpmFileFlags, 1, 2)),
		"an endless change": header(name, version, field{rpmChangelogText, rpmStringArray, 1, []byte("CVE-")}),
		"no such folder":    header(name, version, str(rpmBaseNames, "a"), num(rpmDirIndexes, 7), str(rpmDirNames, "/")),
	} {
		_, err := Owners(t.Context(), fstest.MapFS{"usr/lib/sysimage/rpm/Packages.db": {Data: ndb(blob)}})
		if err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	whole := ndb(bash)
	for what, data := range map[string][]byte{
		"no header":   whole[:16],
		"no slots":    whole[:100],
		"no package":  whole[:4096],
		"half of one": whole[:4096+40],
		"other magic": append([]byte("RpmX"), whole[4:]...),
	} {
		_, err := Packages(t.Context(), fstest.MapFS{"var/lib/rpm/Packages.db": {Data: data}})
		if err == nil || !strings.Contains(err.Error(), "Packages.db") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzNDB(f *testing.F) {
	f.Add(ndb(bash))
	f.Add(ndb(bash, bash)[:5000])
	f.Fuzz(func(t *testing.T, content []byte) {
		total := 0
		_ = readNDB(bytes.NewReader(content), int64(len(content)), func(blob []byte) error {
			total += len(blob)
			return nil
		})
		if total > len(content) {
			t.Errorf("%d bytes of packages in %d", total, len(content))
		}
	})
}

func FuzzRPMHeader(f *testing.F) {
	f.Add(bash)
	f.Add(header(str(rpmName, "a"), str(rpmVersion, "1")))
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, err := parseRPMHeader(blob)
		if err != nil {
			return
		}
		p, err := h.pkg()
		if err == nil && (p.Name == "" || p.Version == "") {
			t.Errorf("a package without a name or version: %+v", p)
		}
		files, _, _ := h.files()
		for _, name := range files {
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") || name == ".." {
				t.Errorf("%q leads out of the root", name)
			}
		}
	})
}
