package plan

import "embed"

// scripts are what steps run in the image beside the programs that are there,
// and what those are configured with. They are bash, and take every value of
// the recipe as an argument.
//
//go:embed scripts
var scripts embed.FS

// scriptTarget is where a step sees the script, or other file, of that name.
func scriptTarget(name string) string { return "/run/bootkiln/" + name }

// scriptCommand runs a script; its first arguments are bootkiln's own.
func scriptCommand(name string, words []Word, args ...string) Command {
	return Command{Args: append([]string{"/bin/bash", scriptTarget(name)}, args...), Words: words}
}

// script puts one of the scripts into the build context and returns the mount
// that shows it.
func (p *planner) script(name string) Mount {
	return Mount{Type: MountBind, Target: scriptTarget(name), Source: p.place(generated(script(name), 0o644), "scripts", name)}
}

// script returns the text of one of the scripts.
func script(name string) []byte {
	content, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		panic(err) // it is embedded; a test plans every step there is
	}
	return content
}
