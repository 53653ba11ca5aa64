package chunk

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The encoded form is "1." and, in base64, a zlib stream of JSON.
const (
	planVersion = "1."
	// maxPlan and maxPlanText bound what is decoded: registries take
	// configurations of 4 MiB.
	maxPlan       = 1 << 20
	maxPlanText   = 8 << 20
	maxPlanLayers = 1000
	maxPlanGroups = 20000
	// maxEpoch is in the year 2242; ext4 ends in 2446.
	maxEpoch = 1 << 33
)

// storedPlan has the shortest names: it is in every configuration.
type storedPlan struct {
	Epoch  int64         `json:"e"`
	Layers []storedLayer `json:"l"`
}

type storedLayer struct {
	DiffID []byte        `json:"d,omitempty"`
	Size   int64         `json:"s,omitempty"`
	Dead   int64         `json:"x,omitempty"`
	Groups []storedGroup `json:"g"`
}

type storedGroup struct {
	Name     string `json:"n"`
	Estimate int64  `json:"z,omitempty"`
	Version  uint32 `json:"v"`
	Packages uint32 `json:"p,omitempty"`
	Listed   bool   `json:"f,omitempty"`
	Sum      []byte `json:"s,omitempty"`
	// The filters, and how many members they have.
	Names         []byte `json:"a,omitempty"`
	NamesCount    int    `json:"b,omitempty"`
	Contents      []byte `json:"c,omitempty"`
	ContentsCount int    `json:"d,omitempty"`
}

const sha256Prefix = "sha256:"

// Encode returns the plan as text for the configuration of the image: for 600
// groups in 150,000 files less than 200 kB. [Entry.Sum] has to be there of
// the files that are tracked; those without are taken for changed next time.
func (p *Plan) Encode() (string, error) {
	s := storedPlan{Epoch: p.Epoch}
	for i := range p.Layers {
		l := &p.Layers[i]
		id, err := hex.DecodeString(strings.TrimPrefix(l.DiffID, sha256Prefix))
		if err != nil {
			return "", fmt.Errorf("encoding the plan of layers: diff ID %q: %w", l.DiffID, err)
		}
		layer := storedLayer{DiffID: id, Size: l.Size, Dead: l.Dead}
		for j := range l.Groups {
			g := &l.Groups[j]
			g.seal()
			layer.Groups = append(layer.Groups, storedGroup{
				Name: g.Name, Estimate: g.Estimate, Version: g.version, Packages: g.packages, Listed: g.listed, Sum: g.Sum,
				Names: g.names.encode(), NamesCount: len(g.names.members),
				Contents: g.contents.encode(), ContentsCount: len(g.contents.members),
			})
		}
		s.Layers = append(s.Layers, layer)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encoding the plan of layers: %w", err)
	}
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, zlib.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	text := planVersion + base64.StdEncoding.EncodeToString(packed.Bytes())
	if err == nil && (len(text) > maxPlan || len(plain) > maxPlanText) {
		err = fmt.Errorf("it has %d bytes", len(text))
	}
	if err != nil {
		return "", fmt.Errorf("encoding the plan of layers: %w", err)
	}
	return text, nil
}

var errPlan = errors.New("a layer, group or time in it is impossible")

// DecodePlan reads what [Plan.Encode] wrote. The text may come from anyone.
func DecodePlan(text string) (*Plan, error) {
	p, err := decodePlan(text)
	if err != nil {
		return nil, fmt.Errorf("decoding the plan of layers: %w", err)
	}
	return p, nil
}

func decodePlan(text string) (*Plan, error) {
	body, ok := strings.CutPrefix(text, planVersion)
	switch {
	case !ok:
		return nil, errors.New("it is of a version that is not known here")
	case len(text) > maxPlan:
		return nil, fmt.Errorf("it has %d bytes, more than any plan", len(text))
	}
	r, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(body)))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxPlanText+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > maxPlanText {
		return nil, errors.New("it is larger than any plan")
	}
	var s storedPlan
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, err
	}
	return s.plan()
}

func (s *storedPlan) plan() (*Plan, error) {
	p := &Plan{Epoch: s.Epoch}
	known := map[string]bool{}
	if len(s.Layers) > maxPlanLayers || s.Epoch < 0 || s.Epoch > maxEpoch {
		return nil, errPlan
	}
	for _, l := range s.Layers {
		if len(l.DiffID) != 0 && len(l.DiffID) != 32 || l.Size < 0 || l.Dead < 0 || l.Dead > l.Size || len(l.Groups) == 0 {
			return nil, errPlan
		}
		layer := Layer{Size: l.Size, Dead: l.Dead}
		if len(l.DiffID) > 0 {
			layer.DiffID = sha256Prefix + hex.EncodeToString(l.DiffID)
		}
		for _, g := range l.Groups {
			if known[g.Name] || g.Name == "" || g.Estimate < 0 || g.Estimate > 1<<50 || len(known) >= maxPlanGroups {
				return nil, errPlan
			}
			known[g.Name] = true
			names, err := decodeFilter(g.Names, g.NamesCount)
			if err != nil {
				return nil, err
			}
			contents, err := decodeFilter(g.Contents, g.ContentsCount)
			if err != nil {
				return nil, err
			}
			layer.Groups = append(layer.Groups, Group{
				Name: g.Name, Estimate: g.Estimate, Sum: g.Sum, version: g.Version, packages: g.Packages, listed: g.Listed,
				names: names, contents: contents,
			})
			layer.Estimate += g.Estimate
		}
		p.Layers = append(p.Layers, layer)
	}
	return p, nil
}
