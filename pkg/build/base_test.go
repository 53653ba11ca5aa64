package build

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// remoteBase is a base in a registry that asks for a login.
type remoteBase struct {
	*testregistry.Registry
	ref    string
	digest string
	access RegistryAccess
	// auth and certs are the files that access takes.
	auth, certs string
}

// accessBy reaches registries with an auth file and a folder of certificates.
func accessBy(auth, certs string) RegistryAccess {
	return func(context.Context, string) (*types.SystemContext, error) {
		return &types.SystemContext{AuthFilePath: auth, DockerCertPath: certs}, nil
	}
}

func newRemoteBase(t *testing.T, labels map[string]string) *remoteBase {
	t.Helper()
	r := &remoteBase{Registry: testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})}
	r.ref = r.Host + "/os/base:stream"
	r.certs = filepath.Join(r.WriteCerts(t), r.Host)
	r.auth = r.WriteAuth(t, testregistry.User, testregistry.Password)
	r.access = accessBy(r.auth, r.certs)
	layer, err := random.Layer(100, "application/vnd.docker.image.rootfs.diff.tar.gzip")
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Labels = "linux", "amd64", labels
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	r.digest = d.String()
	tag, err := name.ParseReference(r.ref)
	if err != nil {
		t.Fatal(err)
	}
	auth := &authn.Basic{Username: testregistry.User, Password: testregistry.Password}
	if err := remote.Write(tag, img, remote.WithAuth(auth), remote.WithTransport(trusting(t, filepath.Join(r.certs, "ca.crt")))); err != nil {
		t.Fatal(err)
	}
	r.Forget()
	return r
}

