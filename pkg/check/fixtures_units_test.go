package check

import (
	fake "github.com/bootkiln/bootkiln/pkg/internal/fakeimage"
)

var unitFixtures = []fixture{
	{name: "units as packages have them", add: fake.Files{
		enabledIn + "boot.mount":             fake.Link("/run/systemd/generator/boot.mount"), // from /etc/fstab
		enabledIn + "legacy.service":         fake.Link("/run/systemd/generator.late/legacy.service"),
		"etc/init.d/legacy":                  fake.Program("#!/bin/sh\n"),
		enabledIn + "off.service":            fake.Link("/dev/null"),
		enabledIn + "masked.service":         fake.Link("/usr/lib/systemd/system/masked.service"),
		"etc/systemd/system/masked.service":  fake.Link("/dev/null"),
		system + "masked.service":            fake.Text("[Service]\nExecStart=/usr/bin/absent\n"),
		system + "disabled.service":          fake.Text("[Service]\nExecStart=/usr/bin/absent\n"),
		"etc/systemd/system/own.service":     fake.Link("/usr/share/own/own.service"),
		"usr/share/own/own.service":          fake.Text("[Service]\nExecStart=kiln\n"),
		"usr/bin/a b":                        fake.Program(""),
		"etc/systemd/system/display.service": fake.Link("/usr/lib/systemd/system/words.service"),
		system + "words.service": fake.Text("ExecStart=/no/section\n[Service]\n; ExecStart=/no\nExecStart=/usr/bin/absent\nExecStart=\n" +
			"ExecStartPre=-/usr/bin/absent\nExecStart=@!!/usr/bin/kiln argv0 \\\n  $X\nExecStart=\"/usr/bin/a b\" c\nExecStart='/usr/bin/a\\sb'\n" +
			"ExecStart=$PROGRAM\nExecStart=/usr/bin/%H\nExecStart=/run/x\nExecStart=/opt/x\nExecStartPost=/usr/bin/absent\n"),
		enabledIn + "conditional.service":                 fake.Link("../conditional.service"),
		system + "conditional.service":                    fake.Text("[Unit]\nConditionPathExists=/etc/x\nConditionFileIsExecutable=/usr/bin/absent\n[Service]\nExecStart=/usr/bin/absent\n"),
		enabledIn + "rooted.service":                      fake.Link("../rooted.service"),
		system + "rooted.service":                         fake.Text("[Service]\nRootDirectory=/srv/x\nExecStart=/usr/bin/absent\n"),
		enabledIn + "dropped-in.service":                  fake.Link("../dropped-in.service"),
		system + "dropped-in.service":                     fake.Text("[Service]\nExecStart=/usr/bin/absent\n"),
		"etc/systemd/system/dropped-.service.d/10.conf":   fake.Text("[Service]\nExecStart=\nExecStart=/usr/bin/kiln\n"),
		"etc/systemd/user/default.target.wants/u.service": fake.Link("/usr/local/lib/systemd/user/u.service"),
		"usr/local/lib/systemd/user/u.service":            fake.Text("[Service]\nExecStart=/usr/bin/kiln\n"),
	}},
	{
		rule: "default-target", name: "leads nowhere", add: fake.Files{"etc/systemd/system/default.target": fake.Link("/usr/lib/systemd/system/graphical.target")},
		remove: []string{system + "default.target"},
		want:   []string{`/etc/systemd/system/default.target: it leads to "/usr/lib/systemd/system/graphical.target", and graphical.target is not in the image`},
	},
	{
		rule: "default-target", name: "is not there", remove: []string{system + "default.target"},
		want: []string{"/usr/lib/systemd/system/default.target: default.target is missing"},
	},
	{
		rule: "default-target", name: "another name for nothing", add: fake.Files{
			"etc/systemd/system/default.target": fake.Link("../../../usr/lib/systemd/system/kiosk.target"), system + "kiosk.target": fake.Link("gone.target"),
		},
		want: []string{`/etc/systemd/system/default.target: it leads to "../../../usr/lib/systemd/system/kiosk.target", and gone.target is not in the image`},
	},
	{
		rule: "default-target", name: "is a service", add: fake.Files{"etc/systemd/system/default.target": fake.Link("/usr/lib/systemd/system/kiln.service")},
		want: []string{`/etc/systemd/system/default.target: it leads to "/usr/lib/systemd/system/kiln.service", which is no target`},
	},
	{
		rule: "default-target", name: "leads to a folder of others", add: fake.Files{"etc/systemd/system/default.target": fake.Link("/usr/share/kiln/default.target")},
		want: []string{`/etc/systemd/system/default.target: it leads to "/usr/share/kiln/default.target", which is not there`},
	},
	{name: "default.target of another folder", add: fake.Files{
		"etc/systemd/system/default.target": fake.Link("/usr/share/kiln/default.target"), "usr/share/kiln/default.target": fake.Text("[Unit]\nRequires=basic.target\n"),
	}},
	{name: "default.target, by the same name", add: fake.Files{"etc/systemd/system/default.target": fake.Link("/usr/lib/systemd/system/default.target")}},
	{
		rule: "default-target", name: "masked", add: fake.Files{"etc/systemd/system/sysinit.target": fake.Link("/dev/null")},
		want: []string{"/etc/systemd/system/sysinit.target: sysinit.target is masked, which basic.target requires"},
	},
	{
		rule: "default-target", name: "requires what is not there", add: fake.Files{
			system + "multi-user.target.d/10.conf":                   fake.Text("[Unit]\nBindsTo=a.service\n"),
			"etc/systemd/system/multi-user.target.requires/b.socket": fake.Link("../b.socket"),
			system + "b.socket":                                      fake.Text("[Unit]\nRequires=multi-user.target\n"),
			system + "a.service":                                     fake.Text("[Service]\nExecStart=/usr/bin/absent\n"),
		},
		want: []string{`/usr/lib/systemd/system/a.service: ExecStart= of a.service: the program "/usr/bin/absent" is not in the image`},
	},
	{
		rule: "masked-essentials", add: fake.Files{
			"etc/systemd/system/systemd-user-sessions.service": fake.Link("/dev/null"), system + "systemd-udevd.service": fake.Text(""),
			"etc/systemd/system/systemd-firstboot.service": fake.Link("/dev/null"),
		},
		want: []string{
			"/etc/systemd/system/systemd-udevd.service: systemd-udevd.service is masked: devices have no names and their drivers are not loaded",
			"/etc/systemd/system/systemd-user-sessions.service: systemd-user-sessions.service is masked: nobody but root can log in",
		},
	},
	{
		rule: "unit-links", add: fake.Files{
			enabledIn + "gone.service":                              fake.Link("/usr/lib/systemd/system/gone.service"),
			enabledIn + "gone@x.timer":                              fake.Link("/usr/lib/systemd/system/kiln@.service"),
			"etc/systemd/system/display-manager.service":            fake.Link("/usr/lib/systemd/system/sddm.service"),
			"etc/systemd/system/circle.service":                     fake.Link("circle.service"),
			"usr/lib/systemd/user/sockets.target.wants/gone.socket": fake.Link("../gone.socket"),
			"usr/lib/systemd/system/alias-of-a-package.service":     fake.Link("gone.service"),
		},
		want: []string{
			`/etc/systemd/system/circle.service: the unit "circle.service" is not in the image`,
			`/etc/systemd/system/display-manager.service: the unit "sddm.service" is not in the image`,
			`/etc/systemd/system/multi-user.target.wants/gone.service: the unit "gone.service" is not in the image`,
			`/etc/systemd/system/multi-user.target.wants/gone@x.timer: the unit "gone@x.timer" is not in the image`,
			`/usr/lib/systemd/user/sockets.target.wants/gone.socket: the unit "gone.socket" is not in the image`,
		},
	},
	{
		rule: "unit-programs", name: "of what enabled units pull in", add: fake.Files{
			enabledIn + "one.service":    fake.Link("/usr/lib/systemd/system/one.service"),
			system + "one.service":       fake.Text("[Unit]\nWants=two@%p.service one.service absent.service\n[Service]\nExecStart=/usr/bin/kiln\n"),
			system + "two@.service":      fake.Text("[Unit]\nRequires=three.target\n[Service]\nExecStart=/usr/bin/two\n"),
			system + "three.target":      fake.Text("[Unit]\nUpholds=four.service\nAfter=ordered.service\n"),
			system + "four.service":      fake.Text("[Service]\nExecStart=/usr/bin/four\n"),
			system + "ordered.service":   fake.Text("[Service]\nExecStart=/usr/bin/ordered\n"),
			enabledIn + "kiln.timer":     fake.Link("/usr/lib/systemd/system/kiln.timer"),
			system + "kiln.timer":        fake.Text("[Timer]\nOnBootSec=1h\nUnit=burn.service\n"),
			system + "burn.service":      fake.Text("[Service]\nExecStart=/usr/bin/burn\n"),
			enabledIn + "each.socket":    fake.Link("/usr/lib/systemd/system/each.socket"),
			system + "each.socket":       fake.Text("[Socket]\nListenStream=/run/each\nAccept=yes\n"),
			system + "each@.service":     fake.Text("[Service]\nExecStart=/usr/bin/each\n"),
			enabledIn + "watch.path":     fake.Link("/usr/lib/systemd/system/watch.path"),
			system + "watch.path":        fake.Text("[Path]\nPathExists=/run/x\n"),
			system + "watch.service":     fake.Text("[Service]\nExecStart=/usr/bin/watch\n"),
			system + "unstarted.service": fake.Text("[Service]\nExecStart=/usr/bin/unstarted\n"),
		},
		want: []string{
			`/usr/lib/systemd/system/burn.service: ExecStart= of burn.service: the program "/usr/bin/burn" is not in the image`,
			`/usr/lib/systemd/system/each@.service: ExecStart= of each@.service: the program "/usr/bin/each" is not in the image`,
			`/usr/lib/systemd/system/four.service: ExecStart= of four.service: the program "/usr/bin/four" is not in the image`,
			`/usr/lib/systemd/system/two@.service: ExecStart= of two@one.service: the program "/usr/bin/two" is not in the image`,
			`/usr/lib/systemd/system/watch.service: ExecStart= of watch.service: the program "/usr/bin/watch" is not in the image`,
		},
	},
	{
		rule: "unit-programs", add: fake.Files{
			"usr/bin/text": fake.Text("x"), "usr/bin/a": fake.Dir(),
			enabledIn + "one.service":            fake.Link("/usr/lib/systemd/system/one.service"),
			"etc/systemd/system/alias.service":   fake.Link("/usr/lib/systemd/system/one.service"),
			system + "one.service":               fake.Text("[Service]\nExecStartPre=absent\nExecStart=+/usr/bin/a\nExecStart=:/usr/bin/text\n"),
			enabledIn + "kiln@x-y.service":       fake.Link("/usr/lib/systemd/system/kiln@.service"),
			system + "kiln@x-y.service.d/a.conf": fake.Text("[Service]\nExecStart=\nExecStart=/usr/bin/%p-%i%%\n"),
		},
		want: []string{
			`/usr/lib/systemd/system/kiln@.service: ExecStart= of kiln@x-y.service: the program "/usr/bin/kiln-x-y%" is not in the image`,
			`/usr/lib/systemd/system/one.service: ExecStart= of one.service: the program "/usr/bin/a" is a directory`,
			`/usr/lib/systemd/system/one.service: ExecStart= of one.service: the program "/usr/bin/text" may not be executed (mode -rw-r--r--)`,
			`/usr/lib/systemd/system/one.service: ExecStartPre= of one.service: the program "absent" is not in the image`,
		},
	},
}
