package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/sbom"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// attested is what an attestation says, in short.
type attested struct {
	Type string `json:"type"`
	// By is the author's name.
	By string `json:"by"`
	// Packages counts what a list of packages has.
	Packages int `json:"packages,omitempty"`
	// Builder is who built the image, and From what it was built from.
	Builder string     `json:"builder,omitempty"`
	From    []material `json:"from,omitempty"`
}

// material is what went into a build: its recipe, base or source.
type material struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// describe reads those attestations that bootkiln makes. Of others, and of what
// does not have their form, only the type is known.
func describe(a sign.Attestation) attested {
	short := attested{Type: a.PredicateType, By: a.By}
	switch a.PredicateType {
	case sbom.PredicateType:
		var document struct {
			Packages []struct{ PrimaryPackagePurpose string }
		}
		if json.Unmarshal(a.Predicate, &document) != nil {
			return short
		}
		for _, p := range document.Packages {
			// In SPDX the image and its system are packages, too; what its package
			// manager installed has no purpose.
			if p.PrimaryPackagePurpose == "" {
				short.Packages++
			}
		}
	case provenance.PredicateType:
		var predicate struct {
			BuildDefinition struct {
				ResolvedDependencies []struct {
					Name, URI string
					Digest    map[string]string
				}
			}
			RunDetails struct{ Builder struct{ ID string } }
		}
		if json.Unmarshal(a.Predicate, &predicate) != nil {
			return short
		}
		short.Builder = predicate.RunDetails.Builder.ID
		for _, d := range predicate.BuildDefinition.ResolvedDependencies {
			if d.Name == "" {
				continue // a package
			}
			m := material{Name: d.Name}
			if d.URI != "" {
				m.Name += " " + d.URI
			}
			for _, algorithm := range slices.Sorted(maps.Keys(d.Digest)) {
				m.Digest = algorithm + ":" + d.Digest[algorithm]
			}
			short.From = append(short.From, m)
		}
	}
	return short
}

// String is for a person, in lines.
func (a attested) String() string {
	var b strings.Builder
	switch a.Type {
	case sbom.PredicateType:
		fmt.Fprintf(&b, "  packages     %d, listed by %s\n", a.Packages, diag.Printable(a.By))
	case provenance.PredicateType:
		fmt.Fprintf(&b, "  provenance   stated by %s\n", diag.Printable(a.By))
	default:
		fmt.Fprintf(&b, "  attestation  %s by %s\n", diag.Printable(a.Type), diag.Printable(a.By))
	}
	if a.Builder != "" {
		fmt.Fprintf(&b, "    built by   %s\n", diag.Printable(a.Builder))
	}
	for _, m := range a.From {
		fmt.Fprintf(&b, "    from       %s (%s)\n", diag.Printable(m.Name), diag.Printable(m.Digest))
	}
	return b.String()
}
