package sbom

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
	"github.com/bootkiln/bootkiln/pkg/internal/golden"
)

var options = Options{Name: "kiln", Created: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Tool: "bootkiln-1.2.0"}

const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u10

Package: libc6
Status: install ok installed
Architecture: i386
Source: glibc
Version: 2.36-9+deb12u10

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 1:12.2.0-14

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
`

func TestSPDX(t *testing.T) {
	t.Parallel()
	db, wal := fakeimage.RPMDatabase(t,
		fakeimage.RPM{Name: "bash", Version: "5.2.26", Release: "6.el10", Arch: "x86_64", Source: "bash-5.2.26-6.el10.src.rpm", Vendor: "CentOS"}.Header(),
		fakeimage.RPM{Epoch: 1, Name: "openssl-libs", Version: "3.2.2", Release: "16.el10", Arch: "x86_64", Source: "openssl-3.2.2-16.el10.src.rpm", Vendor: "CentOS"}.Header(),
	)
	for name, files := range map[string]fakeimage.Files{
		"debian": {
			"etc/os-release":      fakeimage.Text("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
			"var/lib/dpkg/status": fakeimage.Text(status),
		},
		"centos": {
			"usr/lib/os-release":                    fakeimage.Text("ID=centos\nVERSION_ID=10\nPRETTY_NAME=\"CentOS Stream 10 (Coughlan)\"\n"),
			"usr/lib/sysimage/rpm/rpmdb.sqlite":     fakeimage.Text(string(db)),
			"usr/lib/sysimage/rpm/rpmdb.sqlite-wal": fakeimage.Text(string(wal)),
		},
		"none": {"etc/motd": fakeimage.Text("hi\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := spdxOf(t, files)
			golden.Check(t, "testdata/"+name+".spdx.json", text)
			if again := spdxOf(t, files); !bytes.Equal(text, again) {
				t.Error("the same image has two documents")
			}
			valid(t, text)
		})
	}
}

func spdxOf(t *testing.T, files fakeimage.Files) []byte {
	t.Helper()
	root := rootOf(t, files)
	text, err := SPDX(t.Context(), root, options)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rootOf(t *testing.T, files fakeimage.Files) image.Root {
	t.Helper()
	root, err := fakeimage.New(t, imgspecv1.Image{}, files).Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// valid asks the schema of the specification, and the reference library, which
// refuses relationships to what is not there.
func valid(t *testing.T, text []byte) {
	t.Helper()
	f, err := os.Open("testdata/spdx-2.3.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("spdx", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("spdx")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	var read v2_3.Document
	if err := spdxjson.ReadInto(bytes.NewReader(text), &read); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"DOCUMENT": true}
	for _, p := range read.Packages {
		if known[string(p.PackageSPDXIdentifier)] {
			t.Errorf("two elements are called %q", p.PackageSPDXIdentifier)
		}
		known[string(p.PackageSPDXIdentifier)] = true
	}
	for _, r := range read.Relationships {
		if !known[string(r.RefA.ElementRefID)] || !known[string(r.RefB.ElementRefID)] {
			t.Errorf("the relationship %v leads to nothing", *r)
		}
	}
}

// The list of a large image has to fit where attestations go: cosign reads 128 MiB
// of one at most (COSIGN_MAX_ATTACHMENT_SIZE), in which it is in base64. A desktop
// has some 1500 packages.
func TestSize(t *testing.T) {
	t.Parallel()
	const packages, most = 3000, 3 << 20
	var status strings.Builder
	for i := range packages {
		fmt.Fprintf(&status, "Package: libsome-rather-long-name-%d-dev\nStatus: install ok installed\nArchitecture: amd64\n"+
			"Source: some-rather-long-name (1:2.3.4-%d)\nVersion: 1:2.3.4-%d+deb12u10\n\n", i, i, i)
	}
	text := spdxOf(t, fakeimage.Files{
		"etc/os-release":      fakeimage.Text("ID=debian\nVERSION_ID=\"12\"\n"),
		"var/lib/dpkg/status": fakeimage.Text(status.String()),
	})
	if len(text) > most {
		t.Errorf("%d packages take %d bytes, more than %d", packages, len(text), most)
	}
	valid(t, text)
}

// What stands in an image is not trusted to be well formed.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	text := spdxOf(t, fakeimage.Files{
		"etc/os-release": fakeimage.Text("ID=\"x/../y?z\"\n"),
		"var/lib/dpkg/status": fakeimage.Text("Package: a_b\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n" +
			"Package: a-b\nStatus: install ok installed\nArchitecture: all\nVersion: <&>\x1b\n"),
	})
	valid(t, text)
	if !strings.Contains(string(text), `"SPDXRef-Package-dpkg-a-b.2"`) {
		t.Errorf("the second of two names that become one is not apart:\n%s", text)
	}
}

func TestBrokenDatabase(t *testing.T) {
	t.Parallel()
	_, err := SPDX(t.Context(), rootOf(t, fakeimage.Files{"var/lib/dpkg/status": fakeimage.Text("Package\n")}), options)
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("listing the packages of %q: ", options.Name)) {
		t.Errorf("the error is %v", err)
	}
}
