package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/place"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/trust"
)

// localTransports are those of images that are in no registry.
var localTransports = []string{"oci", "oci-archive", "docker-archive", "containers-storage", "dir"}

// isLocal reports whether a reference is to what is in no registry.
func isLocal(ref string) bool {
	transport, _, ok := strings.Cut(ref, ":")
	return ok && slices.Contains(localTransports, transport)
}

// toPlace copies to what is no registry: a folder, a file, or the image store.
func (o *copyOptions) toPlace(ctx context.Context) error {
	if len(o.tags) > 0 || o.allTags || len(o.match) > 0 || o.signing.given() || o.private {
		return hinted(&usageError{fmt.Errorf("%q is in no registry: nothing is tagged or signed there", o.target)},
			"leave out --tag, --all-tags, --match, --sign-by, --keyless and --private; --key verifies what is copied")
	}
	to, err := o.place()
	if err != nil {
		return err
	}
	access, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	from, err := o.sourceOptions(access)
	if err != nil {
		return err
	}
	if err := to.Ready(); err != nil {
		return err
	}
	c := &copying{copyOptions: o, from: from, reporter: o.env.progress(o.globals)}
	if o.key != "" {
		if c.public, err = readPublicKey(o.key); err != nil {
			return hinted(err, "name the file with the public half, cosign.pub")
		}
	}
	var done *copied
	if isLocal(o.source) {
		done, err = c.fromHere(ctx, to)
	} else {
		done, err = c.download(ctx, to)
	}
	if err != nil {
		return err
	}
	if o.format.value == formatJSON {
		return o.env.writeJSON([]*copied{done})
	}
	return o.env.printf("%s\n", done.Pinned)
}

// place reads TARGET. Without a name behind the path, the image is called there
// what it is called in SOURCE.
func (o *copyOptions) place() (place.Place, error) {
	transport, rest, _ := strings.Cut(o.target, ":")
	repository, tag := "localhost/image", "latest"
	if !isLocal(o.source) {
		name := strings.TrimPrefix(o.source, "docker://")
		full, _, err := splitReference(name)
		if err != nil {
			return place.Place{}, err
		}
		repository = full
		if t := tagOf(name); t != "" {
			tag = t
		}
	}
	path, name, named := strings.Cut(rest, ":")
	if transport == "containers-storage" {
		full, digest, err := splitReference(rest)
		if err != nil {
			return place.Place{}, err
		}
		if digest != "" {
			return place.Place{}, &usageError{errors.New("the digest of a copy follows from the image: give NAME, or NAME:TAG")}
		}
		path, name = full, tagOf(rest)
		named = name != ""
	}
	switch {
	case transport == "dir":
		return place.Place{}, hinted(&usageError{fmt.Errorf("%q: nothing reads such a folder but skopeo", o.target)}, "copy to oci:"+path)
	case path == "" || named && name == "":
		return place.Place{}, hinted(&usageError{fmt.Errorf("%q names no place", o.target)}, "as in oci:FOLDER, oci-archive:FILE, docker-archive:FILE or containers-storage:NAME")
	case named && transport == "docker-archive":
		full, _, err := splitReference(name)
		if err != nil {
			return place.Place{}, err
		}
		repository = full
		if t := tagOf(name); t != "" {
			tag = t
		}
	case named:
		tag = name
	}
	return place.Place{Transport: transport, Path: path, Store: o.store.prefix(), Name: tag, Repository: repository}, nil
}

// download copies from a registry, once what is there is accepted. Of an index,
// the image for this machine is taken.
func (c *copying) download(ctx context.Context, to place.Place) (*copied, error) {
	pinned, err := registry.Resolve(ctx, strings.TrimPrefix(c.source, "docker://"), c.from)
	if err != nil {
		return nil, err
	}
	if c.public != nil {
		if err := c.verifySource(ctx, pinned); err != nil {
			return nil, err
		}
	}
	reader, err := c.from.Reader(ctx, pinned.Repository)
	if err != nil {
		return nil, err
	}
	img, closer, err := openImage(ctx, "docker://"+pinned.String(), c.store.options(c.env, nil), c.from, nil)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	to.Source = reader.SystemContext()
	done := &copied{From: pinned.String(), Verified: c.public != nil, Tags: []string{}}
	return done, c.stage("copy", func(st progress.Stage) error {
		return reader.Do(ctx, "copying from", func(ctx context.Context) error { return done.write(ctx, img, to, st) })
	})
}

// fromHere copies what is on this machine.
func (c *copying) fromHere(ctx context.Context, to place.Place) (*copied, error) {
	if c.public != nil {
		return nil, &usageError{fmt.Errorf("%q carries no signature that --key could ask for", c.source)}
	}
	img, closer, err := openImage(ctx, c.source, c.store.options(c.env, nil), c.from, nil)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	done := &copied{From: img.Location(), Tags: []string{}}
	return done, c.stage("copy", func(st progress.Stage) error { return done.write(ctx, img, to, st) })
}

// write writes the image to the place.
func (d *copied) write(ctx context.Context, img image.Image, to place.Place, st progress.Stage) error {
	pinned, err := to.Write(ctx, img)
	if err != nil {
		return err
	}
	d.Copied = &registry.Copied{Pinned: pinned, Attachments: []string{}}
	st.Infof("%s", to)
	return nil
}

// verifySource asks whether what is copied is signed with --key.
func (c *copying) verifySource(ctx context.Context, p image.Pinned) error {
	return c.stage("verify", func(st progress.Stage) error {
		err := trust.Verify(ctx, p, trust.Options{Policy: trust.Policy{Scope: p.Repository, Keys: [][]byte{c.public}}, Registry: c.from})
		if err == nil {
			st.Infof("the containers policy engine accepts %s", p)
		}
		return err
	})
}
