package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

type copyOptions struct {
	env            *env
	globals        *globals
	source, target string
	targetFlags
	allTags     bool
	match       []string
	key         string
	sourceCreds string
	registry    registryFlags
	store       storeFlags
	format      formatFlag
}

func newCopyCmd(e *env, g *globals) *cobra.Command {
	o := &copyOptions{env: e, globals: g}
	cmd := &cobra.Command{
		Use:   "copy SOURCE TARGET",
		Short: "Copy an image from one registry to another, with signatures and attestations",
		Long: `Brings the image that SOURCE names in a registry to the repository TARGET, byte for
byte: by digest first, all images of an index with it, then the signatures and
attestations of each, and only then the tags: that of TARGET, or else that of
SOURCE, and each --tag. What TARGET has is not sent again, and its signatures
stay; a copy that broke off goes on where it was when it is run again.

Signatures name the repository that they were made for. A client that asks for
signatures of its own repository's name, as the policies that bootkiln writes do,
does not accept those of SOURCE in TARGET: sign what was copied with --sign-by, or
have the clients' policies ask for the old name:
  "signedIdentity": {"type": "exactRepository", "dockerRepository": "SOURCE"}

With --key, SOURCE has to be signed with that key, or nothing is copied. With
--sign-by or --keyless, what was copied is signed for its new name. Either way it is
accepted by the containers policy engine, or without a key by cosign's library,
before it gets a tag. With neither, the image must carry some signature, because no
tag ever names an unsigned image; to copy an image that nobody signed by its digest
alone, name SOURCE by its digest.

TARGET may be a place that is no registry: oci:FOLDER[:NAME], oci-archive:FILE[:NAME],
docker-archive:FILE[:NAME:TAG] or containers-storage:NAME. It is replaced in one step
by the image alone, of several platforms that of this machine: no signature is kept
there, so verify SOURCE with --key. There, SOURCE may also be on this machine; from
here to a registry, 'bootkiln push' brings it.

The credentials of --creds are for TARGET, and for SOURCE in the same registry.`,
		Example: `  bootkiln copy --sign-by cosign.key docker.io/me/os:latest ghcr.io/me/os
  bootkiln copy --key cosign.pub --all-tags --match '10.*' docker.io/me/os ghcr.io/me/os
  bootkiln copy quay.io/centos-bootc/centos-bootc@sha256:… ghcr.io/me/base
  bootkiln copy --key cosign.pub ghcr.io/me/os:10 oci-archive:os-10.tar`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.source, o.target = args[0], args[1]
			if isLocal(o.target) {
				return o.toPlace(cmd.Context())
			}
			return o.run(cmd.Context())
		},
	}
	fl := cmd.Flags()
	o.targetFlags.register(cmd, "a further `tag`", "TARGET")
	fl.BoolVar(&o.allTags, "all-tags", false, "copy every tag of SOURCE, a repository, to the same tag")
	fl.StringArrayVar(&o.match, "match", nil, "with --all-tags: a `pattern` of the tags to copy, as '10.*'")
	fl.StringVar(&o.key, "key", "", "`file` with the public key that SOURCE must be signed with")
	fl.StringVar(&o.sourceCreds, "source-creds", "", "`USER:PASSWORD` for the registry of SOURCE")
	o.registry.register(cmd)
	o.store.register(cmd)
	o.format.register(cmd, formatText, formatJSON)
	return cmd
}

// copied is what became of one image.
type copied struct {
	*registry.Copied
	// From is what was copied, by digest.
	From string `json:"from"`
	// Signed says that the image, and each of an index, has a signature; Verified
	// that the containers policy engine accepts them, or cosign those without a key.
	Signed   bool     `json:"signed"`
	Verified bool     `json:"verified"`
	Tags     []string `json:"tags"`
	// SignedAs is the old name, where the signatures were accepted under that
	// alone.
	SignedAs string `json:"signedAs,omitempty"`
}

