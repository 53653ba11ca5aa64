package scripttest

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	digest "github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootkiln/bootkiln/pkg/internal/testregistry"
)

type registryKeyType struct{}

var registryKey registryKeyType

// scriptRegistry is the registry of one script.
type scriptRegistry struct {
	*testregistry.Registry
	// silent takes connections and never answers.
	silent net.Listener
	t      testing.TB
}

func registryOf(ts *testscript.TestScript) *scriptRegistry {
	r := ts.Value(registryKey).(*scriptRegistry)
	if r.Registry == nil {
		ts.Fatalf("the script has not started a registry")
	}
	return r
}

func startRegistry(ts *testscript.TestScript, args []string) {
	r := ts.Value(registryKey).(*scriptRegistry)
	if slices.Equal(args, []string{"silent"}) {
		var config net.ListenConfig
		listener, err := config.Listen(r.t.Context(), "tcp", "127.0.0.1:0")
		ts.Check(err)
		r.t.Cleanup(func() { _ = listener.Close() })
		r.silent = listener
		ts.Setenv("HOST", listener.Addr().String())
		return
	}
	var o testregistry.Options
	for _, arg := range args {
		switch arg {
		case "basic":
			o.Auth = testregistry.Basic
		case "plain":
			o.PlainHTTP = true
		default:
			ts.Fatalf("unknown kind of registry %q", arg)
		}
	}
	r.Registry = testregistry.New(r.t, o)
	ts.Setenv("HOST", r.Host)
	share := func(path string) string {
		// The folder, and the one that the testing package keeps it in
		dir := filepath.Dir(path)
		ts.Check(handOver(dir))
		ts.Check(os.Chmod(filepath.Dir(dir), 0o755))
		return path
	}
	if !o.PlainHTTP {
		ts.Setenv("CERTS", filepath.Join(share(r.WriteCerts(r.t)), r.Host))
	}
	ts.Setenv("CREDS", testregistry.User+":"+testregistry.Password)
	ts.Setenv("AUTH", share(r.WriteAuth(r.t, testregistry.User, testregistry.Password)))
	ts.Setenv("WRONGAUTH", share(r.WriteAuth(r.t, testregistry.User, "wrong")))
}

var (
	anyDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	anySigTag = regexp.MustCompile(`sha256-[0-9a-f]{64}`)
)

// requests writes the requests in their order, without those that only look
// whether the registry is there. What differs from run to run is left out:
// digests, and the order of blobs, which are sent side by side, so that all
// between two requests for manifests is one line.
func requests(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: requests FILE")
	}
	r := registryOf(ts)
	var lines []string
	var blobs map[string]bool // the methods of the requests for blobs in a row
	add := func(line string) {
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	endBlobs := func() {
		switch {
		case blobs == nil:
			return
		case blobs["DELETE"]:
			add("an upload is begun and cancelled")
		case blobs["PUT"]:
			add("blobs are written")
		default:
			add("blobs are read")
		}
		blobs = nil
	}
	for _, q := range r.Requests() {
		switch {
		case q.Path == "/v2/":
		case strings.Contains(q.Path, "/blobs/"):
			if blobs == nil {
				blobs = map[string]bool{}
			}
			blobs[q.Method] = true
			if q.Method == "DELETE" {
				endBlobs()
			}
		default:
			endBlobs()
			add(anySigTag.ReplaceAllString(anyDigest.ReplaceAllString(q.String(), "DIGEST"), "sha256-HEX"))
		}
	}
	endBlobs()
	r.Forget()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func tags(ts *testscript.TestScript, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: tags REPOSITORY [TAG…]")
	}
	var got []string
	for _, tag := range registryOf(ts).Tags(args[0]) {
		// Signatures hang at tags of their own; what a registry lists beside them
		// are manifests without a tag.
		if !anySigTag.MatchString(tag) && !anyDigest.MatchString(tag) {
			got = append(got, tag)
		}
	}
	want := slices.Sorted(slices.Values(args[1:]))
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("the tags of %s (-want +got):\n%s", args[0], diff)
	}
}

func tamper(ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: tamper REPOSITORY DIGEST")
	}
	r := registryOf(ts)
	repository, signed := args[0], digest.Digest(args[1])
	raw, mediaType := r.Manifest(repository, signed.String())
	var manifest map[string]any
	ts.Check(json.Unmarshal(raw, &manifest))
	manifest["annotations"] = map[string]string{"changed": "yes"}
	raw, err := json.Marshal(manifest)
	ts.Check(err)
	tampered := digest.FromBytes(raw)
	r.PutManifest(r.t, repository, tampered.String(), mediaType, raw)
	signature, mediaType := r.Manifest(repository, "sha256-"+signed.Encoded()+".sig")
	r.PutManifest(r.t, repository, "sha256-"+tampered.Encoded()+".sig", mediaType, signature)
	ts.Setenv("TAMPERED", tampered.String())
}

func isJSON(ts *testscript.TestScript, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
}
