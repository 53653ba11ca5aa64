package chunk

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 2, 1000} {
		digests := make([]uint64, n)
		for i := range digests {
			digests[i] = random.Uint64()
		}
		data := newFilter(digests).encode()
		f, err := decodeFilter(data, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range digests {
			if !f.has(d) {
				t.Errorf("%d members: one is lost", n)
			}
		}
		for range 1000 {
			if f.has(random.Uint64()) {
				t.Errorf("%d members: a stranger is one", n)
			}
		}
		if n > 100 && len(data) > n*23/8 {
			t.Errorf("%d members take %d bytes", n, len(data))
		}
		if _, err := decodeFilter(data, n+1); err == nil {
			t.Errorf("%d members: one more is read than there is", n)
		}
	}
}

func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()
	w := makeWorld(1, 900, 20_000)
	p := w.written(t, mustAssign(t, w.Input, nil, Options{}))
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 200_000 {
		t.Errorf("the plan has %d bytes", len(text))
	}
	decoded, err := DecodePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decoded.Encode(); err != nil || again != text {
		t.Errorf("encoded once more it is another one (%v)", err)
	}
	if got := Predict(decoded, p); got.Bytes != 0 || got.Reused != len(p.Layers) || got.Floor != 0 {
		t.Errorf("of itself a client fetches %+v", got)
	}
	if got := Predict(nil, p); got.Bytes != got.Total || got.Bytes == 0 {
		t.Errorf("who has nothing fetches %+v", got)
	}
}

// packPlan wraps JSON as a plan.
func packPlan(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return planVersion + base64.StdEncoding.EncodeToString(b.Bytes())
}

var hostilePlans = []string{
	"", "1.", "2.abc", "1.!!!", packPlan(""), packPlan("null["), packPlan(`{"l":[{"g":[]}]}`),
	packPlan(`{"l":[{"g":[{"n":"a"},{"n":"a"}]}]}`), packPlan(`{"l":[{"g":[{"n":""}]}]}`),
	packPlan(`{"l":[{"s":-1,"g":[{"n":"a"}]}]}`), packPlan(`{"l":[{"d":"AAAA","g":[{"n":"a"}]}]}`),
	packPlan(`{"l":[{"s":5,"x":6,"g":[{"n":"a"}]}]}`), packPlan(`{"l":[{"s":5,"x":-1,"g":[{"n":"a"}]}]}`),
	packPlan(`{"l":[{"g":[{"n":"a","z":-5}]}]}`), packPlan(`{"l":[{"g":[{"n":"a","b":1000000000}]}]}`),
	packPlan(`{"l":[{"g":[{"n":"a","a":"/////w==","b":1}]}]}`), packPlan(strings.Repeat(" ", maxPlanText+1)),
	packPlan(`{"l":[` + strings.Repeat(`{"g":[{"n":"a"}]},`, maxPlanLayers) + `{"g":[{"n":"a"}]}]}`),
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range hostilePlans {
		if p, err := DecodePlan(text); err == nil {
			t.Errorf("%.80q is taken for %+v", text, p)
		}
	}
}

func FuzzDecodePlan(f *testing.F) {
	for _, text := range hostilePlans {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	w := makeWorld(2, 20, 200)
	text, err := w.written(f, mustAssign(f, w.Input, nil, Options{})).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(packPlan(`{"e":5,"l":[{"d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","s":900,"x":9,"g":[{"n":"source1","z":5}]}]}`))
	f.Add(packPlan(`{"e":5,"l":[{"s":3,"g":[{"n":"source1~","z":5,"v":3,"a":"AAAA","b":1}]}]}`))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := DecodePlan(text)
		if err != nil {
			return
		}
		o := Options{Layers: 8, Stale: func(id string) bool { return !strings.HasSuffix(id, "f") }}
		next := mustAssign(t, w.Input, p, o)
		checkPlan(t, w.Input, next, o)
		Predict(p, w.written(t, next))
	})
}

func FuzzAssign(f *testing.F) {
	f.Add("usr/bin/a\x00usr/lib/b\x00a/b", "usr/bin/a\x00lib/b", "lib\x00usr/lib", uint8(3))
	f.Add("a\x00a/b\x00usr/lib/modules/x\x00boot/vmlinuz", "../..\x00/\x00.\x00", "a\x00a\x00b\x00/", uint8(1))
	f.Fuzz(func(t *testing.T, names, owned, links string, layers uint8) {
		seen := map[string]bool{}
		in := Input{Packages: []packagedb.Owner{{Files: strings.Split(owned, "\x00")}}}
		for i, name := range strings.Split(names, "\x00") {
			if !seen[name] {
				seen[name] = true
				in.Files = append(in.Files, File{Name: name, Mode: 0o644, Size: int64(i) << 18, Inode: uint64(i % 3)})
			}
		}
		target := strings.Split(links, "\x00")
		for i := 0; i+1 < len(target); i += 2 {
			if !seen[target[i]] {
				seen[target[i]] = true
				in.Files = append(in.Files, File{Name: target[i], Mode: fs.ModeSymlink, Target: target[i+1]})
			}
		}
		o := Options{Layers: 1 + int(layers)}
		checkPlan(t, in, mustAssign(t, in, nil, o), o)
	})
}
