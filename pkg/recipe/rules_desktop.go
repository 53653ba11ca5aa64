package recipe

import (
	"fmt"
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
	}

	// gecosRule leaves out what separates the fields of passwd(5) and of
	// sysusers.d(5).
	gecosRule = &rule{
		what: "a full name", form: "one line of text without ':', '\"' and '\\'",
		pattern: whole(`[^\s:"\\%][^:"\\%]*`), longest: 128,
	}

	applicationRule = &rule{
		what: "the ID of an application", form: "at least three parts, as in org.mozilla.firefox",
		pattern: whole(`[A-Za-z_][A-Za-z0-9_-]*(?:[.][A-Za-z0-9_-]+){2,}`),
	}

	dracutModuleRule = &rule{
		what: "a module", form: "one name, as in crypt or nvme",
		pattern: whole(`[A-Za-z0-9][A-Za-z0-9_.+-]*`), longest: 64,
		inspect: func(text string, _ *source) *fault {
			if strings.ContainsAny(text, " \t,") {
				return &fault{why: "it has a blank or a comma in it", hint: "each module is an item of its own"}
			}
			return nil
		},
	}

	scopeRule = &rule{
		what: "a registry or a part of one", form: "as in ghcr.io/me or registry.example.com",
		pattern: whole(`[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*`), longest: 512,
		inspect: func(text string, _ *source) *fault {
			if lower := strings.ToLower(text); lower != text {
				return &fault{why: "registries demand lower case", hint: fmt.Sprintf("write %q", lower)}
			}
			return nil
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
