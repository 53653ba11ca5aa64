package plan

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// shell runs what is no program of its own.
var shell = []string{"/bin/bash", "-euo", "pipefail"}

// secrets plans the words under "secrets": those that a step names.
func (p *planner) secrets() {
	for i, s := range p.r.Secrets {
		used := slices.ContainsFunc(p.r.Run, func(r recipe.Run) bool {
			return slices.ContainsFunc(r.Secrets, func(of recipe.RunSecret) bool { return of.ID.Value == s.ID.Value })
		})
		if !used && !(p.isEntitled() && s.ID.Value == EntitlementSecret) {
			p.diags.Add(diag.Diagnostic{
				Pos: s.ID.Pos, Path: fmt.Sprintf("secrets[%d]", i), Severity: diag.Warning, Code: "unused-secret",
				Message: fmt.Sprintf("secret %q is used by no step under run", s.ID.Value),
				Hint:    "name it in the secrets of the step that needs it",
			})
			continue
		}
		secret := Secret{ID: s.ID.Value, Env: s.Env.Value, Origin: s.ID.Pos}
		if s.File.IsSet() {
			secret.File = s.File.Value
			if !path.IsAbs(secret.File) {
				secret.File = s.File.Name()
			}
		}
		p.plan.Secrets = append(p.plan.Secrets, secret)
	}
}

// runs plans the words under "run", a step each.
func (p *planner) runs() {
	for i, r := range p.r.Run {
		where := fmt.Sprintf("run[%d]", i)
		origin := firstValid(r.Pos, r.Script.Pos, r.Shell.Pos)
		source, args, ok := p.program(r, where)
		if !ok {
			continue
		}
		mounts := []Mount{{Type: MountBind, Source: source, Target: scriptTarget("run")}}
		var commands []Command
		offline := r.Network.Value == "false"
		if offline {
			mounts = append(mounts, p.script("offline.sh"))
			commands = append(commands, scriptCommand("offline.sh", nil))
		}
		var ids []recipe.String
		var variables []string
		for _, s := range r.Secrets {
			ids = append(ids, s.ID)
			if s.Env.IsSet() {
				variables = append(variables, s.Env.Value+"="+s.ID.Value)
			}
		}
		for _, id := range unique(words(ids)) {
			mounts = append(mounts, Mount{Type: MountSecret, ID: id.Value, Target: "/run/secrets/" + id.Value})
		}
		command := Command{Args: args}
		if len(variables) > 0 {
			// The mount's own option "env" is one of new builders only.
			mounts = append(mounts, p.script("secret-env.sh"))
			command = scriptCommand("secret-env.sh", nil, slices.Concat(variables, []string{"--"}, args)...)
		}
		run := p.run(append(commands, command), mounts...)
		run.Run.Offline = offline
		p.step(KindRun, "Run: "+r.Name.Value, []diag.Pos{origin}, run)
	}
}

// program puts what one entry of "run" runs into the build context, and
// returns its path there and the command that runs it.
func (p *planner) program(r recipe.Run, where string) (source string, args []string, ok bool) {
	args = append(slices.Clone(shell), scriptTarget("run"))
	if !r.Script.IsSet() {
		text := strings.TrimSuffix(r.Shell.Value, "\n") + "\n"
		return p.place(generated([]byte(text), 0o755), "run", "shell.sh"), args, true
	}
	src, isFolder, ok := p.source(r.Script, where+".script", 0o755)
	switch {
	case !ok:
		return "", nil, false
	case isFolder:
		p.problem(r.Script.Pos, "wrong-kind", where+".script", "", "%q is a folder, and not a script", r.Script.Value)
		return "", nil, false
	}
	start := make([]byte, 2)
	err := src.Walk(p.o.Read, func(e Entry) error {
		f, err := e.Open()
		if err != nil {
			return err
		}
		n, err := io.ReadFull(f, start)
		start = start[:n]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		p.fail(fmt.Errorf("reading script %q: %w", r.Script.Value, err))
		return "", nil, false
	}
	if string(start) == "#!" {
		args = args[len(args)-1:]
	}
	return p.place(src, "run", mountable(path.Base(src.Path))), args, true
}

// mountable returns name with only those characters that the source of a mount
// can have.
func mountable(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r) {
			return r
		}
		return '_'
	}, name)
}
