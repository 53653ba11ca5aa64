// Package provenance says how an image came to be, as the predicate of SLSA's
// provenance version 1 (https://slsa.dev/spec/v1.0/provenance): from which
// recipe and base, with which packages, built by whom.
//
// It is what the builder says of itself. On a hosted runner that is level 1 of
// SLSA's build track, and level 2 where the platform signs; a program that runs
// inside the job it describes cannot claim level 3.
package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// PredicateType names the predicate in an attestation.
	PredicateType = "https://slsa.dev/provenance/v1"
	// BuildType says what the parameters of the build mean: externalParameters
	// has the recipe's name and file, internalParameters the digest of the
	// Containerfile that was rendered from it.
	BuildType = "https://github.com/bootkiln/bootkiln/recipe/v1"
)

// Build is what is said of a build.
type Build struct {
	// Name is the image's, and Recipe the file, as its project names it;
	// RecipeDigest is that of the recipe with everything that it includes.
	Name, Recipe string
	RecipeDigest digest.Digest
	// Containerfile is the digest of the rendered text.
	Containerfile digest.Digest
	// Base is the base image.
	Base Base
	// Source is the project the recipe was read from, nil where that is not known.
	Source *Source
	// Packages are the package URLs of what the image holds.
	Packages []string
	Builder  Builder
	// Invocation names this run, "" where nothing does.
	Invocation string
	// Started and Finished are when the build began and ended.
	Started, Finished time.Time
	// Reports are the digests of what was found out about the image, by file
	// name ("check.json", "boot.json").
	Reports map[string]digest.Digest
}

// Base is the image that another one is built on.
type Base struct {
	// Image is the reference in the recipe ("quay.io/…:stream10").
	Image string
	// Digest is what it was at the build: a manifest's digest, or that of the
	// configuration for an image that was only in the local store.
	Digest digest.Digest
}

// Source is a commit of a git repository.
type Source struct {
	// URI has the form "git+https://…"; Commit is the whole hash.
	URI, Commit string
}

// Builder is who ran the build.
type Builder struct {
	// ID is a URI: of the workflow on a hosted runner, of bootkiln elsewhere.
	ID string
	// Version has the version of each part of it, by name.
	Version map[string]string
}

// Predicate returns the predicate in JSON, the same bytes for the same build.
// What SLSA demands and b lacks is an error.
func Predicate(b Build) ([]byte, error) {
	text, err := predicate(b)
	if err != nil {
		return nil, fmt.Errorf("writing the provenance of %q: %w", b.Name, err)
	}
	return text, nil
}

func predicate(b Build) ([]byte, error) {
	from, err := recipeAndSource(b.Recipe, b.RecipeDigest, b.Source)
	if err != nil {
		return nil, err
	}
	base, err := descriptor(&intoto.ResourceDescriptor{Name: "base", Uri: uri(b.Base.Image)}, b.Base.Digest)
	if err != nil {
		return nil, err
	}
	from = append(from, base)
	for _, p := range b.Packages {
		from = append(from, &intoto.ResourceDescriptor{Uri: p})
	}
	run := details(b.Builder, b.Invocation, b.Started, b.Finished)
	if run.Byproducts, err = byproducts(b.Reports); err != nil {
		return nil, err
	}
	return whole(&slsa.BuildDefinition{BuildType: BuildType, ResolvedDependencies: from},
		map[string]any{"name": b.Name, "recipe": b.Recipe}, map[string]any{"containerfile": b.Containerfile.String()}, run)
}

// recipeAndSource are what somebody wrote, as far as it is known.
func recipeAndSource(recipe string, d digest.Digest, s *Source) (from []*intoto.ResourceDescriptor, err error) {
	if recipe != "" {
		r, err := descriptor(&intoto.ResourceDescriptor{Name: recipe}, d)
		if err != nil {
			return nil, err
		}
		from = append(from, r)
	}
	if s != nil {
		from = append(from, &intoto.ResourceDescriptor{
			Name: "source", Uri: s.URI, Digest: map[string]string{"gitCommit": s.Commit},
		})
	}
	return from, nil
}

// uri is a reference as containers-transports(5) has it, with the transport that
// goes without saying elsewhere: SLSA asks for a URI.
func uri(reference string) string {
	if strings.HasPrefix(reference, "containers-storage:") || strings.Contains(reference, "://") {
		return reference
	}
	return "docker://" + reference
}

func details(b Builder, invocation string, started, finished time.Time) *slsa.RunDetails {
	return &slsa.RunDetails{
		Builder: &slsa.Builder{Id: b.ID, Version: b.Version},
		Metadata: &slsa.BuildMetadata{
			InvocationId: invocation, StartedOn: timestamppb.New(started), FinishedOn: timestamppb.New(finished),
		},
	}
}

// whole puts a predicate together, and has SLSA's own types check it.
func whole(d *slsa.BuildDefinition, external, internal map[string]any, run *slsa.RunDetails) (_ []byte, err error) {
	if d.ExternalParameters, err = structpb.NewStruct(external); err != nil {
		return nil, err
	}
	if internal != nil {
		if d.InternalParameters, err = structpb.NewStruct(internal); err != nil {
			return nil, err
		}
	}
	p := &slsa.Provenance{BuildDefinition: d, RunDetails: run}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return encode(p)
}

func byproducts(reports map[string]digest.Digest) ([]*intoto.ResourceDescriptor, error) {
	var list []*intoto.ResourceDescriptor
	for _, name := range slices.Sorted(maps.Keys(reports)) {
		d, err := descriptor(&intoto.ResourceDescriptor{Name: name}, reports[name])
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// descriptor adds the digest, which must be there: a name alone could be
// anything.
func descriptor(r *intoto.ResourceDescriptor, d digest.Digest) (*intoto.ResourceDescriptor, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("the digest of %q: %w", r.GetName(), err)
	}
	r.Digest = map[string]string{d.Algorithm().String(): d.Encoded()}
	return r, nil
}

// encode undoes the random spaces with which protojson keeps its callers from
// relying on its bytes.
func encode(p *slsa.Provenance) ([]byte, error) {
	raw, err := protojson.Marshal(p)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
