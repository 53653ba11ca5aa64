package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// pem is a private key as far as its form goes.
const pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n-----END OPENSSH PRIVATE KEY-----\n"

var leftoverFixtures = []fixture{
	{name: "no secrets", add: fake.Files{
		"etc/ssl/test.key":                      fake.Text(pem), // of a package
		"usr/lib/sysimage/dpkg/info/libc6.list": fake.Text("/.\n/etc/ssl/test.key\n/opt/test/key.pem\n"),
		"var/opt/test/key.pem":                  fake.Text(pem),
		"usr/local/lib/x/tests/a/key":           fake.Text(pem),
		"usr/share/doc/key":                     fake.Text(pem),
		"etc/magic":                             fake.Text("0 string -----BEGIN RSA PRIVATE KEY----- key\n-----BEGIN PRIVATE KEY-----\n(and so on)\n"),
		"usr/lib/tmpfiles.d/x.conf":             fake.Text("C! /var/opt/test\nL+ /var/home\nL /var/roothome\nd /var/lib/dbus\nd /var/cache/dnf\n"),
		"root":                                  fake.Link("var/roothome"),
		"var/roothome/.docker/config.json":      fake.Text(`{"auths": {"ghcr.io": {}}, "credsStore": "x"}`),
		"etc/containers/auth.json":              fake.Text(`{"auths": {"ghcr.io": {"auth": ""}}}`),
		"var/roothome/.npmrc":                   fake.Text("//registry.example/:_authToken=${TOKEN}\n"),
		"var/roothome/.bash_history":            fake.Text(""),
		"etc/iscsi/initiatorname.iscsi":         fake.Text("GenerateName=yes\n# InitiatorName=no\n"),
		"var/lib/dbus/machine-id":               fake.Link("/etc/machine-id"),
		"var/cache/dnf":                         fake.Dir(),
		"usr/lib/tmpfiles.d/y.conf":             fake.Text("f /var/roothome/.npmrc\nf %h/.bash_history\nf /root/.docker/config.json\nL /var/lib/dbus/machine-id\n"),
	}},
	{name: "no ID", remove: []string{"etc/machine-id"}},
	{
		rule: "private-keys", add: fake.Files{
			"etc/ssl/mine.key": fake.Text(pem), "usr/local/share/x.pem": fake.Text("cert\r\n-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n"),
			"root/.ssh/id_ed25519": fake.Text(pem),
		},
		want: []string{
			"/etc/ssl/mine.key: it holds a key of no package (OPENSSH PRIVATE KEY)",
			"/root/.ssh/id_ed25519: it holds a key of no package (OPENSSH PRIVATE KEY)",
			"/usr/local/share/x.pem: it holds a key of no package (RSA PRIVATE KEY)",
		},
	},
	{
		rule: "credentials", add: fake.Files{
			"etc/ostree/auth.json":          fake.Text(`{"auths": {"ghcr.io": {"auth": "eDp5"}}}`),
			"root/.docker/config.json":      fake.Text(`{"auths": {"ghcr.io": {"identitytoken": "t"}}}`),
			".docker/config.json":           fake.Text(`{"auths": {"ghcr.io": {"auth" : "eDp5"}}}`),
			"home/a/.netrc":                 fake.Text("machine x login y\n  password z\n"),
			"etc/skel/.git-credentials":     fake.Text("https://a:b@example\n"),
			"root/.aws/credentials":         fake.Text("[default]\naws_secret_access_key = x\n"),
			"root/.npmrc":                   fake.Text("//registry.example/:_authToken=npm_x\n"),
			"etc/pki/entitlement/1-key.pem": fake.Text(pem),

			"etc/NetworkManager/system-connections/w.nmconnection": fake.Text("[wifi-security]\npsk=secret\n"),
		},
		want: []string{
			"/.docker/config.json: it holds a login for a registry",
			"/etc/NetworkManager/system-connections/w.nmconnection: it holds the password of a network",
			"/etc/ostree/auth.json: it holds a login for a registry",
			"/etc/pki/entitlement/1-key.pem: it holds the key of a subscription with Red Hat",
			"/etc/skel/.git-credentials: it holds a password of git",
			"/home/a/.netrc: it holds a password",
			"/root/.aws/credentials: it holds a key of AWS",
			"/root/.docker/config.json: it holds a login for a registry",
			"/root/.npmrc: it holds a token of a package registry",
		},
	},
	{
		rule: "shell-history", add: fake.Files{"root/.bash_history": fake.Text("curl -u me:pw x\n")},
		want: []string{"/root/.bash_history: a history of 16 bytes"},
	},
	{
		rule: "ssh-host-keys", add: fake.Files{"etc/ssh/ssh_host_ed25519_key": fake.Text(pem), "etc/ssh/ssh_host_ed25519_key.pub": fake.Text("x")},
		want: []string{"/etc/ssh/ssh_host_ed25519_key: a host key (ed25519)"},
	},
	{
		rule: "machine-id", name: "populated", add: fake.Files{
			"etc/machine-id": fake.Text("0123456789abcdef0123456789abcdef\n"), "var/lib/dbus/machine-id": fake.Text("0123456789abcdef0123456789abcdef\n"),
			"usr/lib/tmpfiles.d/dbus.conf": fake.Text("d /var/lib/dbus\n"),
		},
		want: []string{
			"/etc/machine-id: it has an ID, which all machines would share",
			"/var/lib/dbus/machine-id: it has an ID, which all machines would share",
		},
	},
	{
		rule: "machine-id", name: "empty", add: fake.Files{"etc/machine-id": fake.Text("")},
		want: []string{"/etc/machine-id: it is empty: no boot will count as the first"},
	},
	{
		rule: "machine-identity", add: fake.Files{
			"var/lib/systemd/random-seed": fake.Text("0123"), "etc/iscsi/initiatorname.iscsi": fake.Text("# x\nInitiatorName=iqn.2026-01.example:1\n"),
			"usr/lib/tmpfiles.d/x.conf": fake.Text("d /var/lib/systemd/x\n"),
		},
		want: []string{
			"/etc/iscsi/initiatorname.iscsi: the name of the machine for iSCSI servers, which all machines would share",
			"/var/lib/systemd/random-seed: the seed of random numbers, which all machines would share",
		},
	},
	{
		rule: "package-caches", add: fake.Files{
			"var/cache/libdnf5/x/repodata/repomd.xml": fake.Text("12345"), "var/cache/libdnf5/y": fake.Text("12345"), "var/lib/apt/lists/x": fake.Text("1"),
			"usr/lib/tmpfiles.d/x.conf": fake.Text("d /var/cache/x\nd /var/lib/apt\n"),
		},
		want: []string{"/var/cache/libdnf5: 10 bytes in 2 files", "/var/lib/apt/lists: 1 bytes in 1 file"},
	},
	{
		rule: "leftover-files", add: fake.Files{"etc/shadow-": fake.Text("x"), "etc/ssh/sshd_config.rpmnew": fake.Text("x"), rpmdb + "-shm": fake.Text("x")},
		want: []string{
			"/etc/shadow-: a backup of shadow", "/etc/ssh/sshd_config.rpmnew: left by rpm", "/" + rpmdb + "-shm: left by rpm",
		},
	},
}

