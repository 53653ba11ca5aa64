package fakesigstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // the kinds of entries
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // that cosign writes
)

func (s *Sigstore) serveEntry(w http.ResponseWriter, r *http.Request) {
	entry, err := s.write(r.Context(), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := strings.Repeat("0", 16) + hex.EncodeToString(entry.leaf[:])
	w.Header().Set("Location", Rekor+"/"+id)
	reply(w, http.StatusCreated, map[string]any{id: entry.answer})
}

type logged struct {
	leaf   [sha256.Size]byte
	answer map[string]any
}

// write verifies a proposed entry and signs when it came.
func (s *Sigstore) write(ctx context.Context, body io.Reader) (*logged, error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var kind struct{ Kind string }
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, err
	}
	var proposed models.ProposedEntry = &models.Hashedrekord{}
	if kind.Kind == "dsse" {
		proposed = &models.DSSE{}
	}
	if err := json.Unmarshal(raw, proposed); err != nil {
		return nil, err
	}
	entry, err := types.UnmarshalEntry(proposed)
	if err != nil {
		return nil, err
	}
	canonical, err := types.CanonicalizeEntry(ctx, entry)
	if err != nil {
		return nil, err
	}
	id, err := logID(s.rekor)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{
		"body":           base64.StdEncoding.EncodeToString(canonical),
		"integratedTime": time.Now().Unix(),
		"logID":          hex.EncodeToString(id[:]),
		"logIndex":       s.Count(Rekor),
	}
	// A map's keys are sorted, so this is its canonical form (RFC 8785).
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	promise, err := ecdsa.SignASN1(rand.Reader, s.rekor, hash[:])
	if err != nil {
		return nil, err
	}
	answer["verification"] = map[string]any{"signedEntryTimestamp": promise}
	return &logged{sha256.Sum256(append([]byte{0}, canonical...)), answer}, nil
}
