package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// files plans the words under "files". A file lands at its destination; of a
// folder, the content lands in the destination, over what is there.
func (p *planner) files() {
	var origin []diag.Pos
	var instructions []Instruction
	var special []Command
	for i, f := range p.r.Files {
		at := firstValid(f.Pos, f.Destination.Pos)
		instruction, ok := p.file(f, at, fmt.Sprintf("files[%d]", i))
		if !ok {
			continue
		}
		origin = append(origin, at)
		instructions = append(instructions, instruction)
		if instruction.Copy == nil {
			continue
		}
		if mode, _ := strconv.ParseUint(instruction.Copy.Mode, 8, 12); mode&0o6000 != 0 {
			// Builders drop these bits from what they copy.
			special = append(special, Command{
				Args:  []string{"chmod", instruction.Copy.Mode, "--"},
				Words: []Word{{Value: f.Destination.Value, Origin: at}},
			})
		}
	}
	if len(special) > 0 {
		instructions = append(instructions, p.run(special))
	}
	if len(instructions) > 0 {
		p.step(KindFiles, "Files of the project", origin, instructions...)
	}
}

// file plans one entry of "files", which is at origin.
//
// A file goes into a folder of its own in the build context, and that folder's
// content is copied: the name of what is copied is read as a pattern, and
// builders do not agree on how a name with "*" or a backslash stands for
// itself.
func (p *planner) file(f recipe.File, origin diag.Pos, where string) (i Instruction, ok bool) {
	mode, ok := p.fileMode(f, where)
	if !ok {
		return Instruction{}, false
	}
	src := generated([]byte(f.Content.Value), cmp.Or(mode, 0o644))
	if f.Source.IsSet() {
		var isFolder bool
		if src, isFolder, ok = p.source(f.Source, where+".source", mode); !ok {
			return Instruction{}, false
		}
		if isFolder {
			return p.folder(f, src, origin, where)
		}
		if !f.Mode.IsSet() {
			mode = p.modeOf(src)
		}
	} else if !f.Mode.IsSet() {
		mode = 0o644
	}
	name := path.Base(f.Destination.Value)
	return Instruction{Copy: &Copy{
		Sources:     []string{path.Dir(p.place(src, "files", mountable(name), name)) + "/"},
		Destination: strings.TrimSuffix(path.Dir(f.Destination.Value), "/") + "/",
		Mode:        fmt.Sprintf("%04o", octal(mode)),
		Owner:       f.Owner.Value,
		Origin:      origin,
	}}, true
}

// folder plans an entry of "files" whose source is a folder. It is not a
// [Copy], which changes the folders that it meets in the image.
func (p *planner) folder(f recipe.File, src Source, origin diag.Pos, where string) (i Instruction, ok bool) {
	if octal(src.Mode)&0o7000 != 0 {
		p.problem(f.Mode.Pos, "invalid-value", where+".mode", "name the file in an entry of its own",
			"the mode %q for the files of a folder has special bits", f.Mode.Value)
		return Instruction{}, false
	}
	words := []Word{{Value: f.Destination.Value, Origin: origin}}
	if f.Owner.IsSet() {
		words = append(words, Word{Value: f.Owner.Value, Origin: f.Owner.Pos})
	}
	// The last name plays no part, but tells readers what it is.
	at := p.place(src, "files", mountable(path.Base(src.Path)))
	return p.run(
		[]Command{scriptCommand("copy-folder.sh", words)},
		Mount{Type: MountBind, Source: at, Target: scriptTarget("files")},
		p.script("copy-folder.sh"),
	), true
}

// modeOf returns the mode that a file of the project has in the build context.
func (p *planner) modeOf(src Source) (mode fs.FileMode) {
	err := src.Walk(p.o.Read, func(e Entry) error {
		mode = e.Mode
		return nil
	})
	if err != nil {
		p.fail(fmt.Errorf("reading %q: %w", src.Path, err))
	}
	return mode
}

// specialBits are the bits of a mode that fs.FileMode keeps elsewhere.
var specialBits = map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky}

// fileMode reads the word files[].mode; 0 where the recipe does not say.
func (p *planner) fileMode(f recipe.File, where string) (mode fs.FileMode, ok bool) {
	if !f.Mode.IsSet() {
		return 0, true
	}
	n, err := strconv.ParseUint(f.Mode.Value, 8, 12)
	if err != nil {
		p.problem(f.Mode.Pos, "invalid-value", where+".mode", "write it in octal, as in \"0644\"", "%q is not a file mode", f.Mode.Value)
		return 0, false
	}
	mode = fs.FileMode(n & 0o777)
	for bit, flag := range specialBits {
		if n&bit != 0 {
			mode |= flag
		}
	}
	return mode, true
}

// octal returns the mode as chmod(2) takes it.
func octal(mode fs.FileMode) uint64 {
	n := uint64(mode.Perm())
	for bit, flag := range specialBits {
		if mode&flag != 0 {
			n |= bit
		}
	}
	return n
}
