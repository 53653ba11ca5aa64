package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// home gives the process an empty home, so that no login of the machine is
// found; tests that use it cannot run in parallel.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("REGISTRY_AUTH_FILE", "")
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func authJSON(host, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte(testregistry.User+":"+password)))
}

// helper installs a Docker credential helper that knows the right login.
func helper(t *testing.T, dir, name, password string) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\ncat >/dev/null\n[ \"$1\" = get ] && echo '{\"Username\": %q, \"Secret\": %q}'\n", testregistry.User, password)
	writeFile(t, filepath.Join(dir, "bin", "docker-credential-"+name), script, 0o755)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
}

// TestWhereLoginsComeFrom puts the right password in one place and wrong ones
// into every place behind it.
func TestWhereLoginsComeFrom(t *testing.T) {
	const wrong = "wrong"
	right := testregistry.Password
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, dir, host string, o *registry.Options)
		// source is what the hint says when the password is not accepted.
		source string
	}{
		{"credentials", func(t *testing.T, _, host string, o *registry.Options) {
			o.Credentials = &registry.Credentials{Username: testregistry.User, Password: right}
			o.AuthFile = filepath.Join(t.TempDir(), "auth.json")
			writeFile(t, o.AuthFile, authJSON(host, wrong), 0o600)
		}, "the command line"},
		{"auth file", func(t *testing.T, dir, host string, o *registry.Options) {
			o.AuthFile = filepath.Join(t.TempDir(), "auth.json")
			writeFile(t, o.AuthFile, authJSON(host, right), 0o600)
			writeFile(t, filepath.Join(dir, "run/containers/auth.json"), authJSON(host, wrong), 0o600)
		}, "auth.json"},
		{"auth file of the environment", func(t *testing.T, dir, host string, o *registry.Options) {
			path := filepath.Join(t.TempDir(), "env.json")
			o.Lookup = func(name string) (string, bool) { return path, name == "REGISTRY_AUTH_FILE" }
			writeFile(t, path, authJSON(host, right), 0o600)
			writeFile(t, filepath.Join(dir, "run/containers/auth.json"), authJSON(host, wrong), 0o600)
		}, "env.json"},
		{"default auth file", func(t *testing.T, dir, host string, _ *registry.Options) {
			writeFile(t, filepath.Join(dir, "run/containers/auth.json"), authJSON(host, right), 0o600)
			writeFile(t, filepath.Join(dir, ".docker/config.json"), authJSON(host, wrong), 0o600)
		}, "an auth file"},
		{"default auth file without runtime folder", func(t *testing.T, dir, host string, _ *registry.Options) {
			t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "gone"))
			writeFile(t, filepath.Join(dir, ".config/containers/auth.json"), authJSON(host, right), 0o600)
		}, "an auth file"},
		{"Docker's configuration", func(t *testing.T, dir, host string, _ *registry.Options) {
			writeFile(t, filepath.Join(dir, ".docker/config.json"), authJSON(host, right), 0o600)
		}, "an auth file"},
		{"Docker's configuration by name", func(t *testing.T, _, host string, o *registry.Options) {
			o.AuthFile = filepath.Join(t.TempDir(), "config.json")
			writeFile(t, o.AuthFile, authJSON(host, right), 0o600)
		}, "config.json"},
		{"credential helper", func(t *testing.T, dir, host string, _ *registry.Options) {
			helper(t, dir, "test", right)
			writeFile(t, filepath.Join(dir, ".docker/config.json"), fmt.Sprintf(`{"credHelpers": {%q: "test"}}`, host), 0o600)
		}, "credential helper"},
		{"Docker's credential store", func(t *testing.T, dir, _ string, _ *registry.Options) {
			helper(t, dir, "store", right)
			writeFile(t, filepath.Join(dir, ".docker/config.json"), `{"credsStore": "store"}`, 0o600)
		}, "Docker's credential store"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := home(t)
			r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
			o := options(t, r)
			o.AuthFile = ""
			tt.set(t, dir, r.Host, &o)
			if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
				t.Error(err)
			}
			// Another registry takes another password, so that the hint shows where
			// this one came from.
			r.Fail(t, testregistry.Fault{Method: "POST", Status: 401, Body: testregistry.ErrorBody("UNAUTHORIZED", "authentication required")})
			wantError(t, registry.Preflight(t.Context(), r.Host+"/me/os", o), registry.Unauthorized, "", tt.source)
		})
	}
}

func TestLoginLogout(t *testing.T) {
	for name, auth := range map[string]testregistry.Auth{"basic": testregistry.Basic, "token": testregistry.Token} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			r := testregistry.New(t, testregistry.Options{Auth: auth})
			o := options(t, r)
			o.AuthFile = ""
			right := registry.Credentials{Username: testregistry.User, Password: testregistry.Password}

			_, err := registry.Login(t.Context(), r.Host, registry.Credentials{Username: "x", Password: "y"}, o)
			wantError(t, err, registry.Unauthorized, "logging in to", "the command line")
			path := filepath.Join(dir, "run/containers/auth.json")
			if _, err := os.Stat(path); err == nil {
				t.Error("a login that was refused was stored")
			}
			where, err := registry.Login(t.Context(), "https://"+r.Host+"/", right, o)
			if err != nil || where != path {
				t.Fatalf("stored in %q, %v", where, err)
			}
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", fi, err)
			}
			if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
				t.Error(err)
			}
			if err := registry.Logout(r.Host, o); err != nil {
				t.Error(err)
			}
			wantError(t, registry.Preflight(t.Context(), r.Host+"/me/os", o), registry.Unauthorized, "", "no login was found")
			if err := registry.Logout(r.Host, o); !errors.Is(err, registry.ErrNotLoggedIn) {
				t.Errorf("%v, want %v", err, registry.ErrNotLoggedIn)
			}

			// Under sudo the runtime folder of the other user is not there.
			t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "gone"))
			where, err = registry.Login(t.Context(), r.Host, right, o)
			if err != nil || where != filepath.Join(dir, ".config/containers/auth.json") {
				t.Errorf("stored in %q, %v", where, err)
			}
			if err := registry.Preflight(t.Context(), r.Host+"/me/os", o); err != nil {
				t.Error(err)
			}
			if err := registry.Logout(r.Host, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLoginKeepsDockersSettings stores into Docker's own file.
func TestLoginKeepsDockersSettings(t *testing.T) {
	home(t)
	r := testregistry.New(t, testregistry.Options{Auth: testregistry.Basic})
	o := options(t, r)
	o.AuthFile = filepath.Join(t.TempDir(), "config.json")
	writeFile(t, o.AuthFile, `{"proxies": {"default": {}}, "auths": {"example.org": {"auth": "eDp5"}}}`, 0o600)
	if _, err := registry.Login(t.Context(), r.Host, registry.Credentials{Username: testregistry.User, Password: testregistry.Password}, o); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(o.AuthFile)
	for _, want := range []string{"proxies", "example.org", r.Host} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestLoginErrors(t *testing.T) {
	t.Parallel()
	r := testregistry.New(t, testregistry.Options{})
	c := registry.Credentials{Username: "x", Password: "secret-word"}
	for _, host := range []string{"", "no host", r.Host + "/me"} {
		_, err := registry.Login(t.Context(), host, c, options(t, r))
		wantError(t, err, registry.InvalidName, "", "the host alone")
		wantError(t, registry.Logout(host, options(t, r)), registry.InvalidName, "", "the host alone")
	}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, &c); strings.Contains(s, "secret-word") {
		t.Errorf("the password is printed: %s", s)
	}
}
