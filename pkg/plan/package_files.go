package plan

import (
	"path"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// packageFolder is where a step sees package files.
const packageFolder = "/run/bootkiln/packages/"

// isPackageFile reports whether a word of a transaction is a package file.
func isPackageFile(w Word) bool { return strings.HasPrefix(w.Value, packageFolder) }

// packageFiles are the package files that a transaction installs beside names.
type packageFiles struct {
	// words are their paths in the step.
	words []Word
	// mounts show those of the project, and commands fetch the others.
	mounts   []Mount
	scripts  []string
	commands []Command
}

// addFile takes in a package file by its name, and returns its path in the step;
// "" after a problem.
func (p *planner) addFile(files *packageFiles, name recipe.String, where string) string {
	base := mountable(path.Base(name.Value))
	if suffix := p.manager.PackageFile(); !strings.HasSuffix(base, suffix) {
		p.problem(name.Pos, "not-supported", where, "name a file that ends in "+suffix,
			"%q is no package of %s, which the base has", name.Value, p.manager.Name())
		return ""
	}
	w := Word{Value: packageFolder + base, Origin: name.Pos}
	for _, other := range files.words {
		if other.Value == w.Value {
			p.problem(name.Pos, "conflict", where, "take out one of them",
				"the package file %q is there already (%s)", base, other.Origin)
			return ""
		}
	}
	files.words = append(files.words, w)
	return w.Value
}

// localFile plans a package file of the project.
func (p *planner) localFile(files *packageFiles, name recipe.Path, where string) {
	target := p.addFile(files, name.String, where)
	if target == "" {
		return
	}
	src, isFolder, ok := p.source(name, where, 0o644)
	if isFolder {
		p.problem(name.Pos, "wrong-kind", where, "", "%q is a folder, and not a package file", name.Value)
	}
	if ok && !isFolder {
		files.mounts = append(files.mounts, Mount{Type: MountBind, Source: p.place(src, "packages", path.Base(target)), Target: target})
	}
}

// remoteFile plans a package file at an address. A script fetches it in the
// step itself, and compares its digest before anything reads it: ADD knows
// checksums too, but not in the builders of all distributions, and would leave
// the file in a layer.
func (p *planner) remoteFile(files *packageFiles, pkg recipe.Package, where string) {
	target := p.addFile(files, pkg.URL, where)
	if target == "" {
		return
	}
	if len(files.scripts) == 0 {
		files.scripts = []string{"fetch.sh"}
	}
	files.commands = append(files.commands, fetch(target,
		Word{Value: pkg.URL.Value, Origin: pkg.URL.Pos}, Word{Value: pkg.SHA256.Value, Origin: pkg.SHA256.Pos}))
}

// fetch is the command that fetches what is at an address into a file. The
// digest may follow the address.
func fetch(file string, words ...Word) Command { return scriptCommand("fetch.sh", words, file) }
