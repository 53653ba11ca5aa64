package plan

import (
	"fmt"
	"path"
)

// PolicyFile is one file of a signature policy.
type PolicyFile struct {
	// Path is relative to /etc.
	Path    string
	Content []byte
}

// policyPath is the one file of a policy that an image may have already.
const policyPath = "containers/policy.json"

// trust plans the words under "trust": the booted machine takes images of the
// scope only with a signature by one of the keys, and so its own updates.
func (p *planner) trust() {
	in := p.r.Trust
	if len(in.Keys) == 0 || !in.Scope.IsSet() {
		return // the recipe has both, or none
	}
	origin := []Word{{Value: in.Scope.Value, Origin: in.Scope.Pos}}
	var keys [][]byte
	for i, file := range in.Keys {
		content, ok := p.projectFile(file)
		if !ok {
			return
		}
		where := fmt.Sprintf("trust.keys[%d]", i)
		if isPrivateKey(content) {
			p.problem(file.Pos, "private-key", where, "name the file with the public key, which ends in .pub", "%q holds a private key", file.Value)
			return
		}
		keys = append(keys, content)
		origin = append(origin, Word{Value: file.Value, Origin: file.Pos})
	}
	if p.o.TrustFiles == nil {
		p.fail(fmt.Errorf("planning trust in %q: nothing was given that writes signature policies", in.Scope.Value))
		return
	}
	files, err := p.o.TrustFiles(in.Scope.Value, keys)
	if err != nil {
		p.problem(in.Keys[0].Pos, "unusable-key", "trust", "name files with one public key (PEM) each, as \"bootkiln keygen\" writes cosign.pub", "%v", err)
		return
	}
	var instructions []Instruction
	for _, f := range files {
		source := p.place(generated(f.Content, 0o644), "trust", path.Base(f.Path))
		if f.Path == policyPath {
			// What the base trusts besides has to stay.
			w := Work{
				Scripts:  []string{"trust.sh", "trust-merge.py"},
				Commands: []Command{scriptCommand("trust.sh", origin[:1])},
			}
			i := p.scripted(w)
			i.Run.Mounts = append(i.Run.Mounts, Mount{Type: MountBind, Source: source, Target: scriptTarget("policy.json")})
			instructions = append(instructions, i)
			continue
		}
		instructions = append(instructions, Instruction{Copy: &Copy{
			Sources:     []string{source},
			Destination: "/etc/" + path.Dir(f.Path) + "/",
			Mode:        "0644",
			Origin:      origin[0].Origin,
		}})
	}
	p.step(KindTrust, "Signatures that updates need", origins(origin), instructions...)
}
