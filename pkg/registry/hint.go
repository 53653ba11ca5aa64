package registry

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// hint says how to mend a failure of the class at the session's registry.
func (s *Session) hint(class Class, err error) string {
	text := err.Error()
	switch class {
	case Unauthorized:
		return s.loginHint()
	case Denied:
		return s.rightsHint(text)
	case Expired:
		return "the right to upload was proved when the push began, so this is the registry's time limit for one upload, or its token's; " +
			"what has arrived is not sent again, so run the same command once more, over a faster line or with smaller layers"
	case SessionLost:
		return "run the same command once more; what has arrived is not sent again"
	case Quota:
		return "delete images that nobody uses, or have the quota raised"
	case Missing:
		if strings.Contains(s.host, ".dkr.ecr.") || strings.HasSuffix(s.host, "-docker.pkg.dev") {
			return "this registry makes no repository by itself: create it first"
		}
		if strings.Contains(text, "MANIFEST_UNKNOWN") && s.Repository != "" {
			return fmt.Sprintf("check the tag or digest: \"bootkiln tags %s\" lists what is there", s.Repository)
		}
		return "check the name; some registries want the repository or its project created first"
	case Immutable:
		return "choose another tag; the registry is configured to never move one"
	case TooLarge:
		if manyLayers.MatchString(text) {
			return `the registry takes fewer layers: set a smaller number with "chunk: {layers: …}" in the recipe`
		}
		return `make the layers smaller, or raise the limit of the proxy before the registry (nginx: "client_max_body_size 0")`
	case InvalidName:
		return nameHint(s.Repository)
	case TLS:
		return s.certificateHint(err)
	case PlainHTTP:
		return fmt.Sprintf("where that is meant to be so, give --tls-verify=false, or add to /etc/containers/registries.conf.d/bootkiln.conf:\n"+
			"  [[registry]]\n  location = %q\n  insecure = true", s.host)
	case Unreachable:
		return fmt.Sprintf("check the name %q, the network, and the proxy settings (HTTPS_PROXY, NO_PROXY)", s.host)
	case Blocked:
		return `remove "blocked = true" of this registry from registries.conf`
	case RateLimited:
		return "log in, or wait: the registry counts requests"
	case Transient:
		return "run the same command once more; what has arrived is not sent again"
	case Inconsistent:
		return "something between here and the registry, or the registry itself, changes what is stored; nothing was tagged"
	}
	return ""
}

func nameHint(repository string) string {
	if lower := strings.ToLower(repository); lower != repository {
		return fmt.Sprintf("names are lower case: did you mean %q?", lower)
	}
	return `a name is "host/path", of lower-case letters, digits, and single ".", "_" and "-" between them`
}

func (s *Session) loginHint() string {
	command := fmt.Sprintf("bootkiln login %s", s.host)
	switch {
	case s.source == "" && s.host == "ghcr.io" && s.options.env("GITHUB_ACTIONS") == "true":
		return `no login was found: give the step "env: GITHUB_TOKEN: ${{ github.token }}" and the job "permissions: packages: write"`
	case s.source == "":
		return fmt.Sprintf("no login was found for it: %q", command)
	}
	return fmt.Sprintf("the login came from %s: check the user name and the password or token, or log in anew: %q", s.source, command)
}

func (s *Session) rightsHint(text string) string {
	switch {
	case strings.Contains(text, "write_package"):
		return `the package belongs to another repository: on its page, under "Package settings", "Manage Actions access", ` +
			`add this repository with the role Write; and give the job "permissions: packages: write"`
	case strings.Contains(text, "organization package"):
		return `give the job "permissions: packages: write"; if it has it, the organisation forbids new packages`
	case strings.Contains(text, "read only"), strings.Contains(text, "read-only"):
		return "the registry is in maintenance: try again later"
	case s.host == "ghcr.io":
		return `the token needs the right write:packages (in a workflow: "permissions: packages: write"), and the owner must be yours`
	case s.host == "docker.io":
		return "the token needs the right Read & Write, and the first part of the name must be your account or organisation"
	}
	return fmt.Sprintf("the login came from %s: it needs the right to push to %s, and the project must exist", s.source, s.Repository)
}

func (s *Session) certificateHint(err error) string {
	var hostname x509.HostnameError
	if errors.As(err, &hostname) {
		return fmt.Sprintf("the certificate is for other names (%s): use one of them in the reference",
			strings.Join(append(hostname.Certificate.DNSNames, addresses(hostname.Certificate)...), ", "))
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Sprintf("the certificate was good from %s to %s: renew it, or set this machine's clock",
			invalid.Cert.NotBefore.Format("2006-01-02"), invalid.Cert.NotAfter.Format("2006-01-02"))
	}
	dir := filepath.Join("/etc/containers/certs.d", s.host)
	if s.options.CertDir != "" {
		dir = s.options.CertDir
	}
	who := "the certificate of its authority"
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) && unknown.Cert != nil {
		who = fmt.Sprintf("the certificate of the authority %q, which issued the registry's,", unknown.Cert.Issuer.String())
	}
	if strings.Contains(err.Error(), "remote error") {
		return fmt.Sprintf("the registry wants a certificate from you: put it and its key as client.cert and client.key into %s", dir)
	}
	return fmt.Sprintf("put %s in PEM into %s", who, filepath.Join(dir, "ca.crt"))
}

func addresses(c *x509.Certificate) []string {
	var out []string
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}
