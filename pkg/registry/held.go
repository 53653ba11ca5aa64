package registry

import (
	"context"
	"net/http"
	"sync"

	digest "github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Held returns those of the blobs that a repository has. It asks for several at
// a time, and never reads one. Failures of the registry are an [*Error]; a
// repository that is not there has none.
func Held(ctx context.Context, repository string, blobs []digest.Digest, o Options) ([]digest.Digest, error) {
	s, err := Open(ctx, repository, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var mu sync.Mutex
	var held []digest.Digest
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelUploads)
	for _, d := range blobs {
		g.Go(func() error {
			return s.Do(ctx, "looking for the blob "+shortName(d)+" in", func(ctx context.Context) error {
				_, err := s.request(ctx, http.MethodHead, s.url("blobs/"+d.String()), nil, http.StatusOK)
				if err != nil {
					if classify(err, false) == Missing {
						return nil
					}
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				held = append(held, d)
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return held, nil
}
