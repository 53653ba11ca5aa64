package check

import (
	"errors"
	"fmt"
	"path"
)

// prepareRootDirs are where ostree and bootc look for prepare-root.conf. The
// first file that is there is the whole configuration: nothing is merged.
var prepareRootDirs = []string{"etc/ostree", "usr/lib/ostree"}

const prepareRootFile = "prepare-root.conf"

// baseimageRef is where bootc keeps an example of what a base image must have,
// as its own lints know it.
const baseimageRef = "usr/share/doc/bootc/baseimage/base"

// prepareRoot is a prepare-root.conf, ostree-prepare-root(1).
type prepareRoot struct {
	// composefs is what it says of composefs: "" for nothing, which is no.
	composefs string
	// transient says that what is written to the root file system is kept in
	// an overlay, and lost.
	transient bool
}

// usesComposefs reports whether the root file system may be mounted from a
// composefs image.
func (p prepareRoot) usesComposefs() bool {
	switch p.composefs {
	case "", "no", "false", "0":
		return false
	}
	return true
}

// parsePrepareRoot reads what otcore_load_rootfs_config of ostree
// (src/libotcore/otcore-prepare-root.c) reads, and refuses what it refuses.
func parsePrepareRoot(text string) (prepareRoot, error) {
	file, err := parseKeyFile(text)
	if err != nil {
		return prepareRoot{}, err
	}
	p := prepareRoot{composefs: file["composefs"]["enabled"]}
	if _, has := file["composefs"]["enabled"]; has {
		switch p.composefs {
		case "yes", "true", "1", "no", "false", "0", "maybe", "verity", "signed":
		default:
			return p, fmt.Errorf("composefs.enabled is %q; it can be yes, no, maybe, verity or signed", p.composefs)
		}
	}
	on := map[string]bool{}
	for _, at := range [][2]string{{"root", "transient"}, {"root", "transient-ro"}, {"etc", "transient"}, {"sysroot", "readonly"}} {
		if on[at[0]+"."+at[1]], err = file.boolean(at[0], at[1]); err != nil {
			return p, err
		}
	}
	if on["root.transient"] && on["root.transient-ro"] {
		return p, errors.New("root.transient and root.transient-ro are both true")
	}
	p.transient = on["root.transient"] || on["root.transient-ro"]
	return p, nil
}

// prepareRootIn returns the configuration below a folder of the image: its
// name and its content, "" and nil where there is none.
func (t *Target) prepareRootIn(dir string) (name string, data []byte, err error) {
	for _, d := range prepareRootDirs {
		name := path.Join(dir, d, prepareRootFile)
		data, err := readSmall(t.Root, name)
		if err != nil || data != nil {
			return name, data, err
		}
	}
	return "", nil, nil
}
