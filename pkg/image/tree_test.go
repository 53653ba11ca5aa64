package image

import (
	"io/fs"
	"strings"
	"testing"
)

// The links of a merged tree lead where those of a folder do.
func TestTreeLinks(t *testing.T) {
	t.Parallel()
	files := withChains(linkTree)
	s, err := newSpool(t.TempDir())
	must(t, err)
	root := impliedDir()
	budget := maxMetadata
	l := &layerReader{root: root, spool: s, budget: &budget}
	for name, content := range files {
		i := strings.LastIndexByte(name, '/')
		dir, err := l.makeDir(name[:max(i, 0)])
		must(t, err)
		n := &node{}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			n.mode, n.target = fs.ModeSymlink, target
		} else {
			n.size = int64(len(content))
			n.offset, err = s.add(strings.NewReader(content), n.size)
			must(t, err)
		}
		must(t, l.put(dir, name[i+1:], n))
	}
	must(t, s.flush())
	r := &treeRoot{content: s.f, release: s.close, tree: root}
	defer r.Close()
	checkLinks(t, r)
}

func TestMetadataIsLimited(t *testing.T) {
	t.Parallel()
	budget := 10 * nodeSize
	l := &layerReader{root: impliedDir(), budget: &budget}
	if _, err := l.makeDir("a/b/c"); err != nil {
		t.Error(err)
	}
	if _, err := l.makeDir(strings.Repeat("d/", 20) + "e"); err != errTooMany {
		t.Errorf("err = %v", err)
	}
}
