package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// Load reads the recipe with the given name from a folder, with all that it
// includes, and looks whether the files that it names are there. Every value
// keeps the position of the file that says it.
//
// The recipe is nil when the list holds an error; the list is sorted, and may
// hold warnings beside a recipe. The sources are those of all files that were
// read, for [diag.Print]. The error is for what is no fault of the recipe's: the
// recipe itself cannot be read (a missing one is [fs.ErrNotExist]), or the
// disk fails.
//
// No path in a recipe leads out of fsys, whether by ".." or by a symbolic
// link. That holds for what Load itself reads as well if fsys keeps to its
// folder, as [os.Root.FS] does.
func Load(fsys fs.FS, name string, o Options) (*Recipe, diag.Sources, diag.List, error) {
	l := &loader{fsys: fsys, options: o, sources: diag.Sources{}}
	text, err := readLimited(fsys, name)
	if err != nil {
		return nil, l.sources, nil, fmt.Errorf("reading recipe %q: %w", path.Join(o.Display, name), reason(err))
	}
	main := &source{name: path.Join(o.Display, name), dir: path.Dir(name), text: text}
	if err := l.source(main, name, nil); err != nil {
		return nil, l.sources, nil, err
	}
	r := l.layers.bind(main.name)
	r.Dir, r.isFile = main.dir, l.isFile
	if err := l.lookAtFiles(r); err != nil {
		return nil, l.sources, nil, err
	}
	for _, v := range l.layers.variants() {
		if err := l.lookAtFiles(bind(main.name, v)); err != nil {
			return nil, l.sources, nil, err
		}
	}
	l.problems = append(l.problems, r.disagreements(l.isFile, l.problems)...)
	l.problems = append(l.problems, leaks(l.variables, r.Secrets)...)
	l.problems = append(l.problems, l.options.inspect(r)...)
	r, problems := finish(r, l.problems)
	return r, l.sources, problems, nil
}

// bundlePrefix begins the name of a bundle in positions.
const bundlePrefix = "bundle:"

// InBundle reports whether pos is in a bundle, and so no word of the user's own.
func InBundle(pos diag.Pos) bool { return strings.HasPrefix(pos.File, bundlePrefix) }

// loader follows includes.
type loader struct {
	fsys      fs.FS
	options   Options
	sources   diag.Sources
	problems  diag.List
	variables []variableUse
	// done are the files that were read, and active those of them whose
	// includes are being followed, outermost first.
	done   []string
	active []active
	layers layers
}

// active is a file whose includes are being followed.
type active struct {
	key string
	// at is where it is included, nil for the recipe itself.
	at *value
}

// source adds the layers of all that a file includes, and its own. key tells
// the file from all others. at is where it is included, nil for the recipe
// itself.
func (l *loader) source(s *source, key string, at *value) error {
	l.done, l.active = append(l.done, key), append(l.active, active{key, at})
	defer func() { l.active = l.active[:len(l.active)-1] }()

	l.sources[s.name] = s.text
	v, uses := s.parse(l.options, at != nil, &l.problems)
	l.variables = append(l.variables, uses...)
	if v == nil {
		return nil
	}
	if include := v.member("include"); include != nil {
		for _, item := range include.items {
			if err := l.include(s, item); err != nil {
				return err
			}
		}
	}
	l.warnOfPublishing(v, at)
	l.layers = append(l.layers, layer{v, at})
	return nil
}

// include adds the layers that one entry of an include list brings in; none
// where that was brought in before, or there is a problem.
func (l *loader) include(from *source, item *value) error {
	s := &source{dir: ".", bundle: !strings.HasPrefix(item.text, ".")}
	fsys, name := l.fsys, path.Join(from.dir, item.text)
	if s.bundle {
		fsys, name = l.options.Bundles, item.text+".yaml"
		s.name = bundlePrefix + name
		if !slices.Contains(bundleNames(fsys), item.text) {
			l.unknownBundle(item)
			return nil
		}
	} else {
		s.name, s.dir = path.Join(l.options.Display, name), path.Dir(name)
		if info, err := l.stat(item, name, "file to include"); info == nil || err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			l.wrongFile(item, "a file")
			return nil
		}
	}
	key := s.name
	if i := slices.IndexFunc(l.active, func(a active) bool { return a.key == key }); i >= 0 {
		l.cycle(l.active[i+1:], item)
		return nil
	}
	if slices.Contains(l.done, key) {
		return nil
	}
	text, err := readLimited(fsys, name)
	if err != nil {
		return fmt.Errorf("reading %q, which %s includes: %w", s.name, item.pos, reason(err))
	}
	s.text = text
	return l.source(s, key, item)
}

// cycle reports the entry that includes a file which is being followed already,
// with the entries that lead from that file to this one.
func (l *loader) cycle(way []active, item *value) {
	message := fmt.Sprintf("%q includes itself", item.text)
	for i, a := range way {
		by := ", by way of"
		if i > 0 {
			by = " and"
		}
		message += fmt.Sprintf("%s %s (%s)", by, a.key, a.at.pos)
	}
	l.problem(item, "include-cycle", message, "remove one of the includes")
}

// warnOfPublishing speaks up where a recipe includes a whole other one, whose
// tags it would take over.
func (l *loader) warnOfPublishing(v, at *value) {
	publish := v.member("publish")
	if at == nil || publish == nil || len(publish.items) == 0 || v.member("name") == nil {
		return
	}
	l.problems.Add(diag.Diagnostic{
		Pos: at.pos, Path: at.path, Severity: diag.Warning, Code: "publishes-include",
		Message: fmt.Sprintf("%q is a recipe that publishes, and this image goes to the same places", at.text),
		Hint:    "move what both share into a file without publish, and include that in both",
	})
}

func (l *loader) problem(at *value, code, message, hint string) {
	l.problems.Add(diag.Diagnostic{Pos: at.pos, Path: at.path, Code: code, Message: message, Hint: hint})
}

func (l *loader) unknownBundle(item *value) {
	names := bundleNames(l.options.Bundles)
	all := "there are no bundles"
	if len(names) > 0 {
		all = "the bundles are " + strings.Join(names, ", ")
	}
	if near := cmp.Or(diag.Nearest(item.text, names), diag.Part(item.text, names)); near != "" {
		all = didYouMean(near, all)
	} else {
		all += fmt.Sprintf("; a file is written \"./%s.yaml\"", item.text)
	}
	l.problem(item, "unknown-bundle", fmt.Sprintf("there is no bundle %q", item.text), all)
}

// bundleNames returns the names that can be included, sorted.
func bundleNames(bundles fs.FS) []string {
	if bundles == nil {
		return nil
	}
	files, _ := fs.Glob(bundles, "*.yaml") // the pattern is well formed
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".yaml")
	}
	return files
}

// readLimited reads a file, but no more of it than tells that it is too long.
func readLimited(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	return text, errors.Join(err, f.Close())
}

// reason strips an error of the path that the message names already.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
