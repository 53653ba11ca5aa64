package chunk

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	digest "github.com/opencontainers/go-digest"
)

// staleProof reads a stale layer. Each entry has to be what the image has there,
// if the plan says that this layer has it, or dead: a file that a layer above
// replaces by another one, or that the highest removes. Nothing may be a
// directory in one layer and something else in another, because that is not
// merged alike everywhere.
//
// Whoever made the layer may mean ill. So its archive is made again, of the
// image's own files and of what is dead in it, and its diff ID has to be that of
// the result: no content can have the sum of another one then, and nothing can be
// in the archive that only some of its readers see.
type staleProof struct {
	*layerProof
	source *archive
	heads  *headWriter
	again  hash.Hash
	// layer has for each entry of the image the layer that has it, from the
	// lowest, and at is this one.
	layer []int
	at    int
	// names are those of the archive, with whether each is a directory.
	names map[string]bool
	// absent are those that the image has not.
	absent map[string]bool
}

// stale begins the proof of the stale layer at that place.
func (p *proof) stale(a *archive, layer []int, at int, block []byte) *staleProof {
	return &staleProof{
		layerProof: p.layer(placeFiles, block), source: a, heads: newHeadWriter(a.tree), again: sha256.New(),
		layer: layer, at: at, names: map[string]bool{}, absent: map[string]bool{},
	}
}

// read reads a whole archive, which is to have that diff ID.
func (p *staleProof) read(ctx context.Context, r io.Reader, diffID digest.Digest) error {
	if err := eachEntry(ctx, r, p.entry); err != nil {
		return err
	}
	found := map[int]bool{}
	for _, s := range p.found {
		found[s.entry] = true
	}
	for i, at := range p.layer {
		if at == p.at && !found[i] {
			return &DifferenceError{Name: p.tree.entries[i].name, What: "the layer does not have it"}
		}
	}
	_, _ = p.again.Write(zeros[:]) // a hash never fails
	if got := sum(p.again); got != diffID {
		return &DifferenceError{What: fmt.Sprintf("a layer is %s, and %s when it is made again", diffID, got)}
	}
	return nil
}

func (p *staleProof) entry(h *tar.Header, content io.Reader) error {
	name, isDir := strings.TrimSuffix(h.Name, "/"), h.Typeflag == tar.TypeDir
	differs := func(format string, args ...any) error {
		return &DifferenceError{Name: name, What: fmt.Sprintf(format, args...)}
	}
	if err := p.check(name, h, differs); err != nil {
		return err
	}
	p.names[name] = isDir
	i := p.tree.find(name)
	switch {
	case i < 0:
		// ostree imports each layer before it merges them, so what it cannot
		// import must not be dead in one either.
		switch {
		case !utf8.ValidString(name) || !utf8.ValidString(h.Linkname):
			return differs("the image does not have it any more, and bootc imports no layer with a name that is not UTF-8")
		case h.Typeflag == tar.TypeFifo || h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock:
			return differs("the image does not have it any more, and bootc imports no layer with a device or pipe")
		}
		p.absent[name] = isDir
	case isDir && !p.tree.entries[i].isDir():
		return differs("it is a directory there, and none in the image")
	case !isDir && p.tree.entries[i].isDir():
		return differs("it is no directory there, and one in the image")
	case isDir, p.layer[i] > p.at:
	case p.layer[i] < p.at:
		return differs("a layer below has what is there now")
	default:
		return p.live(i, h, content, differs)
	}
	if isDir {
		if err := plainDirectory(h, differs); err != nil {
			return err
		}
	}
	return p.dead(name, h, content)
}

// live makes an entry again from the image, and says in what the layer's is
// another one.
func (p *staleProof) live(i int, h *tar.Header, content io.Reader, differs func(string, ...any) error) error {
	it := item{entry: i}
	head, err := p.heads.head(it)
	if err != nil {
		return err
	}
	_, _ = p.again.Write(head)
	p.source.heads[i] = xxhash.Sum64(head)
	if n := p.source.content(it); n > 0 {
		if p.source.sums[i], err = p.source.copy(p.again, p.tree.entries[i].name, n, p.block); err != nil {
			return err
		}
		_, _ = p.again.Write(zeros[:padding(n)])
	}
	if e := &p.tree.entries[p.tree.entries[i].leader]; h.ModTime.Unix() != e.mtime {
		return differs("time %d, and %d in the image", h.ModTime.Unix(), e.mtime)
	}
	return p.layerProof.entry(h, content)
}

// dead makes an entry again from what the layer says of it, as this run would
// write it.
func (p *staleProof) dead(name string, h *tar.Header, content io.Reader) error {
	again := &tar.Header{
		Format: tar.FormatPAX, Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size,
		Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, ModTime: time.Unix(h.ModTime.Unix(), 0), Devmajor: h.Devmajor, Devminor: h.Devminor,
		PAXRecords: map[string]string{},
	}
	if h.Typeflag == tar.TypeDir {
		again.Name += "/"
	}
	for key, value := range xattrsOf(h) {
		again.PAXRecords[xattrRecord+key] = value
	}
	head, err := p.heads.bytes(again)
	if err != nil {
		return err
	}
	_, _ = p.again.Write(head)
	n, err := io.CopyBuffer(onlyWriter{p.again}, content, p.block)
	if err != nil {
		return fmt.Errorf("reading the layer: %q: %w", name, err)
	}
	_, _ = p.again.Write(zeros[:padding(n)])
	return nil
}

// check says whether an entry is one that may be in a layer, whatever it holds.
func (p *staleProof) check(name string, h *tar.Header, differs func(string, ...any) error) error {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	if name == "" || path.Clean("/" + name)[1:] != name || strings.ContainsRune(name, 0) || strings.HasPrefix(base, whiteout) {
		return differs("no layer of files may have that")
	}
	if _, twice := p.names[name]; twice {
		return differs("it is twice in one layer")
	}
	if dir != "" && !p.names[dir] {
		return differs("the layer does not have the directory")
	}
	switch h.Typeflag {
	case tar.TypeLink:
		if target, ok := p.names[h.Linkname]; !ok || target {
			return differs("it is a link to what is not in the layer")
		}
	case tar.TypeReg, tar.TypeSymlink, tar.TypeDir, tar.TypeFifo, tar.TypeBlock:
	case tar.TypeChar:
		if h.Devmajor == 0 && h.Devminor == 0 {
			return differs("it is a whiteout of overlayfs")
		}
	default:
		return differs("type %q", h.Typeflag)
	}
	return nil
}

func plainDirectory(h *tar.Header, differs func(string, ...any) error) error {
	if h.Mode != 0o755 || h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 || len(xattrsOf(h)) > 0 {
		return differs("the directory is not a plain one")
	}
	return nil
}
