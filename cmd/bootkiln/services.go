package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/qemu"
	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/check"
	"github.com/bootkiln/bootkiln/pkg/chunk"
	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/place"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// buildServices fill in what builds an image in the store.
func buildServices(s *pipeline.Services, p *project, b *build.Builder, o build.Options, baseKey []byte) {
	s.ResolveBase = func(ctx context.Context, base recipe.Base, st progress.Stage) (plan.BaseInfo, error) {
		info, err := b.ResolveBase(ctx, base, baseKey, st)
		return info, p.problem(err)
	}
	s.TrustFiles = trustFiles
	s.Resolve = func(ctx context.Context, query *containerfile.File, st progress.Stage) (diag.List, error) {
		o := o
		o.Stage, o.Project, o.BaseKey = st, p.fsys, baseKey
		return b.Resolve(ctx, query, o)
	}
	s.Build = func(ctx context.Context, f *containerfile.File, st progress.Stage) (image.Image, error) {
		o := o
		o.Stage, o.Project, o.BaseKey = st, p.fsys, baseKey
		return b.Build(ctx, f, o)
	}
}

// publishServices fill in what brings an image to a registry. Without signers
// nothing is signed, attested or verified.
func publishServices(s *pipeline.Services, o registry.Options, signers ...*sign.Signer) {
	s.Preflight = func(ctx context.Context, repository string) error {
		return registry.Preflight(ctx, repository, o)
	}
	s.Push = func(ctx context.Context, img image.Image, repository string, st progress.Stage) (image.Pinned, error) {
		o := o
		o.Progress = st
		return registry.Push(ctx, img, repository, o)
	}
	s.Tag = func(ctx context.Context, p image.Pinned, tag string) error {
		return registry.Tag(ctx, p, tag, o)
	}
	s.Find = func(ctx context.Context, repository, tagOrDigest string) (image.Pinned, error) {
		separator := ":"
		if strings.Contains(tagOrDigest, ":") {
			separator = "@"
		}
		p, err := registry.Resolve(ctx, repository+separator+tagOrDigest, o)
		if e, ok := asError[*registry.Error](err); ok && e.Class == registry.Missing {
			return image.Pinned{}, nil
		}
		return p, err
	}
	s.Config = func(ctx context.Context, p image.Pinned) (_ *imgspecv1.Image, err error) {
		img, closer, err := registry.OpenImage(ctx, p.String(), o, image.LayerOptions{TempDir: o.TempDir})
		if err != nil {
			return nil, err
		}
		defer closing(closer, &err)
		return img.Config(ctx)
	}
	if len(signers) == 0 {
		return
	}
	s.Engine = pipeline.Cosign
	if slices.ContainsFunc(signers, func(s *sign.Signer) bool { return s.PublicKey() != nil }) {
		s.Engine = pipeline.PolicyEngine
	}
	s.Sign = func(ctx context.Context, p image.Pinned) error {
		for _, signer := range signers {
			if err := signer.Sign(ctx, p, o); err != nil {
				return err
			}
		}
		return nil
	}
	s.Attest = func(ctx context.Context, p image.Pinned, predicateType string, predicate []byte) error {
		for _, signer := range signers {
			if err := signer.Attest(ctx, p, predicateType, predicate, o); err != nil {
				return err
			}
		}
		return nil
	}
	s.Verify = func(ctx context.Context, p image.Pinned, attested []string) error {
		for _, signer := range signers {
			author, err := signer.Author(ctx)
			if err != nil {
				return err
			}
			if err := trust.VerifyAuthor(ctx, p, author, o); err != nil {
				return err
			}
			if _, err := sign.Attestations(ctx, p, []sign.Author{author}, attested, o); err != nil {
				return err
			}
		}
		return nil
	}
}

// placeServices fill in what brings an image to a place that is no registry.
// store chooses an image store, as containers-transports(5) has it, and name is
// the image's.
func placeServices(s *pipeline.Services, store, name string) {
	at := func(to, tag string) place.Place {
		transport, path, _ := strings.Cut(to, ":")
		return place.Place{Transport: transport, Path: path, Store: store, Name: tag, Repository: "localhost/" + name}
	}
	s.PlaceReady = func(_ context.Context, to, tag string) error { return at(to, tag).Ready() }
	s.Place = func(ctx context.Context, img image.Image, to, tag string, _ progress.Stage) (image.Pinned, error) {
		return at(to, tag).Write(ctx, img)
	}
}

// reopen opens the image of an earlier run: one of the store by its ID, which
// nobody else can have moved, or an OCI layout.
func reopen(b *build.Builder) func(context.Context, string) (image.Image, error) {
	return func(ctx context.Context, location string) (image.Image, error) {
		if dir, ok := strings.CutPrefix(location, "oci:"); ok {
			return image.OpenLayout(ctx, dir, "", image.LayerOptions{})
		}
		return b.Image(ctx, location[strings.LastIndexAny(location, "@]:")+1:])
	}
}

// trustFiles writes the signature policy that an image gets.
func trustFiles(scope string, keys [][]byte) ([]plan.PolicyFile, error) {
	files, err := trust.Policy{Scope: scope, Keys: keys}.Files("/etc")
	if err != nil {
		return nil, err
	}
	var list []plan.PolicyFile
	for _, f := range files {
		list = append(list, plan.PolicyFile(f))
	}
	return list, nil
}

