package trust

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
)

const fuzzKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhyQCx0E9wQWSFI9ULGwy3BuRklnt
IqozONbbdbqz11hlRJy9c7SG+hdcFl9jE9uE/dwtuwU2MqU9T/cN0YkWww==
-----END PUBLIC KEY-----
`

// FuzzMerge adds a policy to whatever stands in a policy.json: what comes out is a
// policy that demands signatures of the scope, and decides of everything else as
// the other one does.
func FuzzMerge(f *testing.F) {
	for _, theirs := range []string{
		`{"default": [{"type": "insecureAcceptAnything"}]}`,
		`{"default": [{"type": "reject"}], "transports": {"docker": null, "dir": {}}}`,
		`{"default": [{"type": "reject"}], "transports": {"docker": {"": [{"type": "insecureAcceptAnything"}]}}}`,
		`{"default": [{"type": "reject"}], "transports": {"docker": {"ghcr.io/me/os:latest": [{"type": "insecureAcceptAnything"}]}}}`,
		`{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"ghcr.io/me": [{"type": "reject"}], "ghcr.io": [{"type": "reject"}]}}}`,
		`{"default": [{"type": "reject"}], "transports": {"docker": {"*.example.org": [{"type": "sigstoreSigned", "keyPath": "/k"}]}}}`,
	} {
		for _, scope := range []string{"ghcr.io", "ghcr.io/me", "ghcr.io/me/os", "r.example.org:5000/me"} {
			f.Add([]byte(theirs), scope, false)
			f.Add([]byte(theirs), scope, true)
		}
	}
	f.Fuzz(func(t *testing.T, theirs []byte, scope string, replace bool) {
		p := Policy{Scope: scope, Keys: [][]byte{[]byte(fuzzKey)}}
		files, err := p.Files("/etc")
		if err != nil {
			return
		}
		ours := files[0].Content
		merged, err := p.merge(ours, theirs, replace)
		if err != nil {
			return
		}
		after, err := signature.NewPolicyFromBytes(merged)
		if err != nil {
			t.Fatalf("it is no policy: %v\n%s", err, merged)
		}
		before, err := signature.NewPolicyFromBytes(theirs)
		if err != nil {
			t.Fatalf("it was no policy, and was added to: %v", err)
		}
		own, err := signature.NewPolicyFromBytes(ours)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := p.merge(ours, merged, false); err != nil || !bytes.Equal(again, merged) {
			t.Errorf("once more, it is (%v)\n%s\nand not\n%s", err, again, merged)
		}
		if list, err := json.Marshal(after.Default); err != nil || acceptsAnything(list) {
			t.Errorf("the default accepts anything: %v\n%s", err, merged)
		}
		for _, name := range []string{scope + "/any:tag", scope + "/a/b:latest", "other.example.com/x/y:1"} {
			ref, err := docker.ParseReference("//" + name)
			if err != nil {
				continue
			}
			got, where := requirementsOf(after, ref)
			want, whereBefore := requirementsOf(before, ref)
			if inside(name, scope) {
				if whereBefore != where && where != `scope "`+scope+`"` {
					t.Errorf("of %q, %s decides now, and %s did", name, where, whereBefore)
				}
				if where == `scope "`+scope+`"` {
					want = own.Transports["docker"][scope]
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("of %q it demands %v, not %v:\n%s", name, got, want, merged)
			}
		}
	})
}
