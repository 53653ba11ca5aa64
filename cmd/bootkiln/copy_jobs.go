package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// copyJob is one image and the tags that it gets.
type copyJob struct {
	from image.Pinned
	tags []string
}

// jobs finds out what is copied: each image once, whatever tags it has, and
// "latest" last, so that nobody who follows it gets ahead of the others.
func (c *copying) jobs(ctx context.Context) ([]copyJob, error) {
	if !c.allTags {
		p, err := registry.Resolve(ctx, c.source, c.from)
		if err != nil {
			return nil, err
		}
		tag := tagOf(c.target)
		if tag == "" {
			tag = tagOf(c.source)
		}
		if _, digest, _ := splitReference(c.source); tag == "" && digest == "" {
			tag = "latest" // which a name without a tag means
		}
		tags := slices.Clone(c.tags)
		if tag != "" {
			tags = append(tags, tag)
		}
		return []copyJob{{p, tags}}, nil
	}
	source, _, _ := splitReference(c.source)
	list, err := registry.Tags(ctx, source, registry.TagOptions{}, c.from)
	if err != nil {
		return nil, err
	}
	var jobs []copyJob
	for _, t := range list {
		if len(c.match) > 0 && !matches(c.match, t.Tag) {
			continue
		}
		i := slices.IndexFunc(jobs, func(j copyJob) bool { return j.from.Digest == t.Digest })
		if i < 0 {
			p, err := registry.Resolve(ctx, source+"@"+t.Digest.String(), c.from)
			if err != nil {
				return nil, err
			}
			i, jobs = len(jobs), append(jobs, copyJob{from: p})
		}
		jobs[i].tags = append(jobs[i].tags, t.Tag)
	}
	if len(jobs) == 0 {
		return nil, hinted(&usageError{fmt.Errorf("no tag of %q is to be copied", source)}, "see 'bootkiln tags "+source+"'")
	}
	last := func(tags []string) int {
		if slices.Contains(tags, "latest") {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(jobs, func(a, b copyJob) int { return last(a.tags) - last(b.tags) })
	for _, j := range jobs {
		slices.SortStableFunc(j.tags, func(a, b string) int { return last([]string{a}) - last([]string{b}) })
	}
	return jobs, nil
}
