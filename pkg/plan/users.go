package plan

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

const (
	defaultShell = "/bin/bash"
	// home is where homes are in images of bootc; /home leads there.
	home = "/var/home"
)

// The numbers that users get: those of people, and none that someone who adds
// users on the machine is given first.
const (
	firstUID = 20000
	lastUID  = 59999
)

// users plans the words under "users": sysusers.d(5) makes them when the
// machine boots, and tmpfiles.d(5) their homes. What useradd writes into the
// image would never reach a machine whose /etc/passwd has been changed.
func (p *planner) users() {
	var accounts, folders, passwords strings.Builder
	var origin []diag.Pos
	var check []Word
	taken := map[uint32]bool{}
	for i, u := range p.r.Users {
		where := fmt.Sprintf("users[%d]", i)
		origin = append(origin, firstValid(u.Pos, u.Name.Pos))
		at := home + "/" + u.Name.Value
		if u.Name.Value == "root" {
			at = "/root"
			p.rootUser(u, where)
		} else {
			shell := Word{Value: defaultShell, Origin: u.Name.Pos}
			if u.Shell.IsSet() {
				shell = Word{Value: u.Shell.Value, Origin: u.Shell.Pos}
			}
			fmt.Fprintf(&accounts, "u %s %d %s %s %s\n",
				u.Name.Value, uid(u.Name.Value, taken), sysusersWord(u.Description.Value), at, sysusersWord(shell.Value))
			// The copy is of a home that is not there, or empty, and makes it.
			fmt.Fprintf(&folders, "C %s 0700 %s %s - /etc/skel\n", at, u.Name.Value, u.Name.Value)
			fmt.Fprintf(&passwords, "LoadCredential=passwd.hashed-password.%s\n", u.Name.Value)
			check = append(check, Word{Value: "--user=" + u.Name.Value, Origin: u.Name.Pos}, Word{Value: "--shell=" + shell.Value, Origin: shell.Origin})
		}
		for j, g := range u.Groups {
			p.administrators(g, fmt.Sprintf("%s.groups[%d]", where, j))
			// It makes the group where there is none. A line "g" would keep a
			// package of the image from giving it the number that it wants.
			fmt.Fprintf(&accounts, "m %s %s\n", u.Name.Value, g.Value)
			check = append(check, Word{Value: "--group=" + g.Value, Origin: g.Pos})
		}
		folders.WriteString(p.sshKeys(u, at, where))
	}
	if len(origin) == 0 {
		return
	}
	p.passwordless()
	var instructions []Instruction
	for _, f := range []struct{ content, folder string }{
		{accounts.String(), "/usr/lib/sysusers.d/"},
		{folders.String(), "/usr/lib/tmpfiles.d/"},
		// Of itself the service takes root's only, before systemd 254. One that
		// nobody hands in is left out.
		{unitSection(passwords.String()), "/usr/lib/systemd/system/systemd-sysusers.service.d/"},
	} {
		if f.content == "" {
			continue
		}
		instructions = append(instructions, Instruction{Copy: &Copy{
			Sources:     []string{p.place(generated([]byte(f.content), 0o644), "users", "bootkiln-users.conf")},
			Destination: f.folder,
			Mode:        "0644",
			Origin:      origin[0],
		}})
	}
	if len(check) > 0 {
		instructions = append(instructions, p.scripted(Work{
			Scripts:  []string{"users.sh", "problem.sh"},
			Commands: []Command{scriptCommand("users.sh", unique(check))},
		}))
	}
	p.step(KindUsers, "Users, made at boot", origin, instructions...)
}

// uid returns the number of a user. It comes from the name, so that it is the
// same on every machine and in every image, whoever else is in the recipe.
// Where it is taken on a machine, systemd-sysusers takes another one.
func uid(name string, taken map[uint32]bool) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // it never fails
	const count = lastUID - firstUID + 1
	n := h.Sum32() % count
	for taken[n] {
		n = (n + 1) % count
	}
	taken[n] = true
	return firstUID + n
}

// sysusersWord writes text as one word of sysusers.d(5).
func sysusersWord(text string) string {
	if text == "" {
		return "-"
	}
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(text)
	if strings.ContainsAny(text, " \t'\"\\") {
		return `"` + text + `"`
	}
	return text
}

// rootUser reports what cannot be said of root, which every image has.
func (p *planner) rootUser(u recipe.User, where string) {
	refuse := func(s recipe.String, word string) {
		if s.IsSet() {
			p.problem(s.Pos, "not-supported", where+"."+word, "take it out; ssh-keys is what root can have", "%s is of users that the image makes, and root is there", word)
		}
	}
	refuse(u.Description, "description")
	refuse(u.Shell, "shell")
	for i, g := range u.Groups {
		refuse(g, fmt.Sprintf("groups[%d]", i))
	}
}

// administrators warns of the group that grants nothing on this distribution.
func (p *planner) administrators(group recipe.String, where string) {
	granted := "wheel"
	if p.plan.Base.Distro.family() == familyDebian {
		granted = "sudo"
	}
	if (group.Value == "wheel" || group.Value == "sudo") && group.Value != granted {
		p.diags.Add(diag.Diagnostic{
			Pos: group.Pos, Path: where, Severity: diag.Warning, Code: "powerless-group",
			Message: fmt.Sprintf("the group %q grants nothing on %s", group.Value, p.plan.Base.Distro),
			Hint:    fmt.Sprintf("administrators are in the group %q there", granted),
		})
	}
}

// unitSection returns a drop-in of a service with those settings, "" for none.
func unitSection(settings string) string {
	if settings == "" {
		return ""
	}
	return "[Service]\n" + settings
}

// passwordless warns, once, where a display manager would ask people for
// passwords that they cannot have been given: neither by the recipe's files, nor
// by someone who comes in as root.
func (p *planner) passwordless() {
	var first recipe.String
	for _, u := range p.r.Users {
		switch {
		case u.Name.Value != "root" && !first.IsSet():
			first = u.Name
		case u.Name.Value == "root" && len(u.SSHKeys) > 0:
			return
		}
	}
	handedIn := func(f recipe.File) bool { return strings.Contains(f.Destination.Value, "/credstore") }
	if !first.IsSet() || !p.r.Desktop.DisplayManager.IsSet() || slices.ContainsFunc(p.r.Files, handedIn) {
		return
	}
	p.diags.Add(diag.Diagnostic{
		Pos: first.Pos, Path: "users", Severity: diag.Warning, Code: "no-password",
		Message: fmt.Sprintf("nobody can log in to %s: no user of the image has a password", p.r.Desktop.DisplayManager.Value),
		Hint: fmt.Sprintf("hand one in when the machine first boots, as systemd's credential passwd.hashed-password.%s; "+
			"or give root ssh-keys, and run \"passwd %[1]s\" as root", first.Value),
	})
}
