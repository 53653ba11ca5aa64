package registry_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// deletions are what goes, in order, as "image 12345678".
func deletions(plan *registry.PrunePlan) (list []string) {
	for _, d := range plan.Deletions {
		list = append(list, d.What+" "+short(d.Digest))
	}
	return list
}

func short(d digest.Digest) string { return d.Encoded()[:8] }

func TestPrune(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token})
	on := func(day, platform string, tags ...string) image.Pinned {
		return pushed(t, r, "me/os", config(platform, day+"T00:00:00Z"), day+platform, tags...)
	}
	// The oldest image has a tag that stays beside one that would go.
	oldest := on("2026-01-01", "linux/amd64", "20260101", "stable")
	old := on("2026-01-02", "linux/amd64", "20260102")
	oldSig := attached(t, r, old, ".sig", "by one")
	shared, armOld := on("2026-01-03", "linux/amd64"), on("2026-01-03", "linux/arm64")
	oldIndex := newIndex(t, r, "me/os", "20260103", shared, armOld)
	armSig := attached(t, r, armOld, ".sig", "arm")
	sharedSig := attached(t, r, shared, ".sig", "shared")
	// The same image is in an index that stays.
	armNew := on("2026-01-04", "linux/arm64")
	newer := newIndex(t, r, "me/os", "latest", shared, armNew)
	on("1970-01-01", "linux/amd64", "ageless")
	orphan := attached(t, r, image.Pinned{Repository: r.Host + "/me/os", Digest: digest.FromString("gone")}, ".sig", "left")
	// This one is being published by somebody: it has no tag yet.
	fresh := on("2026-01-05", "linux/amd64")
	freshSig := attached(t, r, fresh, ".sig", "fresh")

	o := options(t, r)
	rules := registry.Retention{KeepLast: 1, Keep: []string{"stab*"}}
	plan, err := registry.PlanPrune(t.Context(), r.Host+"/me/os", rules, o)
	if err != nil {
		t.Fatal(err)
	}
	of := func(tag string) string { raw, _ := r.Manifest("me/os", tag); return short(digest.FromBytes(raw)) }
	want := []string{
		"index " + short(oldIndex.Digest), "image of an index " + short(armOld.Digest), "attachment " + of(armSig),
		"image " + short(old.Digest), "attachment " + of(oldSig), "attachment " + of(orphan),
	}
	if got := deletions(plan); !slices.Equal(got, want) {
		t.Errorf("goes %q\nwant %q", got, want)
	}
	why := map[string]string{}
	for _, k := range plan.Kept {
		why[strings.Join(k.Tags, ",")] = k.Why
	}
	for tags, says := range map[string]string{"latest": "one of the last 1", "20260101,stable": "of the pattern", "ageless": "does not say when"} {
		if !strings.Contains(why[tags], says) {
			t.Errorf("%s stays because %q, want %q", tags, why[tags], says)
		}
	}

	r.Forget()
	var done []registry.Deletion
	if err := registry.Prune(t.Context(), r.Host+"/me/os", plan, func(d registry.Deletion) { done = append(done, d) }, o); err != nil {
		t.Fatal(err)
	}
	if len(done) != len(want) {
		t.Errorf("%d of %d were told", len(done), len(want))
	}
	for _, p := range []image.Pinned{oldest, shared, armNew, newer, fresh} {
		if raw, _ := r.Manifest("me/os", p.Digest.String()); raw == nil {
			t.Errorf("%s is gone", p.Digest)
		}
	}
	for _, tag := range []string{sharedSig, freshSig, "latest", "stable", "20260101"} {
		if raw, _ := r.Manifest("me/os", tag); raw == nil {
			t.Errorf("%s is gone", tag)
		}
	}
	if raw, _ := r.Manifest("me/os", old.Digest.String()); raw != nil {
		t.Error("the old image is there")
	}
	var order []string
	for _, req := range r.Requests() {
		if req.Method == http.MethodDelete && strings.Contains(req.Path, "/manifests/") {
			order = append(order, req.Path[strings.LastIndex(req.Path, ":")+1:][:8])
		}
	}
	for i, w := range want {
		if i >= len(order) || !strings.HasSuffix(w, order[i]) {
			t.Fatalf("deleted in the order %q, want %q", order, want)
		}
	}
}

func TestPlanPruneByAge(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	pushed(t, r, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), "1", "a")
	pushed(t, r, "me/os", config("linux/amd64", "2026-02-01T00:00:00Z"), "2", "b")
	since := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	plan, err := registry.PlanPrune(t.Context(), r.Host+"/me/os", registry.Retention{KeepSince: since}, options(t, r))
	if err != nil || len(plan.Deletions) != 1 || plan.Deletions[0].Tags[0] != "a" || plan.Kept[0].Why != "made since 2026-01-15" {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err := registry.PlanPrune(t.Context(), r.Host+"/me/os", registry.Retention{}, options(t, r)); err == nil {
		t.Error("without a rule everything would go")
	}
}

func TestPruneWhereNothingIsDeleted(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	old := pushed(t, r, "me/os", config("linux/amd64", "2026-01-01T00:00:00Z"), "1", "a")
	r.Fail(t, testregistry.Fault{
		Method: http.MethodDelete, Path: "/manifests/", Status: http.StatusMethodNotAllowed,
		Body: testregistry.ErrorBody("UNSUPPORTED", "The operation is unsupported."),
	})
	plan := &registry.PrunePlan{Deletions: []registry.Deletion{{Digest: old.Digest, What: "image"}}}
	err := registry.Prune(t.Context(), r.Host+"/me/os", plan, func(registry.Deletion) { t.Error("told of a deletion") }, options(t, r))
	wantError(t, err, registry.Rejected, "deleting", "REGISTRY_STORAGE_DELETE_ENABLED=true")
}