func (o *copyOptions) run(ctx context.Context) error {
	repository, err := o.check()
	if err != nil {
		return err
	}
	to, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	from, err := o.sourceOptions(to)
	if err != nil {
		return err
	}
	c := &copying{copyOptions: o, from: from, to: to, repository: repository, reporter: o.env.progress(o.globals)}
	if o.key != "" {
		if c.public, err = readPublicKey(o.key); err != nil {
			return hinted(err, "name the file with the public half, cosign.pub")
		}
	}
	if c.signers, err = o.signing.signers(ctx, o.env); err != nil {
		return err
	}
	jobs, err := c.jobs(ctx)
	if err != nil {
		return err
	}
	results := []*copied{}
	for _, j := range jobs {
		done, err := c.one(ctx, j)
		if done != nil {
			results = append(results, done)
		}
		if err != nil {
			return err
		}
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON(results)
	}
	for _, done := range results {
		if err := o.env.printf("%s\n", done.Pinned); err != nil {
			return err
		}
	}
	return nil
}

// check finds what is wrong with the command line, and returns the repository
// that is copied to.
func (o *copyOptions) check() (string, error) {
	if isLocal(o.source) {
		return "", hinted(&usageError{fmt.Errorf("%q is in no registry", o.source)}, "bring it to one with 'bootkiln push', which also checks it")
	}
	o.source, o.target = strings.TrimPrefix(o.source, "docker://"), strings.TrimPrefix(o.target, "docker://")
	_, digest, err := splitReference(o.source)
	if err != nil {
		return "", err
	}
	repository, targetDigest, err := splitReference(o.target)
	if err != nil {
		return "", err
	}
	switch {
	case targetDigest != "":
		return "", &usageError{errors.New("the digest of a copy is that of the image: give a repository, or REPOSITORY:TAG")}
	case o.allTags && (digest != "" || tagOf(o.source) != "" || tagOf(o.target) != "" || len(o.tags) > 0):
		return "", &usageError{errors.New("--all-tags takes two repositories, without tags or digests")}
	case len(o.match) > 0 && !o.allTags:
		return "", &usageError{errors.New("--match chooses among the tags of --all-tags")}
	}
	return repository, checkPatterns(o.match)
}

func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return &usageError{fmt.Errorf("reading the pattern %q: %w", p, err)}
		}
	}
	return nil
}

func matches(patterns []string, tag string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, tag)
		return ok
	})
}

// sourceOptions are how SOURCE is reached, where TARGET is reached by to. One
// login is for one registry.
func (o *copyOptions) sourceOptions(to registry.Options) (registry.Options, error) {
	from := to
	if o.sourceCreds != "" {
		user, password, ok := strings.Cut(o.sourceCreds, ":")
		if !ok || user == "" {
			return from, &usageError{errors.New("credentials have the form USER:PASSWORD")}
		}
		from.Credentials = &registry.Credentials{Username: user, Password: password}
	} else if !isLocal(o.target) && registryOf(o.source) != registryOf(o.target) {
		from.Credentials = nil
	}
	return from, nil
}

// copying is a run of the command.
type copying struct {
	*copyOptions
	from, to   registry.Options
	repository string
	public     []byte
	signers    []*sign.Signer
	reporter   progress.Reporter
}