var varFixtures = []fixture{
	{name: "/var as machines make it", add: fake.Files{
		"usr/lib/tmpfiles.d/a.conf":   fake.Text("# d /var/no\nnonsense\nxx /var/no\nd! \"/var/a b\" -\nC+ /var/copy\nd /var/lib/%m/x\nL?=$ /var/link - - - - x\nd %S/expanded\nv /opt/deep/er\n"),
		"usr/lib/tmpfiles.d/b.conf":   fake.Text("d /var/b\n"),
		"etc/tmpfiles.d/b.conf":       fake.Text("d /var/c\n"),
		"var/a b":                     fake.Dir(),
		"var/c":                       fake.Dir(),
		"var/copy/x/y":                fake.Text(""),
		"var/lib/1234/x":              fake.Dir(),
		"var/link":                    fake.Link("x"),
		"var/lib/expanded":            fake.Dir(),
		"var/opt/deep":                fake.Dir(),
		system + "state@.service":     fake.Text("[Service]\nStateDirectory=state/one two:alias:ro three-%i\nCacheDirectory=gone\nCacheDirectory=\n"),
		"var/lib/state/one":           fake.Dir(),
		"var/lib/private/two":         fake.Dir(),
		"var/lib/alias":               fake.Link("two"),
		"usr/local/man":               fake.Link("share/man"),
		"srv":                         fake.Link("/var/c"),
		"media":                       fake.Link("run/media"),
		"usr/local/share/linked-here": fake.Link("/var/not/looked/at"),
	}},
	{
		rule: "var-tmpfiles", add: fake.Files{
			"usr/lib/tmpfiles.d/a.conf": fake.Text("d /var/a\nz /var/z\nR /var/r\ne /var/e\n"), "etc/tmpfiles.d/a.conf": fake.Link("/dev/null"),
			"var/a": fake.Dir(), "var/z/x/y": fake.Text("12345"), "var/z/x/w": fake.Text("12345"), "var/link": fake.Link("a"),
			"var/lib/containers/file": fake.Text("x"), system + "x.service": fake.Text("[Service]\nCacheDirectory=gone\nCacheDirectory=\n"), "var/cache/gone": fake.Dir(),
		},
		want: []string{
			"/var/a: no line of tmpfiles.d makes the folder",
			"/var/cache: no line of tmpfiles.d makes the folder",
			"/var/lib/containers/file: a file that updates will not change",
			"/var/link: no line of tmpfiles.d makes the link",
			"/var/z: no line of tmpfiles.d makes the folder, nor what is in it (2 files of 10 bytes)",
		},
	},
	{
		rule: "var-links", remove: []string{"var/opt"}, add: fake.Files{
			"usr/lib/tmpfiles.d/var.conf": fake.Text("d /var/lib/containers\nd /var/log/apt - - - -\n"),
			"usr/local/state":             fake.Link("../../var/usrlocal"), "home": fake.Link("/var/home"),
		},
		want: []string{
			"/home: it leads to /var/home, which no line of tmpfiles.d makes",
			"/opt: it leads to /var/opt, which no line of tmpfiles.d makes",
			"/usr/local/state: it leads to /var/usrlocal, which no line of tmpfiles.d makes",
		},
	},
}

