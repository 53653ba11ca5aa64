package plan

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// sshKeys returns the lines of tmpfiles.d(5) that write the keys of u, whose
// home is at that path. They replace what is there on every boot, so that a key
// which is taken out of the recipe does not stay on machines. Of a user without
// keys nothing is said: those that the machine has are its own, and so the last
// key of a user stays until the user gets another one.
func (p *planner) sshKeys(u recipe.User, at, where string) string {
	var keys []string
	for i, file := range u.SSHKeys {
		keys = append(keys, p.publicKeys(file, fmt.Sprintf("%s.ssh-keys[%d]", where, i))...)
	}
	if len(keys) == 0 {
		return ""
	}
	name := u.Name.Value
	return fmt.Sprintf("d %s/.ssh 0700 %s %s -\nf+ %s/.ssh/authorized_keys 0600 %s %s - %s\n",
		at, name, name, at, name, name, tmpfilesArgument(strings.Join(keys, "\n")+"\n"))
}

// tmpfilesArgument writes text as the content of a file in tmpfiles.d(5), where
// backslashes and "%" mean something, and lines end it.
func tmpfilesArgument(text string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "%", "%%").Replace(text)
}

// publicKeys reads a file of authorized_keys(5): its lines with a key.
func (p *planner) publicKeys(file recipe.Path, where string) (keys []string) {
	content, ok := p.projectFile(file)
	if !ok {
		return nil
	}
	if isPrivateKey(content) {
		p.problem(file.Pos, "private-key", where, "name the file with the public key, which ends in .pub, and see that the other one never leaves its machine",
			"%q holds a private key", file.Value)
		return nil
	}
	for i, line := range strings.Split(string(content), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		_, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(rest) > 0 {
			p.problem(file.Pos, "invalid-key", where, "name a file as ssh-keygen writes it, with one key a line: ssh-ed25519 AAAA… comment",
				"line %d of %q is no public key of ssh", i+1, file.Value)
			return nil
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		p.problem(file.Pos, "invalid-key", where, "name a file as ssh-keygen writes it, with one key a line", "%q has no public key", file.Value)
	}
	return keys
}

// isPrivateKey reports whether a file holds a private key, in any of the forms
// that openssl, ssh-keygen and cosign write.
func isPrivateKey(content []byte) bool {
	return bytes.Contains(content, []byte("PRIVATE KEY-----"))
}

// projectFile reads a file of the project. ok is false where that fails, which
// is remembered.
func (p *planner) projectFile(file recipe.Path) (content []byte, ok bool) {
	if p.o.Read == nil {
		p.fail(fmt.Errorf("reading %q: no project was given", file.Value))
		return nil, false
	}
	content, err := fs.ReadFile(p.o.Read, file.Name())
	if err != nil {
		p.fail(fmt.Errorf("reading %q: %w", file.Value, err))
	}
	return content, err == nil
}