// one copies one image: it is verified where it is, copied by digest, signed and
// verified where it is then, and only then gets its tags.
func (c *copying) one(ctx context.Context, j copyJob) (*copied, error) {
	if err := c.mayGo(ctx, j.from); err != nil {
		return nil, err
	}
	if c.public != nil {
		if err := c.verifySource(ctx, j.from); err != nil {
			return nil, err
		}
	}
	done := &copied{From: j.from.String(), Tags: []string{}}
	err := c.stage("copy", func(st progress.Stage) (err error) {
		from, to := c.from, c.to
		from.Progress, to.Progress = st, st
		if done.Copied, err = registry.Copy(ctx, j.from, c.repository, from, to); err == nil {
			st.Infof("%s", done.Pinned)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := c.trusted(ctx, j, done); err != nil || len(j.tags) == 0 {
		return done, err
	}
	return done, c.stage("tag", func(st progress.Stage) error {
		for _, tag := range j.tags {
			if err := registry.Tag(ctx, done.Pinned, tag, c.to); err != nil {
				return err
			}
			done.Tags = append(done.Tags, tag)
			st.Infof("%s:%s", done.Repository, tag)
		}
		return nil
	})
}

// trusted makes sure that what was copied may have tags.
func (c *copying) trusted(ctx context.Context, j copyJob, done *copied) error {
	policy := trust.Policy{Scope: done.Repository, Keys: [][]byte{c.public}}
	switch {
	case len(c.signers) > 0:
		return c.sign(ctx, done)
	case c.public != nil:
		if done.Repository != j.from.Repository {
			policy.SignedAs, done.SignedAs = j.from.Repository, j.from.Repository
		}
	default:
		unsigned := slices.IndexFunc(done.Everything(), func(p image.Pinned) bool { return !slices.Contains(done.Attachments, signatureTag(p)) })
		done.Signed = unsigned < 0
		if !done.Signed && len(j.tags) > 0 {
			return hinted(&usageError{fmt.Errorf("tag %q would name an unsigned image: %s carries no signature", j.tags[0], done.Everything()[unsigned])},
				"sign what was copied with --sign-by KEY or --keyless, or name SOURCE by its digest, which gets no tag")
		}
		return nil
	}
	done.Signed = true
	return c.stage("verify", func(st progress.Stage) error {
		if err := trust.Verify(ctx, done.Pinned, trust.Options{Policy: policy, Registry: c.to}); err != nil {
			return err
		}
		done.Verified = true
		st.Infof("%s accepts %s", pipeline.PolicyEngine, done.Pinned)
		if policy.SignedAs != "" {
			st.Warnf(`its signatures name %s, so that it accepts them with "signedIdentity": {"type": "exactRepository", "dockerRepository": %q} alone; --sign-by signs the new name`,
				policy.SignedAs, policy.SignedAs)
		}
		return nil
	})
}

// sign signs what was copied for its new name, and verifies that.
func (c *copying) sign(ctx context.Context, done *copied) error {
	var s pipeline.Services
	publishServices(&s, c.to, c.signers...)
	if err := c.stage("sign", func(progress.Stage) error { return s.Sign(ctx, done.Pinned) }); err != nil {
		return err
	}
	done.Signed = true
	return c.stage("verify", func(st progress.Stage) error {
		if err := s.Verify(ctx, done.Pinned, nil); err != nil {
			return err
		}
		done.Verified = true
		st.Infof("%s accepts %s", s.Engine, done.Pinned)
		return nil
	})
}

// signatureTag is where clients look for an image's signatures.
func signatureTag(p image.Pinned) string {
	return strings.Replace(p.Digest.String(), ":", "-", 1) + ".sig"
}

// mayGo refuses an image that its licence keeps from where everyone can pull.
func (c *copying) mayGo(ctx context.Context, p image.Pinned) error {
	if c.private {
		return nil
	}
	list, err := registry.Members(ctx, p, c.from)
	if err != nil {
		return err
	}
	if list == nil {
		list = []image.Pinned{p}
	}
	for _, p := range list {
		config, err := registry.Config(ctx, p, c.from)
		if err != nil {
			return err
		}
		if why := pipeline.RestrictedCopy(p, config, c.repository); why != "" {
			return hinted(&usageError{fmt.Errorf("the image is Red Hat Enterprise Linux (%s), and everyone may be able to pull it from %q", why, c.repository)},
				"its licence forbids to pass it on to the public; give --private where only you and your organization can pull from it")
		}
	}
	return nil
}

func (c *copying) stage(name string, do func(progress.Stage) error) error {
	st := c.reporter.Stage(name)
	err := do(st)
	st.End(err)
	return err
}
