package check

import (
	"context"
	"database/sql"
	"io/fs"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // what rpm keeps its database in

	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

// published is where the good image is.
const published = "ghcr.io/me/kiln"

// rpmDatabase is one of rpm with a table of packages, and whatever else a
// statement makes.
func rpmDatabase(more string) string {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	db, err := sql.Open("sqlite", ":memory:")
	must(err)
	defer db.Close()
	ctx := context.Background() // the good image is made before any test runs
	conn, err := db.Conn(ctx)
	must(err)
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);"+more)
	must(err)
	var data []byte
	must(conn.Raw(func(c any) error {
		data, err = c.(interface{ Serialize() ([]byte, error) }).Serialize()
		return err
	}))
	return string(data)
}

const (
	rpmdb       = "usr/share/rpm/rpmdb.sqlite"
	dpkgFile    = "usr/lib/sysimage/dpkg/status"
	policyFile  = "etc/containers/policy.json"
	storesFiles = "etc/containers/registries.d/"
	system      = "usr/lib/systemd/system/"
	enabledIn   = "etc/systemd/system/multi-user.target.wants/"

	goodPolicy = `{
  "default": [{"type": "reject"}],
  "transports": {
    "docker": {
      "ghcr.io/me": [{"type": "sigstoreSigned", "keyPath": "/etc/pki/containers/kiln.pub", "signedIdentity": {"type": "matchRepository"}}],
      "registry.example": [{"type": "signedBy", "keyType": "GPGKeys", "keyData": "a2V5"}]
    },
    "oci": {"": [{"type": "insecureAcceptAnything"}]}
  }
}
`
	attachments = "docker:\n  ghcr.io/me:\n    use-sigstore-attachments: true\n"
	goodStatus  = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n\nPackage: old\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
)

