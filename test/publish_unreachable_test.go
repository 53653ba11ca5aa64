//go:build e2e

package test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/pipeline"
)

func TestPublishToARegistryThatRefuses(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	secure, plain := startRegistry(t, ca), startRegistry(t, nil)
	stranger := newAuthority(t)
	closed := freePort(t)
	key := newKeys(t)
	good := []string{"--creds", registryUser + ":" + registryPassword, "--cert-dir", ca.dir}
	said := map[string]string{}
	for _, c := range []struct {
		name, host string
		flags      []string
		says, hint string
	}{
		{
			"wrong password", secure.host,
			[]string{"--creds", registryUser + ":wrong", "--cert-dir", ca.dir},
			"does not accept the login", "check the user name and the password",
		},
		{"no login", secure.host, []string{"--cert-dir", ca.dir}, "does not accept the login", "no login was found for it: \"bootkiln login " + secure.host},
		{
			"unknown authority", secure.host,
			[]string{good[0], good[1], "--cert-dir", stranger.dir},
			"certificate signed by unknown authority", "ca.crt",
		},
		{"plain HTTP", plain.host, good, "HTTP response to HTTPS client", "insecure = true"},
		{"unreachable", closed, good, "connection refused", "check the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProject(t)
			p.write(t, "sign: {key: "+key.private+"}", "publish: [{to: "+c.host+"/os/e2e}]")
			// Its own auth file: there is no login on this machine.
			args := append(p.args("publish", c.flags...), "--authfile", filepath.Join(p.dir, "auth.json"))
			o := bootkiln(t, args...)
			o.want(t, 5, c.says, "hint: ", c.hint, c.host)
			if strings.Contains(o.stderr, "build: ") {
				t.Errorf("the image was built first:\n%s", o.stderr)
			}
			if strings.Contains(o.stderr, registryPassword) {
				t.Errorf("the password is shown:\n%s", o.stderr)
			}
			message := errorLine(o.stderr)
			if before, ok := said[message]; ok {
				t.Errorf("it is the same as for %q: %s", before, message)
			}
			said[message] = c.name
			if result := p.result(t); len(result.Published) != 0 || result.Error == "" ||
				slices.ContainsFunc(result.Stages, isStage("build")) {
				t.Errorf("result.json: %+v", result)
			}
		})
	}
}

func isStage(name string) func(pipeline.StageTime) bool {
	return func(s pipeline.StageTime) bool { return s.Name == name }
}

// errorLine returns what stderr says after the stages, the hint with it.
func errorLine(stderr string) string {
	_, message, _ := strings.Cut(stderr, "\nbootkiln: ")
	return message
}