var trustFixtures = []fixture{
	{name: "no policy", remove: []string{policyFile}},
	{name: "policy of the distribution", remove: []string{policyFile}, add: fake.Files{
		"usr/share/containers/policy.json": fake.Text(`{"default": [{"type": "insecureAcceptAnything"}]}`), "usr/bin/skopeo": fake.Program(""),
	}},
	{name: "all words of a policy", add: fake.Files{policyFile: fake.Text(`{"default": [{"type": "reject"}], "transports": {"docker": {
		"ghcr.io/me": [{"type": "sigstoreSigned", "keyPath": "/etc/pki/containers/kiln.pub", "rekorPublicKeyData": "a2V5", "signedIdentity": {"type": "matchRepository"}}],
		"a.example": [{"type": "sigstoreSigned", "fulcio": {"caData": "a2V5"}, "rekorPublicKeyDatas": ["a2V5"]}, {"type": "sigstoreSigned", "pki": {}}],
		"b.example": [{"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}, {"type": "signedBy", "keyType": "GPGKeys", "keyDatas": ["a2V5"]}]}}}`)}},
	{
		rule: "trust-policy", name: "unknown word", add: fake.Files{policyFile: fake.Text(`{"default": [{"type": "reject", "keypaths": ["/x"], "rekorPublicKey": "x"}]}`)},
		want: []string{"/" + policyFile + `: json: unknown field "rekorPublicKey"`},
	},
	{name: "trust by default", add: fake.Files{
		storesFiles + "kiln.yaml":    fake.Text(""),
		storesFiles + "default.yaml": fake.Text("default-docker:\n  use-sigstore-attachments: true\ndocker:\n  ghcr.io:\n    sigstore: https://x\n"),
		policyFile:                   fake.Text(`{"default": [{"type": "reject"}], "transports": {"docker": {"*.io": [{"type": "sigstoreSigned", "keyPaths": ["/etc/pki/containers/kiln.pub"]}]}}}`),
	}},
	{
		rule: "trust-policy", name: "empty", add: fake.Files{policyFile: fake.Text("\n")},
		want: []string{"/" + policyFile + ": it is empty"},
	},
	{
		rule: "trust-policy", name: "missing", remove: []string{policyFile}, add: fake.Files{"usr/bin/skopeo": fake.Program("")},
		want: []string{"/" + policyFile + ": it is missing, and /usr/share/containers/policy.json too"},
	},
	{
		rule: "trust-policy", name: "unknown demand", add: fake.Files{policyFile: fake.Text(`{"default": [{"type": "reject"}], "transports": {"docker": {"x": [{"type": "signed"}]}}}`)},
		want: []string{"/" + policyFile + `: "x" of docker: there is no requirement of type "signed"`},
	},
	{
		rule: "trust-policy", name: "files that contradict", add: fake.Files{storesFiles + "z.yaml": fake.Text(attachments), storesFiles + "zz.yaml": fake.Text("docker: [\n")},
		want: []string{
			"/" + storesFiles + `z.yaml: another file has "ghcr.io/me" too`,
			"/" + storesFiles + "zz.yaml: …",
		},
	},
	{
		rule: "trust-updates", name: "without key", remove: []string{"etc/pki/containers/kiln.pub"}, add: fake.Files{storesFiles + "kiln.yaml": fake.Text("docker:\n  ghcr.io/me/kiln:\n    use-sigstore-attachments: false\n")},
		want: []string{
			"/" + policyFile + `: "ghcr.io/me/kiln", by scope "ghcr.io/me": no file of registries.d turns on use-sigstore-attachments for it, so that no signature is found`,
			"/" + policyFile + `: "ghcr.io/me/kiln", by scope "ghcr.io/me": the key "/etc/pki/containers/kiln.pub" is not in the image`,
		},
	},
	{
		rule: "trust-updates", name: "rejected", add: fake.Files{policyFile: fake.Text(`{"default": [{"type": "reject"}]}`)},
		want: []string{"/" + policyFile + `: "ghcr.io/me/kiln", by scope "default": it rejects all images`},
	},
	{
		rule: "trust-keys", add: fake.Files{
			policyFile: fake.Text(`{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {
				"registry.example": [{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": ["/etc/pki/a", "/etc/pki/b", "c"]}]}}}`),
			"etc/pki/b": fake.Text(""),
		},
		want: []string{
			"/" + policyFile + `: scope "registry.example": the key "/etc/pki/a" is not in the image`,
			"/" + policyFile + `: scope "registry.example": the key "/etc/pki/b" is empty`,
			"/" + policyFile + `: scope "registry.example": the key "c" is not an absolute path`,
		},
	},
}