// seenFiles are those of the good image that the rules of package databases,
// units, accounts, leftovers and trust look at.
var seenFiles = fake.Files{
	rpmdb: fake.Text(rpmDatabase("")),
	"usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": fake.Link("../../../share/rpm/rpmdb.sqlite"),
	dpkgFile: fake.Text(goodStatus),

	system + "default.target":    fake.Link("multi-user.target"),
	system + "multi-user.target": fake.Text("[Unit]\nRequires=basic.target\n"),
	system + "basic.target":      fake.Text("[Unit]\n# a comment \\\nRequires=sysinit.target \\\n  # within\n  tmp.mount\n"),
	system + "sysinit.target":    fake.Text("[Unit]\n"),
	system + "kiln@.service":     fake.Text("[Service]\nExecStart=/usr/bin/kiln --name=%i\n"),
	enabledIn + "kiln@1.service": fake.Link("/usr/lib/systemd/system/kiln@.service"),
	"usr/bin/kiln":               {Mode: fs.ModeSetuid | 0o755, Content: "x", Xattrs: map[string]string{"security.capability": netRaw}},

	"etc/passwd":                     fake.Text("root:x:0:0:root:/root:/bin/bash\nbaker:x:1000:1000::/home/baker:/bin/bash\n"),
	"etc/group":                      fake.Text("root:x:0:\nbaker:x:1000:\n"),
	"etc/shadow":                     fake.Text("root:!:20000::::::\n+::::::::\n"),
	"etc/gshadow":                    fake.Text("root:::\n"),
	"usr/lib/sysusers.d/oven.conf":   fake.Text("u oven 990\nu root 0\nu baker 1000\n"),
	"etc/oven.conf":                  {Mode: 0o640, UID: 990, GID: 990},
	"usr/lib/oven-helper":            {Mode: fs.ModeSetgid | 0o755, GID: 990},
	"etc/machine-id":                 fake.Text("uninitialized\n"),
	"etc/ssh/sshd_config":            fake.Text("HostKey /etc/ssh/ssh_host_rsa_key\n"),
	"usr/lib/tmpfiles.d/var.conf":    fake.Text("q /var 0755\nd /var/lib/containers\nd /var/log/apt - - - -\nd /opt\n"),
	"opt":                            fake.Link("var/opt"),
	"var/opt":                        fake.Dir(),
	"var/tmp":                        {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	"usr/lib/tmpfiles.d/tmp.conf":    fake.Text("q /var/tmp 1777 root root 30d\n"),
	policyFile:                       fake.Text(goodPolicy),
	"etc/pki/containers/kiln.pub":    fake.Text("-----BEGIN PUBLIC KEY-----\n"),
	storesFiles + "kiln.yaml":        fake.Text(attachments),
	storesFiles + "default.yaml":     fake.Text("default-docker: {}\n"),
	"etc/containers/registries.conf": fake.Text(""),
}

// netRaw is the attribute of a program with CAP_NET_RAW (revision 2).
const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// seenFixtures are those of what can be seen.
var seenFixtures = slices.Concat(packagedbFixtures, unitFixtures, accountFixtures, leftoverFixtures, varFixtures, trustFixtures)

var packagedbFixtures = []fixture{
	{name: "rpm-ostree's copy as a hard link", add: fake.Files{
		"usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": {HardLink: rpmdb},
		"usr/lib/sysimage/rpm":                             fake.Link("../../share/rpm"),
		rpmdb + "-wal":                                     fake.Text(""),
	}},
	{name: "no package database", remove: []string{rpmdb, "usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite", dpkgFile}},
	{
		rule: "rpmdb-damaged", add: fake.Files{rpmdb: fake.Text("SQLite format 3\x00 and no more")},
		want: []string{"/" + rpmdb + ": file is not a database (26)"},
	},
	{
		rule: "rpmdb-damaged", name: "of something else", add: fake.Files{rpmdb: fake.Text("text")},
		want: []string{"/" + rpmdb + ": not an sqlite database"},
	},
	{
		rule: "rpmdb-damaged", name: "without packages", add: fake.Files{rpmdb: fake.Text(rpmDatabase("DROP TABLE Packages"))},
		want: []string{"/" + rpmdb + ": it has no table of packages"},
	},
	{
		rule: "rpmdb-log", add: fake.Files{rpmdb + "-wal": fake.Text("frames"), rpmdb + "-journal": fake.Text("old")},
		want: []string{
			"/" + rpmdb + "-journal: the journal of a change that was broken off of 3 bytes",
			"/" + rpmdb + "-wal: a log of 6 bytes",
		},
	},
	{
		rule: "rpmdb-copies", add: fake.Files{
			"usr/lib/sysimage/rpm/rpmdb.sqlite":                fake.Text(rpmDatabase("CREATE TABLE more (x)")),
			"usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": fake.Link("../rpm/rpmdb.sqlite"),
			"var/lib/rpm/rpmdb.sqlite":                         fake.Text(rpmDatabase("CREATE TABLE more (x)")),
			"usr/lib/tmpfiles.d/rpm.conf":                      fake.Text("C /var/lib/rpm - - - - /usr/share/rpm\n"),
			"usr/lib/sysimage/rpm/.rpm.lock":                   fake.Text(""),
		},
		want: []string{
			"/usr/share/rpm/rpmdb.sqlite: it differs from /usr/lib/sysimage/rpm/rpmdb.sqlite",
			"/var/lib/rpm/rpmdb.sqlite: a second copy of /usr/lib/sysimage/rpm/rpmdb.sqlite, which updates will leave behind",
		},
	},
	{
		rule: "rpmdb-base-copy", name: "stale", add: fake.Files{"usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": fake.Text("old")},
		want: []string{"/usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite: it differs from /" + rpmdb + ": 3 bytes"},
	},
	{
		rule: "rpmdb-base-copy", name: "not linked", add: fake.Files{"usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite": fake.Text(rpmDatabase(""))},
		want: []string{"/usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite: it is another file with the content of /" + rpmdb + ": 12288 bytes"},
	},
	{
		rule: "dpkg-unfinished", add: fake.Files{
			dpkgFile:                             fake.Text(goodStatus + "Package: half\nStatus: install ok half-configured\n\nPackage: torn\nStatus: install reinstreq unpacked\n"),
			"usr/lib/sysimage/dpkg/updates/0001": fake.Text(""),
		},
		want: []string{
			`/usr/lib/sysimage/dpkg/status: package "half" is half-configured`,
			`/usr/lib/sysimage/dpkg/status: package "torn" is reinst-required`,
			"/usr/lib/sysimage/dpkg/updates/0001: a change that dpkg did not finish",
		},
	},
}

var accountFixtures = []fixture{
	{name: "accounts of nss-altfiles", add: fake.Files{
		"usr/lib/passwd": fake.Text("root:x:0:0::/root:/bin/sh\nbin:x:1:1::/:/bin/false\n"), "usr/lib/group": fake.Text("root:x:0:\nbin:x:1:\n"),
		"etc/shadow": fake.Text("bin:*:20000::::::\nsystemd-x\n#comment:\n"), "etc/owned": {Mode: 0o644, UID: 1, GID: 1},
	}},
	{
		rule: "shadow-orphans", add: fake.Files{"etc/shadow": fake.Text("root:!:\nsystemd-oven:!:\n"), "etc/gshadow": fake.Text("oven:!::\n")},
		want: []string{
			`/etc/gshadow: "oven" is no group: it is in none of /etc/group, /usr/lib/group`,
			`/etc/shadow: "systemd-oven" is no user: it is in none of /etc/passwd, /usr/lib/passwd`,
		},
	},
	{
		rule: "duplicate-ids", add: fake.Files{
			"etc/passwd":                   fake.Text("root:x:0:0:::\ntoor:x:0:0:::\nbaker:x:1000:1000:::\nnonsense\n"),
			"usr/lib/group":                fake.Text("baker:x:999:\n"),
			"usr/lib/sysusers.d/toor.conf": fake.Text("u toor 0\n"),
		},
		want: []string{
			`/etc/passwd: "toor" has UID 0, which is that of "root" too`,
			`/usr/lib/group: the group "baker" is there twice: with GID 1000 and 999`,
		},
	},
	{
		rule: "unnamed-owners", add: fake.Files{
			"usr/share/x": {Mode: 0o644, UID: 4711, GID: 4711}, "etc/x": fake.File{Mode: 0o644, GID: 4712}, "var/opt/x": {Mode: 0o644, UID: 4711},
			"usr/lib/tmpfiles.d/x.conf": fake.Text("f /opt/x\n"),
		},
		want: []string{
			"/etc/x: it belongs to group 4712, which has no name",
			"/usr/share/x: it belongs to user 4711 and group 4711, which has no name",
		},
	},
	{
		rule: "usr-owners", add: fake.Files{"usr/share/x": {Mode: 0o644, UID: 1000}, "usr/share/dir": {Mode: fs.ModeDir | 0o755, GID: 990}},
		want: []string{"/usr/share/dir: it belongs to root:oven", "/usr/share/x: it belongs to baker:root"},
	},
	{
		rule: "world-writable", add: fake.Files{
			"tmp": {Mode: fs.ModeDir | 0o777}, "dev/shm": {Mode: fs.ModeDir | 0o777}, "etc/open": {Mode: 0o666},
			"var/tmp": {Mode: fs.ModeDir | 0o777}, "usr/link": fake.Link("bin"),
		},
		want: []string{
			"/etc/open: everyone may write to the file (mode 0666)",
			"/tmp: everyone may write to the directory (mode 0777), and it is not sticky",
			"/var/tmp: everyone may write to the directory (mode 0777), and it is not sticky",
		},
	},
	{
		rule: "added-privileges", add: fake.Files{
			"usr/bin/kiln": {Mode: fs.ModeSetuid | fs.ModeSetgid | 0o755, Xattrs: map[string]string{"security.capability": netRaw}},
			"usr/bin/new":  {Mode: 0o755, Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02\x00\x04\x20\x00"}},
			"usr/bin/sh":   {Mode: 0o755, Xattrs: map[string]string{"security.capability": strings.Replace(netRaw, " ", "\x00", 1), "user.x": "y"}},
			"usr/bin/su":   {Mode: fs.ModeSetuid | 0o755},
			"usr/bin/lock": {Mode: fs.ModeSetgid | 0o644},
		},
		want: []string{
			"/usr/bin/kiln: it has setgid of group 0, and in the base image not",
			"/usr/bin/new: it has capabilities that cannot be read, and in the base image not",
			"/usr/bin/sh: it has capabilities that are none, and in the base image not",
			"/usr/bin/su: it has setuid of user 0, and in the base image not",
		},
	},
}
