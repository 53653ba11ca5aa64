//go:build e2e

package test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	digest "github.com/opencontainers/go-digest"

	"go.podman.io/image/v5/types"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
	"github.com/bootkiln/bootkiln/pkg/registry"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

// remoteBase is a base in a registry with a certificate of its own.
type remoteBase struct {
	repository string
	digest     digest.Digest
	access     build.RegistryAccess
	certs      string // the folder that access takes

	mu       sync.Mutex
	requests []string
	// fail, if set, is asked whether a request is to be answered with 500.
	fail func(request string) bool
}

func newRemoteBase(t *testing.T) *remoteBase {
	t.Helper()
	r := &remoteBase{}
	quiet := log.New(io.Discard, "", 0)
	backend := ggcr.New(ggcr.Logger(quiet))
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		request := req.Method + " " + req.URL.Path
		r.mu.Lock()
		r.requests = append(r.requests, request)
		fail := r.fail
		r.mu.Unlock()
		if fail != nil && fail(request) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		backend.ServeHTTP(w, req)
	}))
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	t.Cleanup(srv.Close)
	certs := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	r.certs = certs
	r.access = func(context.Context, string) (*types.SystemContext, error) {
		return &types.SystemContext{DockerCertPath: certs}, nil
	}
	r.repository = srv.Listener.Addr().String() + "/os/base"
	img := baseImage(t, nil)
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	r.digest = digest.Digest(d.String())
	tag, err := name.ParseReference(r.repository + ":stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img, remote.WithTransport(srv.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *remoteBase) recipe() recipe.Base {
	return recipe.Base{Image: recipe.String{Value: r.repository + ":stream", Pos: diag.Pos{File: "recipe.yaml", Line: 3}}}
}

func (r *remoteBase) pinned() string { return r.repository + "@" + r.digest.String() }

// forget returns the requests so far, and begins anew.
func (r *remoteBase) forget() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests := r.requests
	r.requests = nil
	return requests
}

// newKey returns a key pair.
func newKey(t *testing.T) *sign.Signer {
	t.Helper()
	private, _, err := sign.GenerateKeys(t.TempDir(), "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.LoadKey(t.Context(), private, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResolveBasePullsWhatHasNoLabels(t *testing.T) {
	t.Parallel()
	r := newRemoteBase(t)
	s := newTestStore(t)
	o := s.options()
	o.Access = r.access
	b, err := build.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// The registry has a bad day.
	var bad atomic.Int32
	r.fail = func(request string) bool {
		return strings.HasPrefix(request, "GET /v2/os/base/blobs/") && bad.Add(1) == 2
	}
	info, err := b.ResolveBase(t.Context(), r.recipe(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info.Digest != r.digest.String() || info.Distro.ID != "debian" || info.Distro.Version != "12" {
		t.Errorf("resolved %+v", info)
	}
	if bad.Load() < 2 {
		t.Error("the bad day was not noticed")
	}
	// The build finds it in the store.
	r.forget()
	f := containerFile("RUN true")
	f.Text = bytes.Replace(f.Text, []byte(baseName), []byte(r.pinned()), 1)
	mustBuild(t, b, f, build.Options{})
	base, err := b.Base(t.Context(), r.pinned())
	if err != nil {
		t.Fatal(err)
	}
	if config, err := base.Config(t.Context()); err != nil || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("the base in the store: %+v, %v", config, err)
	}
	if _, err := b.Base(t.Context(), r.repository+"@sha256:"+strings.Repeat("0", 64)); err == nil {
		t.Error("a base that is not there was opened")
	}
	if requests := r.forget(); len(requests) != 0 {
		t.Errorf("the build asked the registry: %v", requests)
	}
	s.assertClean(t, "")
}

func TestBuildVerifiesTheBase(t *testing.T) {
	t.Parallel()
	r := newRemoteBase(t)
	s := newTestStore(t)
	o := s.options()
	o.Access = r.access
	b, err := build.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	signer, stranger := newKey(t), newKey(t)
	f := containerFile("RUN true")
	f.Text = bytes.Replace(f.Text, []byte(baseName), []byte(r.pinned()), 1)
	try := func(key []byte) error {
		_, err := b.Build(t.Context(), f, build.Options{BaseKey: key, MinFree: -1, Project: fstest.MapFS{}})
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		var pull *build.PullError
		if !errors.As(err, &pull) || !pull.Refused || pull.Pos.Line != 10 {
			t.Errorf("%s: error = %v, want a refusal at line 10", what, err)
		}
	}
	refused("unsigned", try(signer.PublicKey()))

	ro := registry.Options{CertDir: r.certs, BlobInfoCacheDir: t.TempDir(), TempDir: t.TempDir()}
	if err := signer.Sign(t.Context(), image.Pinned{Repository: r.repository, Digest: r.digest}, ro); err != nil {
		t.Fatal(err)
	}
	if err := try(signer.PublicKey()); err != nil {
		t.Errorf("signed: %v", err)
	}
	// That the store has the base by now does not help.
	refused("another key", try(stranger.PublicKey()))
	s.assertClean(t, "")
}
