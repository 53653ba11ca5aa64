package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// maxLinks is how many symbolic links may follow each other, as in Linux.
const maxLinks = 40

var (
	// errLeaves is met on the way to a file out of the project.
	errLeaves = errors.New("path leaves the project")
	// errLoop is met on the way to nowhere.
	errLoop = errors.New("too many symbolic links")
)

// lookAtFiles reports the files that the recipe names and that are not there,
// or are not what they are named for. Secrets and private keys are not looked
// at: they need only be there when they are used.
func (l *loader) lookAtFiles(r *Recipe) error {
	if err := l.look(r.Base.VerifyKey, "base.verify.key", "key", false); err != nil {
		return err
	}
	for i, f := range r.Files {
		if err := l.look(f.Source, fmt.Sprintf("files[%d].source", i), "file or folder", true); err != nil {
			return err
		}
	}
	for i, repo := range r.Repos {
		key := repo.GPGKey
		if key.isRemote() {
			key = Path{}
		}
		if err := errors.Join(l.look(key, fmt.Sprintf("repos[%d].gpgkey", i), "key", false),
			l.look(repo.File, fmt.Sprintf("repos[%d].file", i), "repository file", false)); err != nil {
			return err
		}
	}
	for i, pkg := range r.Packages.Install {
		if pkg.IsFile() {
			if err := l.look(pkg.Name, fmt.Sprintf("packages.install[%d]", i), "package file", false); err != nil {
				return err
			}
		}
	}
	for i, user := range r.Users {
		for j, key := range user.SSHKeys {
			if err := l.look(key, fmt.Sprintf("users[%d].ssh-keys[%d]", i, j), "public key", false); err != nil {
				return err
			}
		}
	}
	for i, key := range r.Trust.Keys {
		if err := l.look(key, fmt.Sprintf("trust.keys[%d]", i), "public key", false); err != nil {
			return err
		}
	}
	for i, run := range r.Run {
		if err := l.lookAtScript(run.Script, fmt.Sprintf("run[%d].script", i)); err != nil {
			return err
		}
	}
	return nil
}

// look reports a file that is not there. noun says what it is.
func (l *loader) look(p Path, docPath, noun string, folder bool) error {
	if !p.IsSet() {
		return nil
	}
	at := &value{pos: p.Pos, path: docPath, text: p.Value}
	if l.bundled(p, at) {
		return nil
	}
	info, err := l.stat(at, p.Name(), noun)
	if info == nil || err != nil {
		return err
	}
	if !info.Mode().IsRegular() && !(folder && info.IsDir()) {
		l.wrongFile(at, "a "+noun)
	}
	return nil
}

// bundled reports a path in a bundle, which has no files.
func (l *loader) bundled(p Path, at *value) bool {
	if !strings.HasPrefix(p.Pos.File, bundlePrefix) {
		return false
	}
	l.problem(at, "missing-file", "a bundle has no files of its own", "use content or shell")
	return true
}

func (l *loader) wrongFile(at *value, expected string) {
	l.problem(at, "wrong-kind", fmt.Sprintf("%q is not %s", at.text, expected), "")
}

// lookAtScript also reports line ends of Windows: the kernel looks for an
// interpreter whose name ends in a carriage return.
func (l *loader) lookAtScript(p Path, docPath string) error {
	before := len(l.problems)
	if err := l.look(p, docPath, "script", false); err != nil || !p.IsSet() || len(l.problems) > before {
		return err
	}
	text, err := readLimited(l.fsys, p.Name())
	if err != nil {
		return fmt.Errorf("reading script %q: %w", p.Name(), reason(err))
	}
	if first, _, _ := bytes.Cut(text, []byte("\n")); bytes.HasSuffix(first, []byte("\r")) {
		l.problem(&value{pos: p.Pos, path: docPath}, "line-ends", fmt.Sprintf("%q has the line ends of Windows, which no shell understands", p.Value),
			fmt.Sprintf("convert it with \"sed -i 's/\\r$//' %s\", and have git keep it so with \"*.sh text eol=lf\" in .gitattributes", p.Value))
	}
	return nil
}

// isFile reports whether a source is there and is no folder.
func (l *loader) isFile(p Path) bool {
	info, err := fs.Stat(l.fsys, p.Name())
	return err == nil && !info.IsDir()
}

// stat returns what is at a path of the project. Where nothing is there, or
// the path leads out of it, it reports that and returns nil.
func (l *loader) stat(at *value, name, noun string) (fs.FileInfo, error) {
	resolved, err := resolve(l.fsys, name)
	var info fs.FileInfo
	if err == nil {
		info, err = fs.Stat(l.fsys, resolved)
	}
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, errLeaves):
		l.problem(at, "path-leaves-project", fmt.Sprintf("%q leads out of the project, by a symbolic link", at.text), "copy the file into the project")
	case errors.Is(err, errLoop):
		l.problem(at, "missing-file", fmt.Sprintf("%q leads nowhere, by too many symbolic links", at.text), "")
	case errors.Is(err, fs.ErrNotExist):
		l.problem(at, "missing-file", fmt.Sprintf("there is no %s %q", noun, at.text), l.nearFile(name))
	default:
		return nil, fmt.Errorf("looking at %q, which %s names: %w", at.text, at.pos, reason(err))
	}
	return nil, nil
}

// nearFile makes a hint of what is in the folder that a missing file should be
// in.
func (l *loader) nearFile(name string) string {
	dir := path.Dir(name)
	entries, err := fs.ReadDir(l.fsys, dir)
	if err != nil {
		return fmt.Sprintf("there is no folder %q", dir)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := diag.Nearest(path.Base(name), names); near != "" {
		hint := fmt.Sprintf("did you mean %q?", path.Join(dir, near))
		if strings.EqualFold(near, path.Base(name)) {
			hint += " capitals count"
		}
		return hint
	}
	return "paths are relative to the folder of the file that names them"
}

// resolve follows the symbolic links of a name, as far as the file system
// tells them, and returns the name without them. A link that leads out is
// [errLeaves].
func resolve(fsys fs.FS, name string) (string, error) {
	done, todo := ".", strings.Split(path.Clean(name), "/")
	for links := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		todo = todo[1:]
		if next == ".." || strings.HasPrefix(next, "../") {
			return "", errLeaves
		}
		info, err := fs.Lstat(fsys, next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errLoop
		}
		target, err := fs.ReadLink(fsys, next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			return "", errLeaves
		}
		// ".." is about where the link is, so that it must not be cleaned away.
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}
