package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
)

// Retention says which images of a repository stay. An image that one of the
// rules keeps stays with all its tags, the images of an index with it.
type Retention struct {
	// KeepLast is how many of the newest images stay, however many tags each has;
	// 0 is no rule.
	KeepLast int
	// KeepSince keeps what was made then or later; zero is no rule.
	KeepSince time.Time
	// Keep are patterns of tags, as path.Match has them, whose images stay.
	Keep []string
}

// Deletion is a manifest that goes.
type Deletion struct {
	Digest digest.Digest `json:"digest"`
	// Tags are those that go with it.
	Tags []string `json:"tags,omitempty"`
	// What it is: "image", "index", "image of an index", "attachment".
	What string `json:"what"`
	// Of is the image that an attachment is beside, or the index that an image is
	// of.
	Of digest.Digest `json:"of,omitempty"`
	// Created is when an image was made, zero for all else.
	Created time.Time `json:"created,omitzero"`
}

// Kept is an image that stays.
type Kept struct {
	Digest  digest.Digest `json:"digest"`
	Tags    []string      `json:"tags"`
	Created time.Time     `json:"created,omitzero"`
	// Why is which rule keeps it, in words.
	Why string `json:"why"`
}

// PrunePlan is what goes, in the order in which it does, and what stays.
type PrunePlan struct {
	Deletions []Deletion `json:"deletions"`
	Kept      []Kept     `json:"kept"`
}

// PlanPrune looks at a repository and says what goes and what stays. Manifests
// that no tag and no index names are not seen, and stay: one may be of a publish
// that is under way. Failures of the registry are an [*Error].
func PlanPrune(ctx context.Context, repository string, r Retention, o Options) (*PrunePlan, error) {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	list, err := s.tags(ctx, TagOptions{Attachments: true, Details: true})
	if err != nil {
		return nil, err
	}
	// What an earlier prune left: attachments of what is gone.
	orphans := map[digest.Digest]bool{}
	for _, of := range r.unseen(list) {
		there, err := s.has(ctx, "manifests/"+of.String())
		if err != nil {
			return nil, err
		}
		orphans[of] = !there
	}
	return r.plan(list, orphans)
}

// unseen are the images of attachments that no tag and no index names.
func (r Retention) unseen(list []Tagged) (of []digest.Digest) {
	named := map[digest.Digest]bool{}
	for _, t := range list {
		named[t.Digest] = true
		if t.Details != nil {
			for _, d := range t.Images {
				named[d] = true
			}
		}
	}
	for _, t := range list {
		if t.Of != "" && !named[t.Of] && !slices.Contains(of, t.Of) {
			of = append(of, t.Of)
		}
	}
	return of
}

// tagged is an image and all its tags.
type tagged struct {
	digest digest.Digest
	tags   []string
	*Details
	why string
}

// plan decides. orphans are images that are gone, of which attachments are left.
func (r Retention) plan(list []Tagged, orphans map[digest.Digest]bool) (*PrunePlan, error) {
	images := imagesOf(list)
	if err := r.decide(images); err != nil {
		return nil, err
	}
	plan := &PrunePlan{Deletions: []Deletion{}, Kept: []Kept{}}
	stays := map[digest.Digest]bool{}
	for _, i := range images {
		if i.why == "" {
			continue
		}
		plan.Kept = append(plan.Kept, Kept{i.digest, i.tags, i.Created, i.why})
		stays[i.digest] = true
		for _, d := range i.Images {
			stays[d] = true
		}
	}
	beside := map[digest.Digest][]Tagged{}
	for _, t := range list {
		switch {
		case t.Of == "":
		case stays[t.Of]:
			stays[t.Digest] = true
		default:
			beside[t.Of] = append(beside[t.Of], t)
		}
	}
	gone := map[digest.Digest]bool{}
	remove := func(d Deletion) {
		if !stays[d.Digest] && !gone[d.Digest] {
			gone[d.Digest] = true
			plan.Deletions = append(plan.Deletions, d)
		}
	}
	attachments := func(of digest.Digest) {
		for _, t := range beside[of] {
			remove(Deletion{Digest: t.Digest, Tags: []string{t.Tag}, What: "attachment", Of: of})
		}
	}
	for _, i := range images {
		if i.why != "" {
			continue
		}
		what := "image"
		if len(i.Images) > 0 {
			what = "index"
		}
		remove(Deletion{Digest: i.digest, Tags: i.tags, What: what, Created: i.Created})
		attachments(i.digest)
		for _, d := range i.Images {
			if !stays[d] {
				remove(Deletion{Digest: d, What: "image of an index", Of: i.digest})
				attachments(d)
			}
		}
	}
	for _, t := range list {
		if orphans[t.Of] {
			attachments(t.Of)
		}
	}
	return plan, nil
}

// imagesOf groups the tags by image, the newest first.
func imagesOf(list []Tagged) []*tagged {
	var images []*tagged
	at := map[digest.Digest]*tagged{}
	for _, t := range list {
		if t.Of != "" {
			continue
		}
		i := at[t.Digest]
		if i == nil {
			i = &tagged{digest: t.Digest, Details: t.Details}
			at[t.Digest] = i
			images = append(images, i)
		}
		i.tags = append(i.tags, t.Tag)
	}
	slices.SortStableFunc(images, func(a, b *tagged) int {
		// Tags of equally old images often have a date.
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.tags[0], a.tags[0]))
	})
	return images
}

// decide says why each image stays that does.
func (r Retention) decide(images []*tagged) error {
	if r.KeepLast <= 0 && r.KeepSince.IsZero() && len(r.Keep) == 0 {
		return errors.New("pruning: no rule keeps anything")
	}
	newest := 0
	for _, i := range images {
		for _, tag := range i.tags {
			for _, pattern := range r.Keep {
				ok, err := path.Match(pattern, tag)
				if err != nil {
					return fmt.Errorf("reading the pattern %q: %w", pattern, err)
				}
				if ok && i.why == "" {
					i.why = fmt.Sprintf("the tag %q is of the pattern %q", tag, pattern)
				}
			}
		}
		if i.Created.IsZero() {
			if i.why == "" {
				i.why = "it does not say when it was made"
			}
			continue
		}
		if newest++; newest <= r.KeepLast && i.why == "" {
			i.why = fmt.Sprintf("one of the last %d", r.KeepLast)
		}
		if !r.KeepSince.IsZero() && !i.Created.Before(r.KeepSince) && i.why == "" {
			i.why = "made since " + r.KeepSince.UTC().Format("2006-01-02")
		}
	}
	// The images of an index may have tags of their own.
	for _, index := range images {
		for _, d := range index.Images {
			k := slices.IndexFunc(images, func(i *tagged) bool { return i.digest == d })
			if index.why != "" && k >= 0 && images[k].why == "" {
				images[k].why = "an image of " + strings.Join(index.tags, ", ") + ", which stays"
			}
		}
	}
	return nil
}
