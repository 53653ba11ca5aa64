package plan

import (
	"slices"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// EntitlementSecret is the ID of the secret with the certificates that open
// RHEL's repositories. Steps that install on RHEL have it, and no other step
// has it unless the recipe says so.
const EntitlementSecret = "rhsm"

// entitlementFolder is where subscription-manager's plugin of dnf looks for
// certificates. On a host that is registered itself, the builder mounts the
// host's own, the plugin takes those, and no secret is needed.
const entitlementFolder = "/etc/pki/entitlement"

// entitlementRepos is the file that the plugin writes, whichever command of dnf
// runs: its repositories are those of the subscription, all enabled or not as
// that has them.
const entitlementRepos = "/etc/yum.repos.d/redhat.repo"

// isEntitled reports whether steps that install get the certificates.
func (p *planner) isEntitled() bool {
	return p.plan.Base.Distro.ID == "rhel" &&
		slices.ContainsFunc(p.r.Secrets, func(s recipe.Secret) bool { return s.ID.Value == EntitlementSecret })
}

// subscribed keeps the subscription that a step of the package manager has out
// of the image: that of the host, or the certificates of the secret, which a
// step that asks repositories gets in memory, in a folder that vanishes with
// the step. The secret itself is mounted beside the scripts: below /run/secrets
// it could hide what a registered host mounts.
func (p *planner) subscribed(i Instruction, local bool) Instruction {
	if p.plan.Base.Distro.ID != "rhel" {
		return i
	}
	const script = "entitlement.sh"
	open := []string{"open", entitlementRepos}
	if p.isEntitled() && !local {
		open = append(open, entitlementFolder)
		i.Run.Mounts = append(i.Run.Mounts,
			Mount{Type: MountTmpfs, Target: entitlementFolder},
			Mount{Type: MountSecret, ID: EntitlementSecret, Target: "/run/bootkiln/entitlement"},
		)
	}
	i.Run.Mounts = append(i.Run.Mounts, p.script(script))
	i.Run.Commands = slices.Concat(
		[]Command{scriptCommand(script, nil, open...)},
		i.Run.Commands,
		[]Command{scriptCommand(script, nil, "close", entitlementRepos)},
	)
	return i
}
