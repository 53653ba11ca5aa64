package plan

import (
	"fmt"
	"strings"
)

// fontPackages are the packages of the kinds of fonts.
var fontPackages = map[family]map[string][]string{
	familyDebian: {
		"core":  {"fonts-noto-core"},
		"cjk":   {"fonts-noto-cjk"},
		"emoji": {"fonts-noto-color-emoji"},
	},
	familyFedora: {
		"core":  {"default-fonts-core-sans", "default-fonts-core-serif", "default-fonts-core-mono"},
		"cjk":   {"default-fonts-cjk-sans", "default-fonts-cjk-serif", "default-fonts-cjk-mono"},
		"emoji": {"google-noto-color-emoji-fonts"},
	},
	familyEL10: {
		"core":  {"default-fonts-core-sans", "default-fonts-core-serif", "default-fonts-core-mono"},
		"cjk":   {"default-fonts-cjk-sans", "default-fonts-cjk-serif", "default-fonts-cjk-mono"},
		"emoji": {"google-noto-color-emoji-fonts"},
	},
	familyEL9: {
		"core":  {"dejavu-sans-fonts", "dejavu-serif-fonts", "dejavu-sans-mono-fonts"},
		"cjk":   {"google-noto-sans-cjk-ttc-fonts"},
		"emoji": {"google-noto-emoji-color-fonts"},
	},
}

// fonts plans the word desktop.fonts.
func (p *planner) fonts() {
	kinds := unique(words(p.r.Desktop.Fonts))
	if len(kinds) == 0 {
		return
	}
	var packages []Word
	var titles []string
	for i, kind := range kinds {
		names := fontPackages[p.plan.Base.Distro.family()][kind.Value]
		if len(names) == 0 {
			p.problem(kind.Origin, "invalid-value", fmt.Sprintf("desktop.fonts[%d]", i), "", "there is no kind %q of fonts", kind.Value)
			continue
		}
		titles = append(titles, kind.Value)
		packages = append(packages, fixed(kind.Origin, names...)...)
	}
	const instead = "take the kind out of desktop.fonts, and name the packages of the fonts under packages.install"
	p.step(KindDesktop, "Fonts: "+strings.Join(titles, ", "), origins(kinds), p.bring(packages, instead)...)
}
