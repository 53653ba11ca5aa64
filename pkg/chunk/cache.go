package chunk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	digest "github.com/opencontainers/go-digest"
)

// cache keeps the layers of earlier runs that were proven, so that what has not
// changed is not compressed again. A file is named SIZE-DIFFID-DIGEST, of the
// archive, of the archive, and of the file. Several runs may use one folder. What
// is wrong with it fails no run: layers are made anew then, and not kept.
type cache struct {
	dir   string
	limit int64

	mu      sync.Mutex
	used    map[string]bool
	trouble error // the first, why layers are not kept
	// sizes has the layers by the size of their archives: one of another size
	// cannot be the one that is looked for. lent are those of a layout.
	sizes, lent map[int64][]blob
	lender      string
	// held are layers that need not be written, by what the history calls them:
	// how long their archives are is known only from their first bytes.
	held map[string][]blob
}

// cacheForm is the folder within the cache's. It is another one when the form of layers or the
// compression changes, so that a run with a cache writes what one without it writes.
const cacheForm = "zstd3-1"

// openCache reads what there is. dir "" is a cache of nothing.
func openCache(dir string, limit int64) *cache {
	c := &cache{limit: limit, used: map[string]bool{}, sizes: map[int64][]blob{}, lent: map[int64][]blob{}, held: map[string][]blob{}}
	if dir == "" {
		return c
	}
	c.dir = filepath.Join(dir, cacheForm)
	var files []fs.DirEntry
	err := os.MkdirAll(c.dir, 0o755)
	if err == nil {
		files, err = os.ReadDir(c.dir)
	}
	if err != nil {
		c.failed(fmt.Errorf("opening the cache of layers: %w", err))
		return c
	}
	for _, f := range files {
		if b, ok := parseCached(f.Name()); ok {
			c.sizes[b.unpacked] = append(c.sizes[b.unpacked], b)
		}
	}
	return c
}

// failed remembers why layers are not kept.
func (c *cache) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == nil {
		c.trouble = err
	}
}

// keeps reports whether layers are kept.
func (c *cache) keeps() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dir != "" && c.trouble == nil
}

// notes say that layers are not kept, where somebody wanted them to be.
func (c *cache) notes() []string {
	if c.trouble == nil {
		return nil
	}
	return []string{fmt.Sprintf("layers are not kept for the next run: %v", c.trouble)}
}

func parseCached(name string) (b blob, ok bool) {
	parts := strings.Split(name, "-")
	if len(parts) != 3 {
		return b, false
	}
	size, err := strconv.ParseInt(parts[0], 10, 64)
	b.unpacked = size
	b.diffID, b.digest = digest.NewDigestFromEncoded(digest.SHA256, parts[1]), digest.NewDigestFromEncoded(digest.SHA256, parts[2])
	return b, err == nil && b.diffID.Validate() == nil && b.digest.Validate() == nil
}

func (c *cache) path(b blob) string {
	return filepath.Join(c.dir, fmt.Sprintf("%d-%s-%s", b.unpacked, b.diffID.Encoded(), b.digest.Encoded()))
}

// may says whether the archive of that layer may be known.
func (c *cache) may(j *job) bool {
	return len(c.sizes[j.size])+len(c.lent[j.size])+len(c.held[j.name]) > 0
}

// take puts the layer of an archive into the layout, if it is there and whole.
func (c *cache) take(ctx context.Context, t *tools, layout string, size int64, diffID digest.Digest) (blob, bool, error) {
	for _, b := range c.sizes[size] {
		if b.diffID != diffID {
			continue
		}
		n, err := linkVerified(c.path(b), layout, b.digest)
		switch {
		case err == nil:
			b.size = n
			c.touch(b)
			return b, true, nil
		case errors.Is(err, errRotten):
			if err := os.Remove(c.path(b)); err != nil {
				c.failed(fmt.Errorf("removing a damaged layer from the cache: %w", err))
			}
		case isFull(err):
			return blob{}, false, fmt.Errorf("taking a layer out of the cache: %w", err)
		}
		// Another run may have removed it.
	}
	return c.borrow(ctx, t, layout, size, diffID)
}

// touch notes that a layer is in use. A cache that cannot be written to is one
// to take from.
func (c *cache) touch(b blob) {
	c.mu.Lock()
	c.used[filepath.Base(c.path(b))] = true
	c.mu.Unlock()
	now := time.Now()
	_ = os.Chtimes(c.path(b), now, now)
}

var errRotten = errors.New("other content than its name says")

// linkVerified makes a file a blob of the layout when it has the digest, and
// returns its size. It is copied where it cannot be linked.
func linkVerified(file, layout string, want digest.Digest) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return 0, err
	}
	if sum(h) != want {
		return 0, errRotten
	}
	return n, link(file, blobPath(layout, want))
}

// beginsCopy begins the name of a copy that is not finished.
const beginsCopy = ".copy-"

// link makes target the same file as source, or a copy.
func link(source, target string) (err error) {
	if err := os.Link(source, target); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(target), beginsCopy+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o644)
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(out.Name(), target)
	}
	return err
}

// keep adds a layer that was proven.
func (c *cache) keep(layout string, b blob) {
	if !c.keeps() {
		return
	}
	if err := link(blobPath(layout, b.digest), c.path(b)); err != nil {
		c.failed(fmt.Errorf("filling the cache of layers: %w", err))
		return
	}
	c.touch(b)
}

// prune removes what was not used for longest until the cache is within its
// limit, but nothing that this run used, and nothing that is not a layer.
func (c *cache) prune() {
	if !c.keeps() {
		return
	}
	if err := c.shrink(); err != nil {
		c.failed(fmt.Errorf("pruning the cache of layers: %w", err))
	}
}

func (c *cache) shrink() error {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var list []fs.FileInfo
	total := int64(0)
	for _, f := range files {
		_, layer := parseCached(f.Name())
		begun := strings.HasPrefix(f.Name(), beginsCopy)
		if !layer && !begun {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // by another run
		}
		if err != nil {
			return err
		}
		if begun {
			if time.Since(info.ModTime()) > day { // of a run that was killed
				if err := os.Remove(filepath.Join(c.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			continue
		}
		total += info.Size()
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, f := range list {
		if total <= c.limit {
			break
		}
		if c.used[f.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(c.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= f.Size()
	}
	return nil
}
