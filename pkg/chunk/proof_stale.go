package chunk

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
)

// staleProof reads a stale layer. Each entry has to be what the image has there,
// if the plan says that this layer has it, or dead: a file that a layer above
// replaces by another one, or that the highest removes. Nothing may be a
// directory in one layer and something else in another, because that is not
// merged alike everywhere.
type staleProof struct {
	*layerProof
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
func (p *proof) stale(layer []int, at int, block []byte) *staleProof {
	return &staleProof{layerProof: p.layer(placeFiles, block), layer: layer, at: at, names: map[string]bool{}, absent: map[string]bool{}}
}

// archive reads a whole archive.
func (p *staleProof) archive(ctx context.Context, r io.Reader) error {
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
	case i < 0 && isDir:
		p.absent[name] = true
		return plainDirectory(h, differs)
	case i < 0:
		p.absent[name] = false
		return nil
	case isDir != p.tree.entries[i].isDir():
		return differs("type %q, and %v in the image", h.Typeflag, p.tree.entries[i].mode)
	case isDir:
		return plainDirectory(h, differs)
	case p.layer[i] > p.at:
		return nil
	case p.layer[i] < p.at:
		return differs("a layer below has what is there now")
	}
	if e := &p.tree.entries[p.tree.entries[i].leader]; h.ModTime.Unix() != e.mtime {
		return differs("time %d, and %d in the image", h.ModTime.Unix(), e.mtime)
	}
	return p.layerProof.entry(h, content)
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
	if h.Mode != 0o755 || h.Uid != 0 || h.Gid != 0 || len(xattrsOf(h)) > 0 {
		return differs("the directory is not a plain one")
	}
	return nil
}
