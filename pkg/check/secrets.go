package check

import (
	"path"
	"regexp"
	"strings"
)

// secretPlace is a place where programs keep what others must not know.
type secretPlace struct {
	// dir is where it is: a folder from the root, or with "~/" in front one of
	// any home folder. file is a pattern for names in it.
	dir, file string
	// holds matches what is only there with a secret in it.
	holds *regexp.Regexp
	what  string
}

var (
	registryLogin = regexp.MustCompile(`"(?:auth|password|identitytoken|registrytoken)"\s*:\s*"[^"]`)
	anything      = regexp.MustCompile(`\S`)
	pemKey        = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
)

// secrets are the places that are known.
var secrets = []secretPlace{
	{"etc/containers", "auth.json", registryLogin, "a login for a registry"},
	{"etc/ostree", "auth.json", registryLogin, "a login for a registry"},
	{"usr/lib/ostree", "auth.json", registryLogin, "a login for a registry"},
	{"etc/NetworkManager/system-connections", "*", regexp.MustCompile(`(?m)^\s*(?:psk|password|leap-password|wep-key\d|private-key|secret)\s*=\s*\S`), "the password of a network"},
	{"etc/wireguard", "*.conf", regexp.MustCompile(`(?mi)^\s*(?:PrivateKey|PresharedKey)\s*=\s*\S`), "a key of WireGuard"},
	{"etc/apt", "auth.conf", regexp.MustCompile(`\bpassword\s+\S`), "a password for a repository"},
	{"etc/apt/auth.conf.d", "*", regexp.MustCompile(`\bpassword\s+\S`), "a password for a repository"},
	{"etc/pki/consumer", "*.pem", pemKey, "the key of a registration with Red Hat"},
	{"etc/pki/entitlement", "*.pem", pemKey, "the key of a subscription with Red Hat"},
	{"~/.config/containers", "auth.json", registryLogin, "a login for a registry"},
	{"~/.docker", "config.json", registryLogin, "a login for a registry"},
	{"~/.aws", "credentials", regexp.MustCompile(`(?i)aws_secret_access_key\s*=\s*\S`), "a key of AWS"},
	{"~/.azure", "accessTokens.json", anything, "a token of Azure"},
	{"~/.cargo", "credentials*", regexp.MustCompile(`token\s*=\s*"[^"]`), "a token of a package registry"},
	{"~/.config/gcloud", "application_default_credentials.json", anything, "a login for Google Cloud"},
	{"~/.config/gh", "hosts.yml", regexp.MustCompile(`oauth_token:\s*\S`), "a token of GitHub"},
	{"~/.config/glab-cli", "config.yml", regexp.MustCompile(`token:\s*[^\s!]`), "a token of GitLab"},
	{"~/.gem", "credentials", regexp.MustCompile(`:\s*\S`), "a token of a package registry"},
	{"~/.kube", "config", regexp.MustCompile(`(?m)^\s*-?\s*(?:client-key-data|token|password):\s*\S`), "a login for Kubernetes"},
	{"~", ".git-credentials", regexp.MustCompile(`://[^/\s]+@`), "a password of git"},
	{"~", ".netrc", regexp.MustCompile(`\b(?:password|passwd)\s+\S`), "a password"},
	{"~", ".npmrc", regexp.MustCompile(`(?m)(?:_authToken|_password|_auth)\s*=\s*[^\s$]`), "a token of a package registry"},
	{"~", ".pgpass", anything, "a password for a database"},
	{"~", ".pypirc", regexp.MustCompile(`(?m)^\s*password\s*[=:]\s*\S`), "a token of a package registry"},
	{"~", ".vault-token", anything, "a token of Vault"},
}

// homes are the folders that are one, or with a slash at the end hold some. A
// build without a user has the root folder.
var homes = []string{"root", "var/roothome", "home/", "var/home/", "etc/skel", ""}

// is reports whether a file is in this place.
func (s secretPlace) is(name string) bool {
	if matched, err := path.Match(s.file, path.Base(name)); err != nil || !matched {
		return false
	}
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	inHome, ok := strings.CutPrefix(s.dir, "~")
	if !ok {
		return dir == s.dir
	}
	home, ok := strings.CutSuffix(strings.TrimSuffix("/"+dir, "/"), inHome)
	return ok && isHome(strings.TrimPrefix(home, "/"))
}

func isHome(dir string) bool {
	for _, h := range homes {
		if rest, below := strings.CutPrefix(dir, h); below && (rest == "" || strings.HasSuffix(h, "/") && !strings.Contains(rest, "/")) {
			return true
		}
	}
	return false
}
