package plan

import "slices"

// family is a group of distributions with the same package names.
type family string

// The families. The number of Enterprise Linux counts, for what is new in it.
const (
	familyDebian family = "debian"
	familyFedora family = "fedora"
	familyEL9    family = "el-9"
	familyEL10   family = "el-10"
)

// family returns the family of d. What is like Fedora is taken for it.
func (d Distro) family() family {
	switch {
	case d.Is("debian", "ubuntu"):
		return familyDebian
	case !d.Is(enterprise...):
		return familyFedora
	case d.Major() < 10:
		return familyEL9
	}
	return familyEL10
}

// proven are packages of which it is known that the repositories of a family
// have them. For all others the plan says what to use instead. Debian 12 and 13
// have all that bootkiln asks for, so none is in doubt there.
var proven = map[family][]string{
	familyEL9: {"gdm"},
	familyEL10: {
		"default-fonts-cjk-mono", "default-fonts-cjk-sans", "default-fonts-cjk-serif",
		"default-fonts-core-mono", "default-fonts-core-sans", "default-fonts-core-serif",
		"gdm", "ibus", "ibus-anthy", "ibus-gtk3", "ibus-gtk4", "ibus-hangul", "ibus-libpinyin", "ibus-libzhuyin", "ibus-m17n", "ibus-wayland",
	},
	familyFedora: {
		"default-fonts-cjk-mono", "default-fonts-cjk-sans", "default-fonts-cjk-serif",
		"default-fonts-core-mono", "default-fonts-core-sans", "default-fonts-core-serif", "google-noto-color-emoji-fonts",
		"fcitx5", "fcitx5-chewing", "fcitx5-chinese-addons", "fcitx5-configtool", "fcitx5-gtk", "fcitx5-hangul", "fcitx5-m17n",
		"fcitx5-mozc", "fcitx5-qt", "fcitx5-rime", "fcitx5-unikey",
		"gdm", "ibus", "ibus-anthy", "ibus-chewing", "ibus-gtk3", "ibus-gtk4", "ibus-hangul", "ibus-libpinyin", "ibus-libzhuyin",
		"ibus-m17n", "ibus-mozc", "lightdm", "sddm",
	},
}

// bring returns the instruction that installs packages for words of the
// recipe. Which repositories have them is asked before the build; where one is
// in doubt and not found, instead says what to use in its place.
func (p *planner) bring(packages []Word, instead string) []Instruction {
	packages = unique(packages)
	family := p.plan.Base.Distro.family()
	if family != familyDebian {
		doubtful := slices.DeleteFunc(slices.Clone(packages), func(w Word) bool { return slices.Contains(proven[family], w.Value) })
		p.ask(Questions{Doubtful: []Doubt{{Instead: instead, Words: doubtful}}})
	}
	return []Instruction{p.work(p.installing(packages))}
}
