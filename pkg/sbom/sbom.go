// Package sbom writes down what an image is made of, from its own package
// databases, as an SPDX 2.3 document (https://spdx.github.io/spdx-spec/v2.3/).
//
// No scanner guesses here: a package is listed because the image's package
// manager says that it is installed. What no package owns is not listed.
package sbom

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/package-url/packageurl-go"
	spdx "github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// PredicateType names SPDX documents in an attestation, as cosign and the
// in-toto project do.
const PredicateType = "https://spdx.dev/Document"

// Options describe the image of a document.
type Options struct {
	// Name is the image's name ("centos-kde").
	Name string
	// Created is when the image was made. It is the only time in the document,
	// so that the same image has the same document; zero is 1970.
	Created time.Time
	// Tool is the program and its version ("bootkiln-1.2.0").
	Tool string
}

// SPDX returns the document of the image with this root file system, in JSON.
// The same file system and options give the same bytes. An image without a
// package database gets a document without packages.
func SPDX(ctx context.Context, root image.Root, o Options) ([]byte, error) {
	packages, err := packagedb.Packages(ctx, root)
	if err != nil && !errors.Is(err, packagedb.ErrNone) {
		return nil, fmt.Errorf("listing the packages of %q: %w", o.Name, err)
	}
	release, err := image.OSRelease(root)
	if err != nil {
		return nil, fmt.Errorf("listing the packages of %q: %w", o.Name, err)
	}
	return document(packages, release, o)
}

func document(packages []packagedb.Package, release map[string]string, o Options) ([]byte, error) {
	const (
		imageID  = "Image"
		systemID = "OperatingSystem"
	)
	created := o.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	doc := v2_3.Document{
		SPDXVersion:    v2_3.Version,
		DataLicense:    v2_3.DataLicense,
		SPDXIdentifier: "DOCUMENT",
		DocumentName:   o.Name,
		CreationInfo: &v2_3.CreationInfo{
			Created:  created.UTC().Format(time.RFC3339),
			Creators: []spdx.Creator{{CreatorType: "Tool", Creator: o.Tool}},
		},
		Packages: []*v2_3.Package{
			unknown(v2_3.Package{PackageName: o.Name, PackageSPDXIdentifier: imageID, PrimaryPackagePurpose: "CONTAINER"}),
			unknown(v2_3.Package{
				PackageName:           cmp.Or(release["ID"], "linux"),
				PackageSPDXIdentifier: systemID,
				PackageVersion:        release["VERSION_ID"],
				PackageDescription:    release["PRETTY_NAME"],
				// The schema of the JSON form has an underscore where the text has none.
				PrimaryPackagePurpose: "OPERATING_SYSTEM",
			}),
		},
		Relationships: []*v2_3.Relationship{
			relation("DOCUMENT", spdx.TypeRelationshipDescribe, imageID),
			relation(imageID, spdx.TypeRelationshipContains, systemID),
		},
	}
	taken := map[string]int{}
	for _, p := range packages {
		entry := describe(p, release)
		id := identifier(p)
		// Several kernels, or one package for two architectures.
		if taken[id]++; taken[id] > 1 {
			id = fmt.Sprintf("%s.%d", id, taken[id])
		}
		entry.PackageSPDXIdentifier = spdx.ElementID(id)
		doc.Packages = append(doc.Packages, entry)
		doc.Relationships = append(doc.Relationships, relation(imageID, spdx.TypeRelationshipContains, entry.PackageSPDXIdentifier))
	}

	// The namespace must name this document and no other, and follow from it.
	text, err := encode(doc)
	if err != nil {
		return nil, fmt.Errorf("writing the SPDX document of %q: %w", o.Name, err)
	}
	sum := sha256.Sum256(text)
	doc.DocumentNamespace = "https://github.com/bootkiln/bootkiln/spdx/" + hex.EncodeToString(sum[:])
	if text, err = encode(doc); err != nil {
		return nil, fmt.Errorf("writing the SPDX document of %q: %w", o.Name, err)
	}
	return text, nil
}

func encode(doc v2_3.Document) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(doc)
	return b.Bytes(), err
}

// describe returns the entry of a package, without its identifier.
func describe(p packagedb.Package, release map[string]string) *v2_3.Package {
	entry := unknown(v2_3.Package{
		PackageName:    p.Name,
		PackageVersion: p.Version,
		PackageExternalReferences: []*v2_3.PackageExternalReference{{
			Category: "PACKAGE-MANAGER", RefType: "purl", Locator: PURL(p, release),
		}},
	})
	if p.Source != p.Name {
		entry.PackageSourceInfo = "built from the source package " + p.Source
	}
	if p.Vendor != "" {
		entry.PackageSupplier = &spdx.Supplier{SupplierType: "Organization", Supplier: p.Vendor}
	}
	if !p.BuildTime.IsZero() {
		entry.BuiltDate = p.BuildTime.UTC().Format(time.RFC3339)
	}
	return entry
}

// unknown says of a package that what the databases do not tell is not known;
// its files are not listed.
func unknown(p v2_3.Package) *v2_3.Package {
	const noAssertion = "NOASSERTION"
	p.PackageDownloadLocation = noAssertion
	p.PackageLicenseConcluded = noAssertion
	p.PackageLicenseDeclared = noAssertion
	p.PackageCopyrightText = noAssertion
	p.IsFilesAnalyzedTagPresent = true
	return &p
}

func relation(from spdx.ElementID, kind string, to spdx.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{
		RefA: spdx.DocElementID{ElementRefID: from}, Relationship: kind, RefB: spdx.DocElementID{ElementRefID: to},
	}
}

// PURL returns the package URL of a package in an image with this os-release
// (https://github.com/package-url/purl-spec, types deb and rpm).
func PURL(p packagedb.Package, release map[string]string) string {
	kind, version := packageurl.TypeDebian, p.Version
	qualifiers := packageurl.Qualifiers{}
	add := func(key, value string) {
		if value != "" {
			qualifiers = append(qualifiers, packageurl.Qualifier{Key: key, Value: value})
		}
	}
	add("arch", p.Arch)
	if p.Format == "rpm" {
		kind = packageurl.TypeRPM
		// Here the epoch is a word of its own.
		if epoch, rest, found := strings.Cut(p.Version, ":"); found {
			version = rest
			add("epoch", epoch)
		}
	}
	if id := release["ID"]; id != "" {
		add("distro", strings.TrimSuffix(id+"-"+release["VERSION_ID"], "-"))
	}
	if p.Source != p.Name {
		add("upstream", p.Source)
	}
	return packageurl.NewPackageURL(kind, release["ID"], p.Name, version, qualifiers, "").ToString()
}

// identifier is the package's name within the document: letters, digits, "."
// and "-" are allowed.
func identifier(p packagedb.Package) string {
	clean := func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '-') {
			return r
		}
		return '-'
	}
	return strings.Map(clean, "Package-"+p.Format+"-"+p.Name)
}
