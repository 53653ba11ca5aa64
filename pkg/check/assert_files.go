package check

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

func (a *assertions) files() error {
	for _, want := range a.tests.FilesPresent {
		if err := a.filePresent(want); err != nil {
			return err
		}
	}
	for _, not := range a.tests.FilesAbsent {
		_, err := a.root.Lstat(rootName(not.Value))
		if err == nil {
			a.fail(not.Pos, "tests.files.absent", "file-present", "remove it in a run step, or the package that has it", "%q is in the image", not.Value)
		} else if !isAbsent(err) {
			return err
		}
	}
	return nil
}

const filesPresent = "tests.files.present"

// filePresent follows links, as whatever uses the file will.
func (a *assertions) filePresent(want recipe.FileTest) error {
	name := rootName(want.Path.Value)
	fi, err := a.root.Stat(name)
	if isAbsent(err) {
		return a.fileAbsent(want.Path, name)
	}
	if err != nil {
		return err
	}
	// Package recipe lets nothing but octal digits through.
	if mode, err := strconv.ParseUint(want.Mode.Value, 8, 32); err == nil && uint64(image.StatOf(fi).Mode) != mode {
		a.fail(want.Mode.Pos, filesPresent, "wrong-mode", "say the mode under files, or where the file comes from change it in a run step",
			"%q has mode %04o, not %04o", want.Path.Value, image.StatOf(fi).Mode, mode)
	}
	if err := a.owner(want, fi); err != nil {
		return err
	}
	for _, content := range []struct {
		want recipe.String
		test func(recipe.FileTest, string) error
	}{{want.Contains, a.contains}, {want.Equals, a.equals}} {
		if !content.want.IsSet() {
			continue
		}
		if !fi.Mode().IsRegular() {
			a.fail(content.want.Pos, filesPresent, "wrong-content", "name a file", "%q is a %s, which has no text", want.Path.Value, describeType(fi.Mode()))
			continue
		}
		if err := content.test(want, name); err != nil {
			return fmt.Errorf("reading %q: %w", want.Path.Value, err)
		}
	}
	return nil
}

func (a *assertions) fileAbsent(want recipe.String, name string) error {
	hint := "install the package that has it, or add it to files"
	if target, err := a.root.ReadLink(name); err == nil {
		a.fail(want.Pos, filesPresent, "file-absent", hint, "%q is a link to %q, which is not in the image", want.Value, target)
		return nil
	}
	beside, err := a.target.readDir(path.Dir(name))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range beside {
		names = append(names, e.Name())
	}
	a.fail(want.Pos, filesPresent, "file-absent", orNear(hint, path.Base(name), names, "which is in the same folder"), "%q is not in the image", want.Value)
	return nil
}

// searched is how much of a file is looked at, in bytes: configuration is
// smaller, and images have files of gigabytes.
const searched = 16 << 20

func (a *assertions) contains(want recipe.FileTest, name string) error {
	f, err := a.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: searched}
	found, err := containsText(limited, want.Contains.Value)
	if err != nil || found {
		return err
	}
	within := ""
	if limited.N == 0 {
		within = fmt.Sprintf(" in its first %s", bytesText(searched))
	}
	a.fail(want.Contains.Pos, filesPresent, "wrong-content", "it is compared as it is written, with case and blanks",
		"%q does not contain %q%s", want.Path.Value, clip(want.Contains.Value), within)
	return nil
}

// containsText searches a stream in pieces, which overlap by the length of the
// text so that none is missed between two of them.
func containsText(r io.Reader, text string) (bool, error) {
	piece := make([]byte, max(64<<10, 2*len(text)))
	kept := 0
	for {
		n, err := io.ReadFull(r, piece[kept:])
		if bytes.Contains(piece[:kept+n], []byte(text)) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = max(0, len(text)-1)
		copy(piece, piece[len(piece)-kept:])
	}
}

func (a *assertions) equals(want recipe.FileTest, name string) error {
	f, err := a.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// One byte more than wanted tells that there is more.
	got, err := io.ReadAll(io.LimitReader(f, int64(len(want.Equals.Value))+1))
	if err != nil || string(got) == want.Equals.Value {
		return err
	}
	a.fail(want.Equals.Pos, filesPresent, "wrong-content", `the whole file is compared, the newline at its end too (write "text\n", or a block with |)`,
		"%q is not what it has to be: %s", want.Path.Value, firstDifference(want.Equals.Value, string(got)))
	return nil
}

// firstDifference shows the first line in which a file is not what it has to
// be. got may be cut off, after the first byte that is too much.
func firstDifference(want, got string) string {
	w, g := bufio.NewReader(strings.NewReader(want)), bufio.NewReader(strings.NewReader(got))
	for n := 1; ; n++ {
		wl, wantEnds := w.ReadString('\n')
		gl, gotEnds := g.ReadString('\n')
		switch {
		case wl == gl && wantEnds == nil && gotEnds == nil:
		case gl == "":
			return fmt.Sprintf("it ends before line %d, %q", n, clip(wl))
		case wl == "":
			return fmt.Sprintf("it goes on after line %d", n-1)
		default:
			return fmt.Sprintf("line %d is %q, not %q", n, clip(gl), clip(wl))
		}
	}
}

// clip keeps messages short.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// owner compares numbers: the names are what the image itself calls them.
func (a *assertions) owner(want recipe.FileTest, fi fs.FileInfo) error {
	if !want.Owner.IsSet() {
		return nil
	}
	acc, err := a.accounts()
	if err != nil {
		return err
	}
	user, group, _ := strings.Cut(want.Owner.Value, ":")
	uid, userKnown := acc.users.id(user)
	gid, groupKnown := acc.groups.id(group)
	if !userKnown {
		a.unknownOwner(want, "user", user, acc.users)
	}
	if !groupKnown {
		a.unknownOwner(want, "group", group, acc.groups)
	}
	st := image.StatOf(fi)
	if userKnown && groupKnown && (st.UID != uid || st.GID != gid) {
		a.fail(want.Owner.Pos, filesPresent, "wrong-owner", "say the owner under files, or where the file comes from change it in a run step",
			"%q belongs to %s:%s (%d:%d), not to %s (%d:%d)", want.Path.Value,
			acc.users.name(st.UID), acc.groups.name(st.GID), st.UID, st.GID, want.Owner.Value, uid, gid)
	}
	return nil
}

func (a *assertions) unknownOwner(want recipe.FileTest, what, name string, known ids) {
	hint := "give its number, which the image must fix for a file to belong to it"
	if known.has(name) {
		a.fail(want.Owner.Pos, filesPresent, "wrong-owner", hint, "%q cannot belong to the %s %q, whose number is only chosen at boot", want.Path.Value, what, name)
		return
	}
	a.fail(want.Owner.Pos, filesPresent, "wrong-owner", orNear("make it under users", name, known.sorted(), "which the image has"),
		"%q cannot belong to the %s %q, which the image does not have", want.Path.Value, what, name)
}

// rootName is a path of a recipe as package image names it.
func rootName(p string) string {
	if name := strings.TrimPrefix(path.Clean("/"+p), "/"); name != "" {
		return name
	}
	return "."
}
