//go:build e2e

package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/test/faultproxy"
)

// testFirst goes to a repository that is not there yet, of registries that
// do not show one that this is so: Docker Hub and GHCR answer as if the login had
// no right. The right to write is proved by then.
func (x *transaction) testFirst(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			repository := x.aim(t)
			x.Mend()
			x.Fail(t, faultproxy.Fault{Method: http.MethodGet, Path: "/v2/" + repository + "/manifests/(12|latest)$", Status: status})
			bootkiln(t, x.publishing("--resume")...).want(t, 0, "preflight: done")
			if tags := x.whole(t, repository); len(tags) != 2 {
				t.Errorf("tags %v", tags)
			}
		})
	}
}

// testWithoutTags has the tags written by a later run.
func (x *transaction) testWithoutTags(t *testing.T) {
	x.Mend()
	repository := x.aim(t)
	stop := x.watch(t, repository)
	o := bootkiln(t, x.publishing("--resume", "--no-tags")...)
	o.want(t, 0)
	stop()
	done := x.result(t).Published[0]
	if tags := x.whole(t, repository); len(tags) != 0 || len(done.Tags) != 0 || !done.Signed || !done.Verified || len(done.Attested) != 2 {
		t.Errorf("tags %v: %+v", tags, done)
	}
	if strings.Contains(o.stdout, "bootc switch") || !strings.Contains(o.stdout, done.Digest.String()) {
		t.Errorf("it prints:\n%s", o.stdout)
	}
	verify := []string{"verify", "--attestations", "--key", x.keys.public, "--cert-dir", x.ca.dir, "--creds", registryUser + ":" + registryPassword}
	bootkiln(t, append(verify, done.Repository+"@"+done.Digest.String())...).want(t, 0)

	// The tags can come later, and nothing else does.
	x.Forget()
	bootkiln(t, x.publishing("--resume")...).want(t, 0, "is there already")
	if tags := x.whole(t, repository); len(tags) != 2 || tags["latest"] != done.Digest {
		t.Errorf("tags %v, want them to name %s", tags, done.Digest)
	}
	var written []string
	for _, r := range x.Requests() {
		if r.Method == http.MethodPut {
			written = append(written, r.Path[strings.LastIndex(r.Path, "/")+1:])
		}
	}
	if !slices.Equal(written, []string{"12", "latest"}) || x.sentTo(repository) != 0 {
		t.Errorf("written were %q", written)
	}
}
