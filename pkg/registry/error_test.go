package registry_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// wantError checks class, message and hint.
func wantError(t *testing.T, err error, class registry.Class, says, hint string) {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) {
		t.Errorf("%v, want a registry error of class %s", err, class)
		return
	}
	if e.Class != class || !strings.Contains(err.Error(), says) || !strings.Contains(e.Hint, hint) {
		t.Errorf("class %s, want %s\nmessage %q, want %q\nhint %q, want %q", e.Class, class, err, says, e.Hint, hint)
	}
}

// everyWay calls do with each function that talks to a registry.
func everyWay(t *testing.T, repository string, o registry.Options, check func(t *testing.T, err error)) {
	t.Helper()
	p := image.Pinned{Repository: repository, Digest: "sha256:" + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
	for name, do := range map[string]func() error{
		"preflight": func() error { return registry.Preflight(t.Context(), repository, o) },
		"push": func() error {
			_, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), repository, o)
			return err
		},
		"resolve": func() error {
			_, err := registry.Resolve(t.Context(), repository+":latest", o)
			return err
		},
		"tag": func() error { return registry.Tag(t.Context(), p, "latest", o) },
	} {
		t.Run(name, func(t *testing.T) { check(t, do()) })
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testregistry.Auth{"basic": testregistry.Basic, "token": testregistry.Token} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testregistry.New(t, testregistry.Options{Auth: auth})
			o := options(t, r)
			o.AuthFile = r.WriteAuth(t, testregistry.User, "wrong")
			everyWay(t, r.Host+"/me/os", o, func(t *testing.T, err error) {
				wantError(t, err, registry.Unauthorized, "does not accept the login", o.AuthFile)
				wantError(t, err, registry.Unauthorized, r.Host, `"bootkiln login `+r.Host+`"`)
				if strings.Contains(fmt.Sprintf("%+v %#v", err, err), "wrong") {
					t.Errorf("the password is in the error: %+v", err)
				}
			})
			o.AuthFile = r.WriteAuth(t, "", "")
			everyWay(t, r.Host+"/me/os", o, func(t *testing.T, err error) {
				wantError(t, err, registry.Unauthorized, r.Host, "no login was found")
			})
		})
	}
}

func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	o.CertDir = t.TempDir()
	everyWay(t, r.Host+"/me/os", o, func(t *testing.T, err error) {
		wantError(t, err, registry.TLS, "certificate is not trusted", filepath.Join(o.CertDir, "ca.crt"))
		wantError(t, err, registry.TLS, "unknown authority", "Test registry authority")
	})
	o.CertDir = ""
	wantError(t, registry.Preflight(t.Context(), r.Host+"/me/os", o), registry.TLS, "", "/etc/containers/certs.d/"+r.Host+"/ca.crt")
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests went over a connection that is not trusted", n)
	}

	// CertDir holds the files themselves.
	o.CertDir = filepath.Join(r.WriteCerts(t), r.Host)
	if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
		t.Error(err)
	}
	o.CertDir, o.Insecure = "", true
	if _, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), r.Host+"/me/os", o); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{PlainHTTP: true, Auth: testregistry.Basic})
	o := options(t, r)
	everyWay(t, r.Host+"/me/os", o, func(t *testing.T, err error) {
		wantError(t, err, registry.PlainHTTP, "speaks plain HTTP", `location = "`+r.Host+`"`)
	})
	// Not even for an address that looks local: the login would be readable.
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests were made by plain HTTP: %v", n, r.Requests())
	}

	write := func(text string) {
		if err := os.WriteFile(o.RegistriesConf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.RegistriesConf = filepath.Join(t.TempDir(), "insecure.conf")
	write(fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", r.Host))
	p, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), r.Host+"/me/os", o)
	if err != nil {
		t.Fatalf("as the hint says: %v", err)
	}
	if err := registry.Tag(t.Context(), p, "latest", o); err != nil {
		t.Error(err)
	}

	o.RegistriesConf = filepath.Join(t.TempDir(), "blocked.conf")
	write(fmt.Sprintf("[[registry]]\nlocation = %q\nblocked = true\n", r.Host))
	wantError(t, registry.Preflight(t.Context(), r.Host+"/me/os", o), registry.Blocked, "blocks this registry", "blocked = true")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close() // nothing listens there now
	r := testregistry.New(t, testregistry.Options{})
	everyWay(t, host+"/me/os", options(t, r), func(t *testing.T, err error) {
		wantError(t, err, registry.Unreachable, "cannot be reached", host)
	})
}

