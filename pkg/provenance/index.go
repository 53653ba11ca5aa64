package provenance

import (
	"fmt"
	"time"

	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	digest "github.com/opencontainers/go-digest"
)

// IndexBuildType is the [BuildType] of an index: externalParameters has the name,
// the recipe's file where one says what goes together, and the images by digest,
// which are the resolvedDependencies under the names of their platforms.
const IndexBuildType = "https://github.com/bootkiln/bootkiln/index/v1"

// Index is what is said of an index: which images were brought together. How each
// of them came to be is said of itself.
type Index struct {
	// Name is the image's. Recipe and RecipeDigest are as in [Build], and "" where
	// the command line names the images.
	Name, Recipe string
	RecipeDigest digest.Digest
	// Repository is where the images and the index are.
	Repository string
	// Images are those in the index, in its order.
	Images []Member
	// Source, Builder and Invocation are as in [Build].
	Source     *Source
	Builder    Builder
	Invocation string
	// Started and Finished are when the work began and ended.
	Started, Finished time.Time
}

// Member is an image in an index.
type Member struct {
	// Platform is what it is for, as "linux/amd64".
	Platform string
	Digest   digest.Digest
}

// IndexPredicate is [Predicate] for an index.
func IndexPredicate(x Index) ([]byte, error) {
	text, err := indexPredicate(x)
	if err != nil {
		return nil, fmt.Errorf("writing the provenance of the index %q: %w", x.Name, err)
	}
	return text, nil
}

func indexPredicate(x Index) ([]byte, error) {
	from, err := recipeAndSource(x.Recipe, x.RecipeDigest, x.Source)
	if err != nil {
		return nil, err
	}
	var images []any
	for _, m := range x.Images {
		d, err := descriptor(&intoto.ResourceDescriptor{Name: m.Platform, Uri: uri(x.Repository)}, m.Digest)
		if err != nil {
			return nil, err
		}
		from, images = append(from, d), append(images, m.Digest.String())
	}
	external := map[string]any{"name": x.Name, "images": images}
	if x.Recipe != "" {
		external["recipe"] = x.Recipe
	}
	definition := &slsa.BuildDefinition{BuildType: IndexBuildType, ResolvedDependencies: from}
	return whole(definition, external, nil, details(x.Builder, x.Invocation, x.Started, x.Finished))
}
