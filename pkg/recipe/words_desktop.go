package recipe

import "github.com/bootkiln/bootkiln/pkg/diag"

// The rows of what makes a desktop out of packages.

var localeRecord = record[Locale]{
	pos: func(l *Locale) *diag.Pos { return &l.Pos },
	words: []word[Locale]{
		{
			key:      "language",
			doc:      "The system's locale.",
			examples: []string{"ko_KR.UTF-8"},
			value:    text(languageRule, func(l *Locale) *String { return &l.Language }),
		},
		{
			key:      "extra",
			doc:      "More locales to have.",
			examples: []string{"[en_US.UTF-8]"},
			value:    texts(languageRule, func(l *Locale) *[]String { return &l.Extra }),
		},
		{
			key:      "keymap",
			doc:      "The keyboard of the console, as \"localectl list-keymaps\" names it.",
			examples: []string{"kr"},
			value:    text(keymapRule, func(l *Locale) *String { return &l.Keymap }),
		},
		{
			key:      "timezone",
			doc:      "The time zone, as the IANA database names it.",
			examples: []string{"Asia/Seoul"},
			value:    text(timezoneRule, func(l *Locale) *String { return &l.Timezone }),
		},
	},
}

var desktopRecord = record[Desktop]{
	pos: func(d *Desktop) *diag.Pos { return &d.Pos },
	words: []word[Desktop]{
		{
			key:      "display-manager",
			doc:      "What asks who logs in. It is enabled, another one that the base has is disabled, and the system boots into graphical.target.",
			examples: []string{"sddm", "gdm"},
			value:    text(displayManagerRule, func(d *Desktop) *String { return &d.DisplayManager }),
		},
		{
			key:      "session",
			doc:      "The session that is offered first, by the name of its file in /usr/share/wayland-sessions or /usr/share/xsessions.",
			examples: []string{"plasma", "gnome"},
			value:    text(sessionRule, func(d *Desktop) *String { return &d.Session }),
		},
		{
			key: "input-method",
			doc: "How text is entered that no keyboard has: the framework, its engines, and what Plasma, GNOME and applications need to know of it. " +
				"What is missing is installed.",
			examples: []string{"fcitx5", "{framework: ibus, engines: [hangul]}"},
			value:    section(inputMethodRecord, func(d *Desktop) *InputMethod { return &d.InputMethod }),
		},
		{
			key:      "fonts",
			doc:      "Kinds of fonts to have, in the distribution's own packages: core, cjk (Chinese, Japanese, Korean), emoji.",
			examples: []string{"[core, cjk, emoji]"},
			value:    texts(fontsRule, func(d *Desktop) *[]String { return &d.Fonts }),
		},
	},
}

var inputMethodRecord = record[InputMethod]{
	pos:  func(i *InputMethod) *diag.Pos { return &i.Pos },
	bare: "framework",
	words: []word[InputMethod]{
		{
			key:      "framework",
			doc:      "The input method framework.",
			examples: []string{"fcitx5", "ibus"},
			value:    text(frameworkRule, func(i *InputMethod) *String { return &i.Framework }),
		},
		{
			key:      "engines",
			doc:      "Its engines, the first one being the default.",
			examples: []string{"[hangul]", "[mozc]"},
			value:    texts(engineRule, func(i *InputMethod) *[]String { return &i.Engines }),
		},
	},
}

var userRecord = record[User]{
	pos: func(u *User) *diag.Pos { return &u.Pos },
	words: []word[User]{
		{
			key: "name", required: true,
			doc:      "The name to log in with.",
			examples: []string{"kiosk"},
			value:    text(userNameRule, func(u *User) *String { return &u.Name }),
		},
		{
			key:      "description",
			doc:      "The name that people read.",
			examples: []string{"Kiosk"},
			value:    text(gecosRule, func(u *User) *String { return &u.Description }),
		},
		{
			key:      "groups",
			doc:      "Groups to be in, beside the user's own.",
			examples: []string{"[wheel]"},
			value:    texts(userNameRule, func(u *User) *[]String { return &u.Groups }),
		},
		{
			key:      "shell",
			doc:      "The login shell. Without it, /bin/bash.",
			examples: []string{"/usr/bin/fish"},
			value:    text(imagePathRule, func(u *User) *String { return &u.Shell }),
		},
		{
			key: "ssh-keys",
			doc: "Files of the project with the public keys that may log in by ssh. At every boot they replace all keys that the user has on the machine; " +
				"of a user without this word, and of one that leaves the recipe, machines keep the keys that they have.",
			examples: []string{"[keys/me.pub]"},
			value:    paths(sshKeyRule, func(u *User) *[]Path { return &u.SSHKeys }),
		},
	},
}

var flatpakRecord = record[Flatpak]{
	pos: func(f *Flatpak) *diag.Pos { return &f.Pos },
	words: []word[Flatpak]{
		{
			key:      "remotes",
			doc:      "Where applications come from: flathub, or a name with the address of its .flatpakrepo file.",
			examples: []string{"[flathub]", "[{name: site, url: \"https://example.com/site.flatpakrepo\"}]"},
			value:    entries(flatpakRemoteRecord, func(f *Flatpak) *[]FlatpakRemote { return &f.Remotes }),
		},
		{
			key:      "install",
			doc:      "Applications to install when the machine first boots with a network.",
			examples: []string{"[org.mozilla.firefox]"},
			value:    texts(applicationRule, func(f *Flatpak) *[]String { return &f.Install }),
		},
	},
}

var flatpakRemoteRecord = record[FlatpakRemote]{
	bare: "name",
	words: []word[FlatpakRemote]{
		{
			key: "name", required: true,
			doc:      "What the remote is called.",
			examples: []string{"flathub"},
			value:    text(remoteRule, func(f *FlatpakRemote) *String { return &f.Name }),
		},
		{
			key:      "url",
			doc:      "The https address of its .flatpakrepo file, which has the remote's key; known for flathub.",
			examples: []string{"\"https://example.com/site.flatpakrepo\""},
			value:    text(remoteURLRule, func(f *FlatpakRemote) *String { return &f.URL }),
		},
	},
}
