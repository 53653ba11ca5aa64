package recipe

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	displayManagerRule = &rule{
		what: "a display manager", choices: []string{"sddm", "gdm", "lightdm", "plasmalogin"},
		synonyms: map[string]string{
			"gdm3": "gdm", "plasma-login-manager": "plasmalogin", "sddm.service": "sddm", "gdm.service": "gdm", "lightdm.service": "lightdm",
		},
	}

	sessionRule = &rule{
		what: "a session", form: "the name of its file without .desktop, as in plasma or gnome",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9._-]*`), longest: 64,
		inspect: func(text string, _ *source) *fault {
			if name, ok := strings.CutSuffix(text, ".desktop"); ok {
				return &fault{hint: fmt.Sprintf("write %q", name)}
			}
			return nil
		},
	}

	frameworkRule = &rule{
		what: "an input method framework", choices: []string{"fcitx5", "ibus"},
		synonyms: map[string]string{"fcitx": "fcitx5", "iBus": "ibus"},
	}

	engineRule = &rule{
		what:    "an input method engine",
		choices: []string{"hangul", "anthy", "mozc", "libpinyin", "pinyin", "libzhuyin", "chewing", "rime", "m17n", "unikey"},
		synonyms: map[string]string{
			"korean": "hangul", "japanese": "mozc", "chinese": "libpinyin", "ibus-hangul": "hangul", "fcitx5-hangul": "hangul",
			"ibus-anthy": "anthy", "fcitx5-mozc": "mozc", "zhuyin": "libzhuyin",
		},
	}

	fontsRule = &rule{
		what: "a kind of fonts", choices: []string{"core", "cjk", "emoji"},
		synonyms: map[string]string{"korean": "cjk", "japanese": "cjk", "chinese": "cjk", "noto-cjk": "cjk"},
	}

	hostnameRule = &rule{
		what: "a host name", form: "letters, digits and '-', joined by '.', as in kiln",
		pattern: whole(`[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:[.][a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*`), longest: 64,
		inspect: func(text string, _ *source) *fault {
			switch lower := strings.ToLower(text); {
			case strings.Contains(text, "_"):
				return &fault{why: "it has a '_'", hint: fmt.Sprintf("write %q", strings.ReplaceAll(lower, "_", "-"))}
			case lower != text:
				return &fault{why: "host names are in lower case", hint: fmt.Sprintf("write %q", lower)}
			}
			return nil
		},
	}

	userNameRule = &rule{
		what: "a user or group name", form: "lower-case letters, digits, '-' and '_', beginning with a letter or '_', as in kiosk",
		pattern: whole(`[a-z_][a-z0-9_-]*`), longest: 31,
		inspect: func(text string, _ *source) *fault {
			lower := strings.ToLower(text)
			switch {
			case strings.ContainsAny(text, " ,"):
				return &fault{why: "it has a blank or a comma in it", hint: "each name is an item of its own"}
			case lower != text && plainUser.MatchString(lower):
				return &fault{why: "names of users and groups are in lower case", hint: fmt.Sprintf("write %q", lower)}
			}
			return nil
		},
	}

	// gecosRule leaves out what separates the fields of passwd(5) and of
	// sysusers.d(5).
	gecosRule = &rule{
		what: "a full name", form: "one line of text without ':', '\"' and '\\'",
		pattern: whole(`[^\s:"\\%][^:"\\%]*`), longest: 128,
	}

	sshKeyRule = &rule{
		what: "a public key for ssh", form: "a file of the project, as in keys/me.pub",
		pattern: sourceRule.pattern, longest: sourceRule.longest,
		inspect: func(text string, src *source) *fault {
			switch kind, _, inner := strings.Cut(text, " "); {
			case inner && sshKeyKind.MatchString(kind):
				return &fault{why: "it is the key itself", hint: "put it into a file of the project, and name that, as in keys/me.pub"}
			case privateSSHKey.MatchString(text):
				return &fault{why: "private keys are called like that, and everyone who has the image could read it", hint: fmt.Sprintf("write %q", text+".pub")}
			}
			return inProject(text, src)
		},
	}

	remoteRule = &rule{
		what: "the name of a remote", form: "letters, digits and the characters . _ -, as in flathub",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9._-]*`), longest: 64,
	}

	applicationRule = &rule{
		what: "the ID of an application", form: "at least three parts, as in org.mozilla.firefox",
		pattern: whole(`[A-Za-z_][A-Za-z0-9_-]*(?:[.][A-Za-z0-9_-]+){2,}`),
		inspect: func(text string, _ *source) *fault {
			if id, _, branch := strings.Cut(text, "/"); branch && strings.Count(id, ".") > 1 {
				return &fault{why: "architecture and branch are not part of it", hint: fmt.Sprintf("write %q", id)}
			}
			return nil
		},
	}

	dracutModuleRule = &rule{
		what: "a module", form: "one name, as in crypt or nvme",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9_.+-]*`), longest: 64,
		inspect: func(text string, _ *source) *fault {
			if strings.ContainsAny(text, " \t,") {
				return &fault{why: "it has a blank or a comma in it", hint: "each module is an item of its own"}
			}
			if m := moduleFile.FindStringSubmatch(text); m != nil {
				return &fault{why: "a module is named, not its file", hint: fmt.Sprintf("write %q", m[1])}
			}
			return nil
		},
	}

	scopeRule = &rule{
		what: "a registry or a part of one", form: "as in ghcr.io/me or registry.example.com",
		pattern: whole(`[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*`), longest: 512,
		inspect: func(text string, _ *source) *fault {
			lower := strings.ToLower(text)
			if _, rest, ok := strings.Cut(lower, "://"); ok {
				return &fault{why: "it has a scheme", hint: fmt.Sprintf("write %q", strings.TrimSuffix(rest, "/"))}
			}
			if lower != text {
				return &fault{why: "registries demand lower case", hint: fmt.Sprintf("write %q", lower)}
			}
			return nil
		},
	}

	publicKeyRule = &rule{
		what: "a public key", form: "a file of the project, as in cosign.pub",
		pattern: sourceRule.pattern, longest: sourceRule.longest,
		inspect: func(text string, src *source) *fault {
			if stem, ok := strings.CutSuffix(text, ".key"); ok {
				return &fault{why: "private keys are called like that", hint: fmt.Sprintf("write %q", stem+".pub")}
			}
			return inProject(text, src)
		},
	}

	durationRule = &rule{
		what: "a duration", form: "a number and its unit, as in 90s or 5m",
		pattern: whole(`(?:[0-9]+(?:[.][0-9]+)?(?:s|m|h))+`), longest: 16,
		inspect: func(text string, _ *source) *fault {
			if d, err := time.ParseDuration(text); err == nil && d <= 0 {
				return &fault{why: "nothing takes no time"}
			}
			return nil
		},
	}
)

var (
	plainUser = regexp.MustCompile(`^[a-z_][a-z0-9_-]*$`)

	// sshKeyKind is what a line of authorized_keys begins with, options aside.
	sshKeyKind = regexp.MustCompile(`^(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+$`)

	// privateSSHKey is what ssh-keygen calls private keys.
	privateSSHKey = regexp.MustCompile(`(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$`)

	moduleFile = regexp.MustCompile(`^(.+)[.]ko(?:[.](?:xz|zst|gz))?$`)
)
