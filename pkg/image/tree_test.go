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
	root := impliedDir()
	l := &layerReader{root: root, left: newBudget(maxMetadata)}
	for name, content := range files {
		i := strings.LastIndexByte(name, '/')
		dir, err := l.makeDir(name[:max(i, 0)])
		must(t, err)
		n := &node{}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			n.mode, n.target = fs.ModeSymlink, target
		} else {
			n.size, n.content = int64(len(content)), strings.NewReader(content)
		}
		must(t, l.put(dir, name[i+1:], n))
	}
	r := &treeRoot{release: func() error { return nil }, tree: root}
	defer r.Close()
	checkLinks(t, r)
}

func TestMetadataIsLimited(t *testing.T) {
	t.Parallel()
	l := &layerReader{root: impliedDir(), left: newBudget(10 * nodeSize)}
	if _, err := l.makeDir("a/b/c"); err != nil {
		t.Error(err)
	}
	if _, err := l.makeDir(strings.Repeat("d/", 20) + "e"); err != errTooMany {
		t.Errorf("err = %v", err)
	}
}
