package chunk

import (
	"bytes"
	"fmt"
	"strings"
)

// compare finds the units that changed. What packages brought changes with their
// versions, and most of the rest in size. Files of the same size are read where it
// matters: of a database or a cache that a build makes anew no version tells; and
// a layer that is kept for most of what is in it has to be right in that.
func (a *assigner) compare(units []unit, previous *Plan) error {
	if previous == nil {
		return nil
	}
	place := map[string]*unit{}
	for i := range units {
		units[i].changed = true
		place[units[i].group.Name] = &units[i]
	}
	for _, l := range previous.Layers {
		for j := range l.Groups {
			g := &l.Groups[j]
			u := place[g.Name]
			if u == nil || u.group.version != g.version {
				continue
			}
			u.changed = false
			if strings.HasPrefix(g.Name, ":") || strings.HasPrefix(g.Name, "/") {
				if err := a.read(u, g); err != nil {
					return err
				}
			}
		}
	}
	for at := range previous.Layers {
		l := &previous.Layers[at]
		if all, _ := l.unchanged(place); all == len(l.Groups) && l.Dead == 0 || !a.mayStay(l) {
			continue
		}
		for j := range l.Groups {
			g := &l.Groups[j]
			if u := place[g.Name]; u != nil && !u.changed {
				if err := a.read(u, g); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read compares the content of a unit with what the writer noted of it.
func (a *assigner) read(u *unit, g *Group) error {
	if a.in.GroupSum == nil || len(g.Sum) == 0 {
		return nil
	}
	sum, err := a.in.GroupSum(u.group)
	if err != nil {
		return fmt.Errorf("comparing %s with the previous image: %w", g.Name, err)
	}
	u.changed = !bytes.Equal(sum, g.Sum)
	return nil
}

// mayStay says that a layer of the previous plan may be kept although it has
// files that changed or are gone.
func (a *assigner) mayStay(l *Layer) bool {
	return a.options.Stale != nil && l.DiffID != "" && a.options.Stale(l.DiffID)
}

// unchanged returns how many groups of a layer of the previous plan are as they
// were, and which part of its bytes they are.
func (l *Layer) unchanged(units map[string]*unit) (groups int, part float64) {
	all, live := 0., 0.
	for i := range l.Groups {
		g := &l.Groups[i]
		all += float64(g.Estimate)
		if u := units[g.Name]; u != nil && !u.changed {
			groups++
			live += float64(g.Estimate)
		}
	}
	return groups, live / max(all, 1)
}
