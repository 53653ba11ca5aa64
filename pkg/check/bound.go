package check

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

const boundDir = "usr/lib/bootc/bound-images.d"

func checkBoundImages(_ context.Context, t *Target) ([]Finding, error) {
	entries, err := t.readDir(boundDir)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, e := range entries {
		name := path.Join(boundDir, e.Name())
		problem, err := t.boundProblem(name, e)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			out = append(out, finding(name, "%s", problem))
		}
	}
	return out, nil
}

// boundProblem says why bootc refuses a bound image; "" if it takes it.
func (t *Target) boundProblem(name string, e fs.DirEntry) (string, error) {
	group, known := map[string]string{".image": "Image", ".container": "Container"}[path.Ext(name)]
	switch {
	case e.Type() != fs.ModeSymlink:
		return fmt.Sprintf("it is a %s instead of a symbolic link", describeType(e.Type())), nil
	case !known:
		return "its name ends in neither .image nor .container", nil
	}
	if fi, err := t.Root.Stat(name); isAbsent(err) {
		return "the link leads nowhere", nil
	} else if err != nil {
		return "", err
	} else if !fi.Mode().IsRegular() {
		return fmt.Sprintf("the link leads to a %s", describeType(fi.Mode())), nil
	}
	data, err := readSmall(t.Root, name)
	if err != nil {
		return "", err
	}
	return boundFileProblem(string(data), group), nil
}

// boundFileProblem reads a file of Quadlet as bootc does.
func boundFileProblem(text, group string) string {
	image, has, authFile := "", false, false
	for _, s := range parseINI(text) {
		if s.name != group {
			continue
		}
		if value, ok := s.values["Image"]; ok {
			image, has = value, true
		}
		_, auth := s.values["AuthFile"]
		authFile = authFile || auth && group == "Image"
	}
	switch unquoted := strings.ReplaceAll(image, "%%", ""); {
	case !has:
		return fmt.Sprintf("no Image= in section [%s]", group)
	case authFile:
		return "bootc refuses AuthFile= in images that belong to another"
	case strings.Contains(unquoted, "%"):
		return fmt.Sprintf("bootc does not replace specifiers of systemd: Image=%s", image)
	}
	return ""
}
