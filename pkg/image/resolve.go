package image

import (
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links one lookup follows, as in Linux
// (MAXSYMLINKS of include/linux/namei.h).
const maxLinks = 40

// resolver looks names up as path_resolution(7) does for a process that was
// chrooted into root: an absolute link target begins at root, and ".." stops
// there. N is a handle on a file.
type resolver[N any] struct {
	root N
	// child opens an entry of a directory without following it. An absent one
	// is ENOENT.
	child func(dir N, name string) (N, error)
	isDir func(N) bool
	// link returns the target of a symbolic link, and whether n is one.
	link func(n N) (target string, isLink bool, err error)
	// drop releases a handle that child returned and resolve does not.
	drop func(N)
}

// resolve returns the named file. A link at the end of the name is itself
// returned unless follow is set. For the root itself it returns r.root.
func (r resolver[N]) resolve(name string, follow bool) (N, error) {
	// The directories passed through, so that ".." is the real parent of the
	// place that a link led to.
	var stack []N
	pop := func(to int) {
		for len(stack) > to {
			r.drop(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
		}
	}
	fail := func(err error) (N, error) {
		pop(0)
		var none N
		return none, err
	}
	links := 0
	for rest := name; rest != ""; {
		part, after, more := strings.Cut(rest, "/")
		rest = after
		switch part {
		case "", ".":
			continue
		case "..":
			pop(max(0, len(stack)-1))
			continue
		}
		dir := r.root
		if len(stack) > 0 {
			dir = stack[len(stack)-1]
		}
		n, err := r.child(dir, part)
		if err != nil {
			return fail(err)
		}
		stack = append(stack, n)
		target, isLink, err := r.link(n)
		switch {
		case err != nil:
			return fail(err)
		case isLink && (more || follow):
			if links++; links > maxLinks {
				return fail(syscall.ELOOP)
			}
			if target == "" {
				return fail(syscall.ENOENT)
			}
			pop(len(stack) - 1)
			if target[0] == '/' {
				pop(0)
			}
			if rest = target; more {
				rest += "/" + after
			}
		case more && !r.isDir(n):
			return fail(syscall.ENOTDIR)
		}
	}
	if len(stack) == 0 {
		return r.root, nil
	}
	found := stack[len(stack)-1]
	stack = stack[:len(stack)-1]
	pop(0)
	return found, nil
}
