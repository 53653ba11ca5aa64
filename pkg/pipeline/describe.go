package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/packagedb"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/sbom"
)

// The files with what is said of an image.
const (
	SBOMName       = "sbom.spdx.json"
	ProvenanceName = "provenance.json"
)

// Origin is who makes the image, and from what project.
type Origin struct {
	// Recipe is the digest of the recipe with all that it includes, and File its
	// name in its project, "" where there is none: everyone may read it, who need
	// not know where on this machine that is.
	Recipe digest.Digest
	File   string
	// Source is the commit of the project, nil where that is not known.
	Source *provenance.Source
	// Builder is who builds; Invocation names this run of it, "" where nothing
	// does.
	Builder    provenance.Builder
	Invocation string
	// Tool is this program with its version.
	Tool string
}

// statement is something that is said of the image, wherever it is published.
type statement struct {
	predicateType string
	predicate     []byte
}

// describe writes down what the image is made of, and how an image that was
// built here came to be.
func (r *run) describe(ctx context.Context, img image.Image) error {
	if r.Attest == nil && r.in.Out == "" {
		return nil
	}
	return r.stage("describe", func(progress.Stage) error {
		reports, err := r.reports()
		if err != nil {
			return err
		}
		words := wordsOf(reports)
		if !r.passed("describe", words) {
			if err := r.writeDown(ctx, img, reports); err != nil {
				return err
			}
			return r.pass("describe", words, r.descriptions()...)
		}
		// What was said already may not be said otherwise: the times of the build,
		// and who ran it, are those of the first run.
		return r.recall()
	})
}

// descriptions are the files.
func (r *run) descriptions() []string {
	if r.planned == nil {
		return []string{SBOMName}
	}
	return []string{SBOMName, ProvenanceName}
}

func (r *run) recall() error {
	kinds := map[string]string{SBOMName: sbom.PredicateType, ProvenanceName: provenance.PredicateType}
	for _, name := range r.descriptions() {
		b, err := os.ReadFile(filepath.Join(r.in.Out, name))
		if err != nil {
			return fmt.Errorf("reading what is said of the image: %w", err)
		}
		r.said = append(r.said, statement{kinds[name], b})
	}
	return nil
}

// reports are the digests of what was found out about the image.
func (r *run) reports() (map[string]digest.Digest, error) {
	found := map[string]digest.Digest{}
	for _, name := range []string{"check.json", boot.ReportName} {
		if r.in.Out == "" {
			break
		}
		b, err := os.ReadFile(filepath.Join(r.in.Out, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // it was not booted
		}
		if err != nil {
			return nil, fmt.Errorf("reading what was found out: %w", err)
		}
		found[name] = digest.FromBytes(b)
	}
	return found, nil
}

func (r *run) writeDown(ctx context.Context, img image.Image, reports map[string]digest.Digest) (err error) {
	config, err := img.Config(ctx)
	if err != nil {
		return err
	}
	root, err := img.Root(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	name := r.in.Recipe.Name.Value
	document, err := sbom.SPDX(ctx, root, sbom.Options{Name: name, Created: created(config), Tool: r.in.Origin.Tool})
	if err != nil {
		return err
	}
	r.said = append(r.said, statement{sbom.PredicateType, document})
	if err := r.keepText(SBOMName, document); err != nil || r.planned == nil {
		return err
	}
	urls, err := packageURLs(ctx, root)
	if err != nil {
		return err
	}
	built, origin := r.journal.Build, r.in.Origin
	predicate, err := provenance.Predicate(provenance.Build{
		Name: name, Recipe: origin.File, RecipeDigest: built.Recipe, Containerfile: built.Containerfile,
		Base:   provenance.Base{Image: built.Base.Image, Digest: baseDigest(built.Base.Digest, built.Base.ID)},
		Source: origin.Source, Packages: urls, Builder: origin.Builder, Invocation: origin.Invocation,
		Started: built.Began, Finished: built.Ended, Reports: reports,
	})
	if err != nil {
		return err
	}
	r.said = append(r.said, statement{provenance.PredicateType, predicate})
	return r.keepText(ProvenanceName, predicate)
}

// baseDigest is that of the manifest, or of the configuration for an image that
// is only in the store: that is what its ID is.
func baseDigest(manifest, id string) digest.Digest {
	if manifest == "" && id != "" {
		return digest.NewDigestFromEncoded(digest.SHA256, id)
	}
	return digest.Digest(manifest)
}

func packageURLs(ctx context.Context, root image.Root) ([]string, error) {
	packages, err := packagedb.Packages(ctx, root)
	if err != nil && !errors.Is(err, packagedb.ErrNone) {
		return nil, err
	}
	release, err := image.OSRelease(root)
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, p := range packages {
		urls = append(urls, sbom.PURL(p, release))
	}
	return urls, nil
}

// created is when an image says that it was made, zero where it does not say.
func created(config *imgspecv1.Image) time.Time {
	if said, err := time.Parse(time.RFC3339, config.Config.Labels[imgspecv1.AnnotationCreated]); err == nil {
		return said
	}
	if config.Created == nil {
		return time.Time{}
	}
	return *config.Created
}

func (r *run) keepText(name string, text []byte) error {
	if r.in.Out == "" {
		return nil
	}
	return writeFile(filepath.Join(r.in.Out, name), text)
}