func TestInvalidName(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	everyWay(t, r.Host+"/Me/OS", o, func(t *testing.T, err error) {
		wantError(t, err, registry.InvalidName, "no name that a registry accepts", `did you mean "`+r.Host+"/me/os")
	})
	wantError(t, registry.Preflight(t.Context(), r.Host+"/me/os:latest", o), registry.InvalidName, "tag", "the repository alone")
	wantError(t, registry.Preflight(t.Context(), "https://"+r.Host+"/me", o), registry.InvalidName, "", "")
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests for names that cannot be", n)
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Token, ReadOnly: []string{"you/os"}})
	o := options(t, r)
	if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	if n, left := r.Count("POST", "/blobs/uploads/"), r.OpenUploads(); n != 1 || len(left) != 0 {
		t.Errorf("%d uploads begun, left open: %q", n, left)
	}
	wantError(t, registry.Preflight(t.Context(), r.Host+"/you/os", o), registry.Denied, "no right", "push to "+r.Host+"/you/os")

	// A registry that cannot cancel is no reason to stop.
	r.Fail(t, testregistry.Fault{Method: "DELETE", Status: 405, Body: testregistry.ErrorBody("UNSUPPORTED", "The operation is unsupported.")})
	if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
		t.Error(err)
	}
}

// TestVendorTexts has the registry answer what real ones do: through
// go-containerregistry at the first request for an upload, and through
// containers/image in the middle of one. "" is a class that cannot come there.
func TestVendorTexts(t *testing.T) {
	t.Parallel()
	body := testregistry.ErrorBody
	for name, tt := range map[string]struct {
		// source is where the answer was seen: an issue, a file of the registry's
		// source, or a specification.
		source        string
		status        int
		body          []byte
		first, during registry.Class
	}{
		"ghcr, chunk too large":               {"oras-project/rust-oci-client#35", 416, body("RANGE_INVALID", "content range exceeds the maximum permissible limit of 4.00MiB"), registry.TooLarge, registry.TooLarge},
		"ghcr, upload that it ended":          {"GoogleContainerTools/jib#4301", 404, body("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"), registry.SessionLost, registry.SessionLost},
		"ghcr, upload that was lost":          {"GoogleContainerTools/jib#4301", 404, body("BLOB_UNKNOWN", "blob unknown to registry"), registry.Missing, registry.SessionLost},
		"ghcr, capitals":                      {"schlagmichdoch/PairDrop#47", 400, body("NAME_INVALID", "name invalid"), registry.InvalidName, ""},
		"ghcr, upload that took too long":     {"docker/build-push-action#251", 408, nil, registry.Transient, registry.Transient},
		"quay, bad gateway":                   {"konflux-ci/build-definitions#2100", 502, []byte("<html><h1>502 Bad Gateway</h1>"), registry.Transient, registry.Transient},
		"harbor, old quota":                   {"goharbor/harbor#8802", 403, body("DENIED", "Quota exceeded when processing the request of adding 1.3 MiB, which when added to current usage of 235.9 MiB will exceed the configured upper limit of 100.0 MiB."), registry.Quota, registry.Quota},
		"harbor, token older than upload":     {"goharbor/harbor#18860", 401, body("UNAUTHORIZED", "unauthorized to access repository: project/repo, action: push: unauthorized to access repository: project/repo, action: push"), registry.Denied, registry.Expired},
		"ecr, requests":                       {"awsdocs/amazon-ecr-user-guide#11", 429, body("TOOMANYREQUESTS", "Rate exceeded"), registry.RateLimited, registry.RateLimited},
		"ecr, too many layers":                {"openai/tart#890", 405, body("UNSUPPORTED", "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Limit on number of layers per image exceeded'"), registry.TooLarge, registry.TooLarge},
		"distribution, resumed elsewhere":     {"distribution/distribution#2634", 500, body("UNKNOWN", "upload resumed at wrong offest: 10 != 0"), registry.SessionLost, registry.SessionLost},
		"distribution, file system full":      {"Debian's docker-registry 2.8.2, seen in test/registry_faults_test.go", 500, []byte(`{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Path":"/var/lib/registry","Err":28}}}]}`), registry.Quota, registry.Quota},
		"distribution, S3 is slow":            {"distribution/distribution: registry/api/errcode/register.go", 503, body("UNAVAILABLE", "service unavailable"), registry.Transient, registry.Transient},
		"ghcr, package of another repository": {"tuna-os/tunaOS#642", 403, body("DENIED", "permission_denied: write_package"), registry.Denied, registry.Denied},
		"ghcr, organisation":                  {"pinchbench/skill#17", 403, body("DENIED", "installation not allowed to Create organization package"), registry.Denied, registry.Denied},
		"docker hub, read-only token":         {"docker/build-push-action#88", 401, body("DENIED", "requested access to the resource is denied"), registry.Denied, registry.Expired},
		"docker hub, limit":                   {"docker/hub-feedback#2505", 429, body("TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"), registry.RateLimited, registry.RateLimited},
		"docker hub, abuse":                   {"docker/hub-feedback#1907", 429, []byte("Too Many Requests (HAP429)"), registry.RateLimited, registry.RateLimited},
		"quay, no right":                      {"jaegertracing/jaeger#2498", 401, body("UNAUTHORIZED", "access to the requested resource is not authorized"), registry.Denied, registry.Expired},
		"quay, bad login":                     {"quay/quay: auth/", 401, body("UNAUTHORIZED", "Specified credentials are invalid"), registry.Unauthorized, registry.Unauthorized},
		"quay, quota":                         {"quay/quay: endpoints/v2/errors.py", 403, body("DENIED", "Quota has been exceeded on namespace"), registry.Quota, registry.Quota},
		"quay, immutable":                     {"quay/quay: endpoints/v2/errors.py", 409, body("TAG_IMMUTABLE", "tag is immutable and cannot be overwritten"), registry.Immutable, registry.Immutable},
		"quay, too large":                     {"quay/quay: endpoints/v2/errors.py", 413, body("UNKNOWN", "Uploaded blob of 21 GiB is larger than 20 GiB allowed by this registry"), registry.TooLarge, registry.TooLarge},
		"quay, maintenance":                   {"quay/quay: endpoints/v2/errors.py", 405, body("DENIED", "System is currently read-only. Pulls will succeed but all write operations are currently suspended."), registry.Denied, registry.Denied},
		"harbor, no right":                    {"werf/werf#5651", 401, body("UNAUTHORIZED", "unauthorized to access repository: me/os, action: push: unauthorized to access repository: me/os, action: push"), registry.Denied, registry.Expired},
		"harbor, quota":                       {"goharbor/harbor#17390", 403, body("DENIED", "adding 1.4 GiB of storage resource, which when updated to current usage of 9 GiB will exceed the configured upper limit of 10 GiB."), registry.Quota, registry.Quota},
		"harbor, immutable":                   {"goharbor/harbor: src/controller/tag/controller.go", 412, body("PRECONDITION", "the tag latest configured as immutable, cannot be updated"), registry.Immutable, registry.Immutable},
		"harbor, maintenance":                 {"goharbor/harbor: src/server/middleware/readonly/readonly.go", 403, body("DENIED", "The system is in read only mode. Any modification is prohibited."), registry.Denied, registry.Denied},
		"harbor, unsigned":                    {"goharbor/harbor: src/server/middleware/contenttrust", 412, body("PROJECTPOLICYVIOLATION", "The image is not signed by cosign."), registry.Denied, registry.Denied},
		"ecr, no repository":                  {"plexsystems/sinker#55", 404, body("NAME_UNKNOWN", "The repository with name 'me/os' does not exist in the registry with id '1'"), registry.Missing, registry.Missing},
		"ecr, old token":                      {"aws/aws-cli#6580", 403, body("DENIED", "Your authorization token has expired. Reauthenticate and try again."), registry.Unauthorized, registry.Unauthorized},
		"ecr, immutable":                      {"moby/buildkit#3776", 400, body("TAG_INVALID", "The image tag 'v1' already exists in the 'me/os' repository and cannot be overwritten because the repository is immutable."), registry.Immutable, registry.Immutable},
		"ecr, no right":                       {"fabric8io/docker-maven-plugin#364", 403, nil, registry.Denied, registry.Expired},
		"acr, not logged in":                  {"Azure/acr#841", 401, body("UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information."), registry.Unauthorized, registry.Expired},
		"artifact registry, no right":         {"flutter/flutter#188342", 403, body("DENIED", `Permission "artifactregistry.repositories.uploadArtifacts" denied on resource "projects/P" (or it may not exist)`), registry.Denied, registry.Denied},
		"artifact registry, not logged in":    {"GoogleCloudPlatform/generative-ai#693", 403, body("DENIED", `Unauthenticated request. Unauthenticated requests do not have permission "artifactregistry.repositories.uploadArtifacts" on resource`), registry.Unauthorized, registry.Unauthorized},
		"gitlab, job token":                   {"gitlab.com/gitlab-org/gitlab#23486", 401, body("UNAUTHORIZED", "HTTP Basic: Access denied"), registry.Unauthorized, registry.Unauthorized},
		"gitlab, token older than upload":     {"gitlab.com/gitlab-org/gitlab-ce#19867", 401, body("UNAUTHORIZED", "authentication required"), registry.Unauthorized, registry.Expired},
		"nginx, body limit":                   {"pulp/pulp-operator#330", 413, []byte("<html><head><title>413 Request Entity Too Large</title>"), registry.TooLarge, registry.TooLarge},
		"page of a proxy":                     {"ublue-os/aurora#2702", 400, []byte(proxyPage), registry.Rejected, registry.Expired},
		"distribution, copy in S3":            {"distribution/distribution#886", 400, body("UNKNOWN", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"), registry.TooLarge, registry.TooLarge},
		"distribution, name":                  {"distribution/distribution: registry/api/errcode/register.go", 400, body("NAME_INVALID", "invalid repository name"), registry.InvalidName, ""},
		"distribution, session":               {"distribution/distribution: registry/api/errcode/register.go", 404, body("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"), registry.SessionLost, registry.SessionLost},
		"distribution, range":                 {"distribution/distribution: registry/api/errcode/register.go", 416, body("RANGE_INVALID", "invalid content range"), registry.SessionLost, registry.SessionLost},
		"disk full":                           {"RFC 4918, 11.5", 507, nil, registry.Quota, registry.Quota},
		"service unavailable":                 {"RFC 9110, 15.6.4", 503, nil, registry.Transient, registry.Transient},
		"not understood":                      {"RFC 2324", 418, nil, registry.Rejected, registry.Rejected},
	} {
		for where, class := range map[string]registry.Class{"POST": tt.first, "PATCH": tt.during} {
			if class == "" {
				continue
			}
			t.Run(where+" "+name, func(t *testing.T) {
				t.Parallel()
				r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
				r.Fail(t, testregistry.Fault{Method: where, Status: tt.status, Body: tt.body, Times: -1})
				o := options(t, r)
				o.Retry.Attempts = 1
				_, err := registry.Push(t.Context(), testregistry.NewImage(t, 1, 1, 100), r.Host+"/me/os", o)
				wantError(t, err, class, "", "")
			})
		}
	}
}

// TestRetryAfter waits as long as the registry asks.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	o := options(t, r)
	var waits []string
	o.Retry.Sleep = recordWaits(&waits)
	r.Fail(t, testregistry.Fault{Method: "POST", Status: 429, Header: http.Header{"Retry-After": {"77"}}})
	if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
		t.Fatal(err)
	}
	if len(waits) != 1 || waits[0] != "1m17s" {
		t.Errorf("waited %q, want 1m17s", waits)
	}
}

// TestPassing tells what may be over by itself from what somebody has to mend.
func TestPassing(t *testing.T) {
	t.Parallel()
	for class, want := range map[registry.Class]bool{
		registry.Unreachable: true, registry.Transient: true, registry.RateLimited: true,
		registry.Unauthorized: false, registry.Denied: false, registry.Quota: false, registry.TLS: false,
		registry.PlainHTTP: false, registry.InvalidName: false, registry.Blocked: false,
	} {
		if got := (&registry.Error{Class: class}).Passing(); got != want {
			t.Errorf("%s: %v", class, got)
		}
	}
}
