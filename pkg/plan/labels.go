package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// cleanup plans the last change to the file system, where anything ran that
// can have left something behind.
func (p *planner) cleanup() {
	ran := func(i Instruction) bool { return i.Run != nil }
	if !slices.ContainsFunc(p.plan.Steps, func(s Step) bool { return slices.ContainsFunc(s.Instructions, ran) }) {
		return
	}
	p.step(KindCleanup, "Clean up", []diag.Pos{p.plan.Origin},
		p.run([]Command{scriptCommand("cleanup.sh", nil)}, p.script("cleanup.sh")))
}

// labels plans the labels of the image: what bootc asks for, what the recipe
// is (in the words of the OCI image specification), and the word "labels",
// which wins.
func (p *planner) labels() {
	pairs := map[string]LabelPair{}
	set := func(key, value string, origin diag.Pos) {
		if value != "" {
			pairs[key] = LabelPair{Key: key, Value: value, Origin: origin}
		}
	}
	base := p.r.Base.Image.Pos
	set("containers.bootc", "1", base)
	set("org.opencontainers.image.title", p.r.Name.Value, p.r.Name.Pos)
	set("org.opencontainers.image.description", p.r.Description.Value, p.r.Description.Pos)
	if transport, _, found := strings.Cut(p.plan.Base.Image, ":"); !found || !slices.Contains(transports, transport) {
		set("org.opencontainers.image.base.name", strings.TrimPrefix(p.plan.Base.Image, "docker://"), base)
		set("org.opencontainers.image.base.digest", p.plan.Base.Digest, base)
	}
	if !p.o.Epoch.IsZero() {
		set("org.opencontainers.image.created", p.o.Epoch.UTC().Format(time.RFC3339), p.plan.Origin)
	}
	for _, l := range p.r.Labels {
		pairs[l.Key.Value] = LabelPair{Key: l.Key.Value, Value: l.Value.Value, Origin: firstValid(l.Key.Pos, l.Value.Pos)}
	}
	sorted := slices.SortedFunc(maps.Values(pairs), func(a, b LabelPair) int { return cmp.Compare(a.Key, b.Key) })
	var origin []diag.Pos
	for _, pair := range sorted {
		if !slices.Contains(origin, pair.Origin) {
			origin = append(origin, pair.Origin)
		}
	}
	p.step(KindLabels, "Labels", origin, Instruction{Label: &Label{Pairs: sorted}})
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
