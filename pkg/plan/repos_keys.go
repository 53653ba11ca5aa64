package plan

import "slices"

// trusting returns a step of the package manager that leaves no key of a
// repository of the build in rpm's database. dnf imports the key of whatever it
// installs from: each step has it anew, and takes it back itself, so no layer
// has it.
func (p *planner) trusting(i Instruction) Instruction {
	if p.buildKeys == "" {
		return i
	}
	const script = "rpm-keys.sh"
	i.Run.Mounts = append(i.Run.Mounts, p.script(script))
	i.Run.Commands = slices.Concat(
		[]Command{scriptCommand(script, nil, "save")},
		i.Run.Commands,
		[]Command{scriptCommand(script, nil, "restore", p.buildKeys)},
	)
	return i
}

// borrow adds a package that only the step itself needs. It goes again at the
// end of the step, where it was not in the base and nothing has come to need
// it.
func (s *repoSetup) borrow(e repoEntry, name string) []Command {
	const script = "borrow-rpm.sh"
	s.scripts = append(s.scripts, script)
	s.borrowed = append(s.borrowed, scriptCommand(script, nil, "return", name, s.foldersDNF(":")))
	return []Command{scriptCommand(script, nil, "take", name), s.transaction([]Word{e.word(name)})}
}
