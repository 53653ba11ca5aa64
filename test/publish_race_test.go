//go:build e2e

package test

import (
	"net/http"
	"slices"
	"testing"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// testBesideAnother has somebody else write the tag: before the run, between its
// look and its own writing, and right after that.
func (x *transaction) testBesideAnother(t *testing.T) {
	var repository string
	// theirs is the image of somebody else, of the far future, in the repository.
	theirs := func() digest.Digest {
		t.Helper()
		p, err := registry.Push(t.Context(), smallLayout(t, "amd64", "2099-01-01"), x.Host+"/"+repository, x.options(t))
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest
	}
	publish := func(d digest.Digest) {
		x.registry.putManifest(t, repository, "latest", x.registry.manifest(t, repository, d.String()))
	}
	names := func(tag string) digest.Digest { return digest.FromBytes(x.registry.named(t, repository, tag)) }

	x.Mend()
	repository = x.aim(t)
	publish(theirs())
	newer := names("latest")
	bootkiln(t, x.publishing("--resume", "--if-newer")...).want(t, 0, "latest stays as it is", "2099-01-01")
	done := x.result(t).Published[0]
	if names("latest") != newer || names("12") != done.Digest || !slices.Equal(done.Kept, []string{"latest"}) || !slices.Equal(done.Tags, []string{"12"}) {
		t.Errorf("latest is %s, 12 is %s: %+v", names("latest"), names("12"), done)
	}
	bootkiln(t, x.publishing("--resume")...).want(t, 0)
	if names("latest") != done.Digest {
		t.Errorf("latest is %s", names("latest"))
	}

	repository = x.aim(t)
	x.Mend()
	other := theirs()
	x.Fail(t, faultproxy.Fault{
		Method: http.MethodPut, Path: "/v2/" + repository + `/manifests/sha256-[0-9a-f]+\.att$`,
		Change: func(*http.Request) { publish(other) },
	})
	bootkiln(t, x.publishing("--resume")...).want(t, 0, "somebody else published", "it named nothing, and names "+other.String()+" now")
	if names("latest") != done.Digest {
		t.Errorf("latest is %s", names("latest"))
	}

	repository = x.aim(t)
	x.Mend()
	other = theirs()
	x.Fail(t, faultproxy.Fault{
		Method: http.MethodPut, Path: "/v2/" + repository + "/manifests/latest$", Read: -1, Status: http.StatusCreated,
		Then: func() { publish(other) },
	})
	bootkiln(t, x.publishing("--resume")...).want(t, 5, "it names "+other.String()+" now, and not "+done.Digest.String(), "did another publish")
	if names("latest") != other {
		t.Errorf("latest is %s: it was written once more", names("latest"))
	}
}
