package chunk

import (
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

func (e *entry) time() time.Time { return time.Unix(e.mtime, 0) }

// retime gives the files the times of the plan.
//
// The one exception are Python sources with a compiled form beside them that
// was made from the source of that very time: Python compares the two, and
// with another time would compile the source anew in every process. The compiled
// form holds the time, so that these layers would not be reproducible without
// it either.
func (a *archive) retime(p *Plan) error {
	for _, l := range p.Layers {
		for _, g := range l.Groups {
			for _, f := range g.Files {
				i := a.tree.find(f.Name)
				if i < 0 {
					continue
				}
				at, err := a.timeFor(i, f.Time)
				if err != nil {
					return err
				}
				a.tree.entries[i].mtime = at
			}
		}
	}
	return nil
}

// timeFor is the time of a file for which the plan says another.
func (a *archive) timeFor(i int, planned int64) (int64, error) {
	of := a.tree.entries[i].mtime
	if of == planned {
		return of, nil
	}
	for _, at := range a.compiled[i] {
		made, ok, err := a.compiledFrom(a.tree.entries[at].name)
		if err != nil {
			return 0, err
		}
		if ok && made == uint32(of) {
			return of, nil
		}
	}
	return planned, nil
}

// compiled finds the compiled forms of Python sources.
func (t *tree) compiled() map[int][]int {
	forms := map[int][]int{}
	for i := range t.entries {
		source := pythonSource(t.entries[i].name)
		if source == "" || !t.entries[i].mode.IsRegular() {
			continue
		}
		if at := t.find(source); at >= 0 {
			forms[at] = append(forms[at], i)
		}
	}
	return forms
}

// pythonSource names the source of a compiled module in a cache folder (PEP
// 3147: "__pycache__/NAME.TAG.pyc", PEP 488: "NAME.TAG.opt-1.pyc"), "" for
// what is none.
func pythonSource(name string) string {
	dir, base := path.Split(name)
	folder, ok := strings.CutSuffix(dir, "__pycache__/")
	stem, compiled := strings.CutSuffix(base, ".pyc")
	if !ok || !compiled {
		return ""
	}
	if i := strings.LastIndex(stem, ".opt-"); i >= 0 {
		stem = stem[:i]
	}
	i := strings.LastIndexByte(stem, '.')
	if i < 0 {
		return ""
	}
	return folder + stem[:i] + ".py"
}

// compiledFrom returns the time of the source that a compiled module was made
// from, unless it knows its source by a hash instead (PEP 552).
func (a *archive) compiledFrom(name string) (uint32, bool, error) {
	f, err := a.root.Open(name)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	var head [16]byte // magic number, flags, time, size
	if _, err := io.ReadFull(f, head[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return 0, false, nil
		}
		return 0, false, fmt.Errorf("%q: %w", name, err)
	}
	flags := binary.LittleEndian.Uint32(head[4:])
	return binary.LittleEndian.Uint32(head[8:]), flags == 0, nil
}
