package registry

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"

	"github.com/dustin/go-humanize"
)

// smallLayer is a size, in bytes, below which no limit on uploads is: layers of
// it need not become smaller.
const smallLayer = 16 << 20

// limitInText finds the limit where a registry names it: Quay's "is larger than
// 20.0 GiB allowed", and "exceeds the maximum permissible limit of 4.00MiB".
var limitInText = regexp.MustCompile(`(?:larger than|limit of) (?:the )?(?:maximum )?(?:allowed )?(\d+(?:\.\d+)? ?[KMGT]i?B)`)

// statedLimits are what registries say of themselves.
var statedLimits = map[string]string{
	// docs.github.com, "Working with the Container registry", Troubleshooting.
	"ghcr.io": "ghcr.io takes 10 GB a layer, and 10 minutes an upload",
}

// explain adds to the last failure of a blob what its tries together tell: a
// large layer that breaks off each time runs into a limit, and smaller ones do
// not.
func (t *transfer) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) || t.blob.size < smallLayer {
		return err
	}
	size := humanize.IBytes(uint64(t.blob.size))
	stated := ""
	if s := statedLimits[t.u.s.host]; s != "" {
		stated = " (" + s + ")"
	}
	switch {
	case e.Class == TooLarge:
		limit := t.blob.size / 2
		if m := limitInText.FindStringSubmatch(err.Error()); m != nil {
			if n, err := humanize.ParseBytes(m[1]); err == nil {
				limit = int64(n)
			}
		}
		e.Hint = fmt.Sprintf(`this layer has %s%s: set "chunk: {largest: %s}" in the recipe, `+
			`or raise the limit of the proxy before the registry (nginx: "client_max_body_size 0")`, size, stated, largest(limit))
	case e.Retryable() && t.longest > 0:
		e.Hint = fmt.Sprintf(`each try of this layer broke off, after at most %s of its %s: the registry, or a proxy before it, limits the size or the time of an upload%s. `+
			`Set "chunk: {largest: %s}" in the recipe; what has arrived is not sent again`,
			humanize.IBytes(uint64(t.longest)), size, stated, largest(t.longest))
	}
	return err
}

// largest is a value for the recipe's chunk.largest that keeps well below a
// limit: a power of two.
func largest(limit int64) string {
	most := uint64(max(limit*3/4, 1<<20))
	return fmt.Sprintf("%dMiB", min(uint64(1)<<(bits.Len64(most)-1), 512<<20)>>20)
}