// checkService runs the rules. openBase opens what an image is made from; it
// may be nil where no image is built.
func checkService(o check.Options, openBase func(context.Context, string) (image.Image, error)) func(context.Context, image.Image, string, []recipe.Repo) (*check.Report, error) {
	return func(ctx context.Context, img image.Image, base string, repos []recipe.Repo) (*check.Report, error) {
		o := o
		o.Repos = repos
		if base != "" {
			o.Base, o.BaseError = openBase(ctx, base)
		}
		return check.Run(ctx, img, o)
	}
}

// chunkServices fill in what cuts an image into layers. cache is the folder of
// earlier layers, "" for none.
func chunkServices(s *pipeline.Services, o registry.Options, cache string) {
	s.Previous = func(ctx context.Context, ref string) (image.Image, io.Closer, error) {
		img, closer, err := registry.OpenImage(ctx, ref, o, image.LayerOptions{TempDir: o.TempDir})
		if e, ok := asError[*registry.Error](err); ok && e.Class == registry.Missing {
			return nil, nil, nil
		}
		return img, closer, err
	}
	s.Holds = func(ctx context.Context, repository string, blobs []digest.Digest) ([]digest.Digest, error) {
		return registry.Held(ctx, repository, blobs, o)
	}
	s.Chunk = func(ctx context.Context, img image.Image, dir string, c chunk.RewriteOptions) (image.Image, *chunk.Report, error) {
		c.Cache, c.CacheLimit = cache, layerCacheLimit
		return chunk.Rewrite(ctx, img, dir, c)
	}
}

// bootServices fill in what boots an image, in folders where those for the
// registry are.
func bootServices(s *pipeline.Services, o registry.Options) {
	s.BootReady = func(context.Context) error {
		model, err := qemu.ModelFor("")
		if err != nil {
			return err
		}
		_, err = model.Program()
		return err
	}
	s.Boot = func(ctx context.Context, img image.Image, b boot.Options) (*boot.Result, error) {
		dir, remove, err := o.WorkDir()
		if err != nil {
			return nil, err
		}
		defer remove()
		b.Dir, b.Reference = dir, storeName(img)
		return boot.Boot(ctx, img, b)
	}
}

// loadSigners returns those that the recipe asks for: the one with a key first,
// which machines accept. A key that cannot be used for a reason that the recipe
// can mend is a problem of the recipe.
func (p *project) loadSigners(ctx context.Context, e *env) (signers []*sign.Signer, err error) {
	key := p.recipe.Sign.Key
	if key.IsSet() {
		ref := key.Value
		if !strings.Contains(ref, "://") && !filepath.IsAbs(ref) {
			ref = filepath.Join(p.dir, filepath.FromSlash(key.Name()))
		}
		signer, err := sign.LoadKey(ctx, ref, e.keyPassword)
		if ke, ok := asError[*sign.KeyError](err); ok && ke.Reason != sign.KeyPassword && !strings.HasPrefix(ref, "env://") {
			return nil, p.problem((diag.List{{
				Pos: key.Pos, Path: "sign.key", Code: "unusable-key", Message: ke.Error(), Hint: ke.Hint,
			}}).Err())
		}
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	if p.recipe.Sign.Keyless.Value == "true" {
		signer, err := e.keylessSigner(ctx, len(signers) > 0)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// secrets reads the values of the secrets that some step takes, all missing
// ones being reported at once.
func (p *project) secrets(e *env) (map[string][]byte, error) {
	values := map[string][]byte{}
	var problems diag.List
	// The certificates for RHEL are for the steps that install.
	used := map[string]bool{plan.EntitlementSecret: true}
	for _, run := range p.recipe.Run {
		for _, s := range run.Secrets {
			used[s.ID.Value] = true
		}
	}
	for _, s := range p.recipe.Secrets {
		if !used[s.ID.Value] {
			continue
		}
		if s.Env.IsSet() {
			v, ok := e.lookup(s.Env.Value)
			if !ok {
				problems.Add(diag.Diagnostic{
					Pos: s.Env.Pos, Code: "unset-variable",
					Message: fmt.Sprintf("secret %q: the environment variable %s is not set", s.ID.Value, s.Env.Value),
					Hint:    "set it for this command; under sudo, with sudo --preserve-env=" + s.Env.Value,
				})
				continue
			}
			values[s.ID.Value] = []byte(v)
			continue
		}
		file := s.File.Value
		if !filepath.IsAbs(file) {
			file = filepath.Join(p.dir, filepath.FromSlash(s.File.Name()))
		}
		b, err := readSecret(file)
		if err != nil {
			problems.Add(diag.Diagnostic{
				Pos: s.File.Pos, Code: "missing-file",
				Message: fmt.Sprintf("secret %q: reading %q: %v", s.ID.Value, file, errors.Unwrap(err)),
			})
			continue
		}
		values[s.ID.Value] = b
	}
	return values, p.problem(problems.Err())
}

// baseKey reads base.verify's key, nil where the recipe has none.
func (p *project) baseKey() ([]byte, error) {
	key := p.recipe.Base.VerifyKey
	if !key.IsSet() {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(key.Name())))
	if err != nil {
		return nil, fmt.Errorf("reading the base's key: %w", err)
	}
	if err := trust.CheckKey(b); err != nil {
		return nil, p.problem(diag.List{{
			Pos: key.Pos, Path: "base.verify.key", Code: "unusable-key",
			Message: fmt.Sprintf("reading the base's key %q: %v", key.Value, err),
			Hint:    "name the file with the public key (PEM) that the base's publisher gives out",
		}}.Err())
	}
	return b, nil
}

// closing closes c at the end of a function, and makes a failure its error.
func closing(c io.Closer, err *error) { *err = errors.Join(*err, c.Close()) }