// trusting returns a transport that trusts the authority whose certificate is
// in the file.
func trusting(t *testing.T, file string) http.RoundTripper {
	t.Helper()
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

func (r *remoteBase) recipe() recipe.Base {
	return recipe.Base{Image: recipe.String{Value: r.ref, Pos: diag.Pos{File: "recipe.yaml", Line: 3}}}
}

func TestResolveRemoteReadsNoLayer(t *testing.T) {
	r := newRemoteBase(t, map[string]string{"redhat.id": "centos", "redhat.version-id": "10"})
	info, err := ResolveRemote(t.Context(), r.recipe(), r.access)
	if err != nil {
		t.Fatal(err)
	}
	if info.Digest != r.digest || info.Distro.ID != "centos" || info.Distro.Version != "10" || info.Architecture != "amd64" {
		t.Errorf("resolved %+v", info)
	}
	if n := r.Count(http.MethodGet, "/blobs/"); n != 1 {
		t.Errorf("%d blobs were read, want the configuration alone", n)
	}

	// Also where the recipe says the distribution, which may be wrong.
	r.Forget()
	base := r.recipe()
	base.Distro = recipe.String{Value: "centos-10", Pos: base.Image.Pos}
	if info, err = ResolveRemote(t.Context(), base, r.access); err != nil || info.Digest != r.digest || info.Distro.ID != "centos" {
		t.Errorf("resolved %+v, %v", info, err)
	}
	if n := r.Count(http.MethodGet, "/blobs/"); n != 1 {
		t.Errorf("%d blobs were read, want the configuration alone", n)
	}
}

func TestResolveRemoteErrors(t *testing.T) {
	r := newRemoteBase(t, nil)
	stranger := accessBy(r.WriteAuth(t, testregistry.User, "wrong"), r.certs)
	missing := r.recipe()
	missing.Image.Value = r.Host + "/os/missing:stream"
	for name, c := range map[string]struct {
		base   recipe.Base
		access RegistryAccess
		hint   string
	}{
		"wrong password": {r.recipe(), stranger, "bootkiln login"},
		"unknown CA":     {r.recipe(), accessBy(r.auth, ""), "certs.d"},
		"missing":        {missing, r.access, "name"},
	} {
		_, err := ResolveRemote(t.Context(), c.base, c.access)
		var pull *PullError
		if !errors.As(err, &pull) {
			t.Errorf("%s: error = %v, want a PullError", name, err)
			continue
		}
		if pull.Pos != c.base.Image.Pos || !strings.Contains(pull.Hint, c.hint) {
			t.Errorf("%s: %v at %v, hint %q lacks %q", name, err, pull.Pos, pull.Hint, c.hint)
		}
	}
}

func TestVerifyNeedsARegistry(t *testing.T) {
	t.Parallel()
	pos := diag.Pos{File: "recipe.yaml", Line: 5, Col: 10}
	check := func(what string, err error) {
		t.Helper()
		var problems *diag.ListError
		if !errors.As(err, &problems) || len(problems.List) != 1 {
			t.Errorf("%s: error = %v, want one problem", what, err)
			return
		}
		if d := problems.List[0]; d.Pos != pos || d.Code != "unverifiable-base" || d.Hint != "base.verify needs a base in a registry" {
			t.Errorf("%s: %+v", what, d)
		}
	}
	for _, ref := range []string{"localhost/os/base", "containers-storage:quay.io/os/base", strings.Repeat("0a", 32), "oci:/srv/base", "dir:/srv/base"} {
		base := recipe.Base{Image: recipe.String{Value: ref}}
		base.VerifyKey.String = recipe.String{Value: "base.pub", Pos: pos}
		_, err := ResolveRemote(t.Context(), base, nil)
		check("ResolveRemote "+ref, err)
		_, err = (&Builder{}).ResolveBase(t.Context(), base, []byte("key"), nil)
		check("ResolveBase "+ref, err)
		f := &containerfile.File{Text: []byte("FROM " + ref + "\n"), Origins: []diag.Pos{pos}}
		_, err = (&Builder{}).Build(t.Context(), f, Options{BaseKey: []byte("key")})
		check("Build "+ref, err)
	}
}

func TestParseBase(t *testing.T) {
	t.Parallel()
	const sum = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	id := strings.Repeat("0a", 32)
	for ref, want := range map[string]struct {
		kind        baseKind
		named, name string
	}{
		"quay.io/os/base:stream10":        {fromRegistry, "quay.io/os/base:stream10", ""},
		"quay.io/os/base":                 {fromRegistry, "quay.io/os/base:latest", ""},
		"docker://quay.io/os/base:1":      {fromRegistry, "quay.io/os/base:1", ""},
		"quay.io/os/base:1" + sum:         {fromRegistry, "quay.io/os/base" + sum, ""},
		"localhost:5000/os/base":          {fromRegistry, "localhost:5000/os/base:latest", ""},
		"docker://localhost/os/base":      {fromRegistry, "localhost/os/base:latest", ""},
		"fedora":                          {fromRegistry, "docker.io/library/fedora:latest", ""},
		"localhost/os/base":               {fromStore, "", "localhost/os/base"},
		"containers-storage:quay.io/os/b": {fromStore, "", "quay.io/os/b"},
		id:                                {fromStore, "", id},
		"oci:/srv/base":                   {fromElsewhere, "", ""},
		"oci-archive:base.tar":            {fromElsewhere, "", ""},
	} {
		kind, named, name, err := parseBase(ref)
		got := ""
		if named != nil {
			got = named.String()
		}
		if err != nil || kind != want.kind || got != want.named || name != want.name {
			t.Errorf("parseBase(%q) = %v, %q, %q, %v, want %v", ref, kind, got, name, err, want)
		}
	}
	for _, ref := range []string{"", "Upper/Case", "a b", "docker://"} {
		if _, _, _, err := parseBase(ref); err == nil {
			t.Errorf("parseBase(%q) has no error", ref)
		}
	}
}

func TestIsTransient(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("reading blob: %w", err) }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{docker.UnexpectedHTTPStatusError{StatusCode: http.StatusInternalServerError}, true},
		{docker.UnexpectedHTTPStatusError{StatusCode: http.StatusTooManyRequests}, true},
		{docker.UnexpectedHTTPStatusError{StatusCode: http.StatusBadGateway}, true},
		{docker.UnexpectedHTTPStatusError{StatusCode: http.StatusTeapot}, false},
		{docker.ErrTooManyRequests, true},
		{docker.ErrUnauthorizedForCredentials{}, false},
		{io.ErrUnexpectedEOF, true},
		{net.ErrClosed, true},
		{syscall.ECONNRESET, true},
		{&net.DNSError{IsNotFound: true}, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, false},
		{errors.New("something else"), false},
	} {
		if got := isTransient(wrap(c.err)); got != c.want {
			t.Errorf("isTransient(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
