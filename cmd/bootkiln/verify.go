package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/provenance"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sbom"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

type verifyOptions struct {
	env          *env
	globals      *globals
	reference    string
	keys         []string
	policy       string
	identity     identityFlags
	attestations bool
	types        []string
	registry     registryFlags
	format       formatFlag
}

func newVerifyCmd(e *env, g *globals) *cobra.Command {
	o := &verifyOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "verify REF",
		Short: "Ask the containers policy engine whether an image would be accepted",
		Long: `Resolves REF to a digest and asks the policy engine of containers/image, the one
in podman, skopeo and bootc, whether it may run: with the given public keys, or
with the policy of a folder such as /etc/containers. Of an index, each image in it
must be accepted as well. Prints the digest and what was checked; with --quiet, the
digest alone. An image that is refused is exit status 4.

A signature without a key is verified by cosign's library instead, for the identity
that its certificate must name.

With --attestations, the image must also carry statements by the same authors: a list
of its packages (SPDX) and how it came to be (SLSA provenance). Each image of an index
has to, and the index itself must say of which images it was made (provenance). With
--type, those types are demanded instead, of an index or else of each image in it.
A missing one is exit status 4.`,
		Example: `  bootkiln verify --key cosign.pub ghcr.io/me/centos-kde:latest
  bootkiln verify --key cosign.pub --attestations ghcr.io/me/centos-kde:latest
  bootkiln verify --policy /etc/containers ghcr.io/me/centos-kde:latest
  bootkiln verify --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    --certificate-identity https://github.com/me/kde/.github/workflows/image.yml@refs/heads/main \
    ghcr.io/me/centos-kde:latest`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVar(&o.keys, "key", nil, "`file` with a public key; a signature by one of several is enough")
	cmd.Flags().StringVar(&o.policy, "policy", "", "`folder` with policy.json and registries.d to be used as they stand")
	o.identity.register(cmd)
	cmd.Flags().BoolVar(&o.attestations, "attestations", false, "also demand attestations by the same authors")
	cmd.Flags().StringArrayVar(&o.types, "type", nil, "`URI` of an attestation that is demanded, or cosign's name of it (default: those of SPDX and SLSA provenance)")
	cmd.MarkFlagsMutuallyExclusive("key", "policy", "certificate-identity")
	cmd.MarkFlagsOneRequired("key", "policy", "certificate-identity")
	o.registry.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// verified is what verify found, and how.
type verified struct {
	image.Pinned
	// Engine is who accepted the signature.
	Engine pipeline.Engine `json:"engine"`
	// Policy is the folder of the policy, or Authors the files of the keys, one of
	// which signed, or the identity that did.
	Policy  string   `json:"policy,omitempty"`
	Authors []string `json:"authors,omitempty"`
	// Images are those of an index, which were accepted as well.
	Images []verifiedImage `json:"images,omitempty"`
	// Attestations are those by the authors, where they were asked for.
	Attestations []attested `json:"attestations,omitempty"`
}

// verifiedImage is an image in an index.
type verifiedImage struct {
	image.Pinned
	Attestations []attested `json:"attestations,omitempty"`
}

func (o *verifyOptions) run(ctx context.Context) error {
	if len(o.types) > 0 && !o.attestations {
		return &usageError{errors.New("--type says which --attestations are demanded, and these are not asked for")}
	}
	for i, kind := range o.types {
		if uri, ok := typeNames[kind]; ok {
			o.types[i] = uri
		} else if !strings.Contains(kind, "://") {
			return hinted(&usageError{fmt.Errorf("%q is no type of attestations", kind)},
				"give its URI, as "+provenance.PredicateType+"; of cosign's names, "+strings.Join(slices.Sorted(maps.Keys(typeNames)), " and ")+" are known")
		}
	}
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	repository, _, err := splitReference(o.reference)
	if err != nil {
		return err
	}
	authors, err := o.authors()
	if err != nil {
		return err
	}
	v := &verified{Engine: pipeline.PolicyEngine, Policy: o.policy}
	for _, a := range authors {
		v.Authors = append(v.Authors, a.Name)
	}
	if v.Pinned, err = registry.Resolve(ctx, o.reference, options); err != nil {
		return err
	}
	if o.identity.subject != "" {
		v.Engine = pipeline.Cosign
		err = trust.VerifyAuthor(ctx, v.Pinned, authors[0], options)
	} else {
		t := trust.Options{Dir: o.policy, Policy: trust.Policy{Scope: repository}, Registry: options}
		for _, a := range authors {
			t.Policy.Keys = append(t.Policy.Keys, a.Key)
		}
		err = trust.Verify(ctx, v.Pinned, t)
	}
	if err != nil {
		return err
	}
	all, err := sign.Images(ctx, v.Pinned, options)
	if err != nil {
		return err
	}
	for _, inner := range all[1:] {
		v.Images = append(v.Images, verifiedImage{Pinned: inner})
	}
	if err := o.attested(ctx, v, authors, repository, options); err != nil {
		return err
	}
	return o.print(v)
}

// authors are whose signatures are accepted; none for a policy, which names them
// itself.
func (o *verifyOptions) authors() (authors []sign.Author, err error) {
	if o.identity.subject != "" {
		a, err := o.identity.author(o.env)
		return []sign.Author{a}, err
	}
	for _, file := range o.keys {
		key, err := readPublicKey(file)
		if err != nil {
			return nil, hinted(err, "name the file with the public half, cosign.pub")
		}
		authors = append(authors, sign.Author{Name: file, Key: key})
	}
	return authors, nil
}

func (o *verifyOptions) attested(ctx context.Context, v *verified, authors []sign.Author, repository string, options registry.Options) (err error) {
	if !o.attestations {
		return nil
	}
	if o.policy != "" {
		if authors, err = trust.Authors(o.policy, repository); err != nil {
			return err
		}
	}
	read := func(p image.Pinned, demanded []string) (list []attested, err error) {
		found, err := sign.Attestations(ctx, p, authors, demanded, options)
		for _, a := range found {
			list = append(list, describe(a))
		}
		lacks, ok := asError[*sign.AttestationError](err)
		if ok && len(o.types) == 0 && slices.Equal(lacks.Missing, []string{provenance.PredicateType}) {
			lacks.Hint = "what 'bootkiln push' brought there has none, because nobody knows how it came to be: demand what it has, with --type spdxjson"
		}
		return list, err
	}
	ofIndex, ofImage := o.demanded(len(v.Images) > 0)
	if v.Attestations, err = read(v.Pinned, ofIndex); err != nil {
		return err
	}
	ofImage = slices.DeleteFunc(ofImage, func(kind string) bool {
		// What was asked for by its type may be said of all of them at once.
		return len(o.types) > 0 && slices.ContainsFunc(v.Attestations, func(a attested) bool { return a.Type == kind })
	})
	for i := range v.Images {
		inner := &v.Images[i]
		demanded := ofImage
		if inner.MediaType == imgspecv1.MediaTypeImageIndex {
			demanded = nil // what is in it has them
		}
		if inner.Attestations, err = read(inner.Pinned, demanded); err != nil {
			return err
		}
	}
	return nil
}

// typeNames are cosign's names for what bootkiln attests.
var typeNames = map[string]string{"spdxjson": sbom.PredicateType, "slsaprovenance1": provenance.PredicateType}

// demanded are the types of attestations that what is verified must have itself,
// and, of an index, each image in it.
func (o *verifyOptions) demanded(isIndex bool) (own, inner []string) {
	switch {
	case len(o.types) == 0 && isIndex:
		return []string{provenance.PredicateType}, []string{sbom.PredicateType, provenance.PredicateType}
	case len(o.types) == 0:
		return []string{sbom.PredicateType, provenance.PredicateType}, nil
	case isIndex:
		return nil, slices.Clone(o.types)
	}
	return o.types, nil
}

func (o *verifyOptions) print(v *verified) error {
	if o.format.value == formatJSON {
		return o.env.writeJSON(v)
	}
	if err := o.env.printf("%s\n", v.Pinned); err != nil || o.globals.quiet {
		return err
	}
	by := "of " + strings.Join(v.Authors, " or ")
	if v.Policy != "" {
		by = "with the policy in " + v.Policy
	}
	if err := o.env.printf("  signature    %s, accepted by %s\n", diag.Printable(by), v.Engine); err != nil {
		return err
	}
	if err := o.printAttested(v.Attestations); err != nil {
		return err
	}
	for _, inner := range v.Images {
		if err := o.env.printf("  and of       %s\n", inner.Digest); err != nil {
			return err
		}
		if err := o.printAttested(inner.Attestations); err != nil {
			return err
		}
	}
	return nil
}

func (o *verifyOptions) printAttested(list []attested) error {
	for _, a := range list {
		if err := o.env.printf("%s", a); err != nil {
			return err
		}
	}
	return nil
}

func readPublicKey(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading public key %q: %w", file, errors.Unwrap(err))
	}
	switch block, _ := pem.Decode(key); {
	case block == nil:
		return nil, fmt.Errorf("reading public key %q: it is not in PEM", file)
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("reading public key %q: it is a %q", file, block.Type)
	}
	return key, nil
}
