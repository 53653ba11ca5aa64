package check

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const selinuxDir = "etc/selinux"

func checkSELinuxPolicy(_ context.Context, t *Target) ([]Finding, error) {
	config := path.Join(selinuxDir, "config")
	data, err := readSmall(t.Root, config)
	if err != nil {
		return nil, err
	}
	policy, on := selinuxConfig(string(data))
	switch {
	case !on:
		return nil, nil
	case policy == "":
		return found(config, "SELinux is switched on, and no SELINUXTYPE= names its policy"), nil
	}
	dir := path.Join(selinuxDir, policy)
	if path.Dir(dir) != selinuxDir {
		return found(config, "SELINUXTYPE=%s is no name of a folder in /%s", policy, selinuxDir), nil
	}
	var out []Finding
	binaries, err := t.readDir(path.Join(dir, "policy"))
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(binaries, isBinaryPolicy) {
		out = append(out, finding(path.Join(dir, "policy"), "no policy.<number> in it, and /%s switches SELinux on", config))
	}
	contexts := path.Join(dir, "contexts/files/file_contexts")
	for _, name := range []string{contexts, contexts + ".bin"} {
		if _, err := t.Root.Stat(name); err == nil {
			return out, nil
		} else if !isAbsent(err) {
			return nil, err
		}
	}
	return append(out, finding(contexts, "it is missing, and /%s switches SELinux on", config)), nil
}

// isBinaryPolicy knows policy.33.
func isBinaryPolicy(e fs.DirEntry) bool {
	version, ok := strings.CutPrefix(e.Name(), "policy.")
	return ok && version != "" && strings.Trim(version, "0123456789") == "" && e.Type().IsRegular()
}

// selinuxConfig returns the policy's name, and whether it is switched on, as
// ostree reads the file: no blanks before the words, and the last one counts.
func selinuxConfig(text string) (policy string, on bool) {
	for line := range strings.Lines(text) {
		if word, ok := strings.CutPrefix(line, "SELINUXTYPE="); ok {
			policy = strings.TrimSpace(word)
		} else if word, ok := strings.CutPrefix(line, "SELINUX="); ok {
			word = strings.ToLower(word)
			on = on || strings.HasPrefix(word, "enforcing") || strings.HasPrefix(word, "permissive")
		}
	}
	return policy, on
}
