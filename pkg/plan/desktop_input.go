package plan

import (
	"fmt"
	"strings"
)

// inputFramework is what an input method framework is made of.
type inputFramework struct {
	// packages are its own, by family.
	packages map[family][]string
	// engines are by their name in the recipe.
	engines map[string]inputEngine
	// instead says what to use where a package is not to be had.
	instead string
}

// inputEngine is an engine of a framework.
type inputEngine struct {
	pkg string
	// component is the name of the file that describes it, and id is what
	// settings call it: "" for one that is many engines, none of which is the
	// default.
	component, id string
}

var inputFrameworks = map[string]inputFramework{
	"ibus": {
		packages: map[family][]string{
			familyDebian: {"ibus", "ibus-gtk3", "ibus-gtk4", "im-config"},
			familyFedora: {"ibus", "ibus-gtk3", "ibus-gtk4"},
			familyEL10:   {"ibus", "ibus-gtk3", "ibus-gtk4", "ibus-wayland"},
			familyEL9:    {"ibus", "ibus-gtk3"},
		},
		engines: map[string]inputEngine{
			"anthy":     {"ibus-anthy", "anthy", "anthy"},
			"chewing":   {"ibus-chewing", "chewing", "chewing"},
			"hangul":    {"ibus-hangul", "hangul", "hangul"},
			"libpinyin": {"ibus-libpinyin", "libpinyin", "libpinyin"},
			"libzhuyin": {"ibus-libzhuyin", "libzhuyin", "libzhuyin"},
			"m17n":      {"ibus-m17n", "m17n", ""},
			"mozc":      {"ibus-mozc", "mozc", "mozc-jp"},
			"pinyin":    {"ibus-libpinyin", "libpinyin", "libpinyin"},
			"rime":      {"ibus-rime", "rime", "rime"},
			"unikey":    {"ibus-unikey", "unikey", "Unikey"},
		},
		instead: "use another engine (Enterprise Linux is known to have hangul, anthy, libpinyin, libzhuyin and m17n), or add the repository that has it under repos",
	},
	"fcitx5": {
		packages: map[family][]string{
			familyFedora: {"fcitx5", "fcitx5-gtk", "fcitx5-qt", "fcitx5-configtool"},
			familyEL10:   {"fcitx5", "fcitx5-gtk", "fcitx5-qt", "fcitx5-configtool"},
			familyEL9:    {"fcitx5", "fcitx5-gtk", "fcitx5-qt", "fcitx5-configtool"},
		},
		engines: map[string]inputEngine{
			"anthy":     {"fcitx5-anthy", "anthy", "anthy"},
			"chewing":   {"fcitx5-chewing", "chewing", "chewing"},
			"hangul":    {"fcitx5-hangul", "hangul", "hangul"},
			"libpinyin": {"fcitx5-chinese-addons", "pinyin", "pinyin"},
			"libzhuyin": {"fcitx5-zhuyin", "zhuyin", "zhuyin"},
			"m17n":      {"fcitx5-m17n", "m17n", ""},
			"mozc":      {"fcitx5-mozc", "mozc", "mozc"},
			"pinyin":    {"fcitx5-chinese-addons", "pinyin", "pinyin"},
			"rime":      {"fcitx5-rime", "rime", "rime"},
			"unikey":    {"fcitx5-unikey", "unikey", "unikey"},
		},
		instead: "use framework: ibus, which Enterprise Linux and Fedora have themselves, or add the repository that has fcitx5 under repos",
	},
}

// frameworkPackages are those of the framework that a distribution has.
func frameworkPackages(framework string, d Distro) []string {
	if framework == "fcitx5" && d.family() == familyDebian {
		// Of Qt's modules the one for the Plasma of the release.
		qt := "fcitx5-frontend-qt6"
		if d.ID == "debian" && d.Major() > 0 && d.Major() <= 12 {
			qt = "fcitx5-frontend-qt5"
		}
		return []string{"fcitx5", "fcitx5-config-qt", "fcitx5-frontend-gtk3", "fcitx5-frontend-gtk4", qt, "im-config"}
	}
	return inputFrameworks[framework].packages[d.family()]
}

// inputMethod plans the words under desktop.input-method. It comes after the
// words under packages and locale: what it sets up depends on the desktops
// that are there, and on the keyboard.
func (p *planner) inputMethod() {
	in := p.r.Desktop.InputMethod
	if !in.Framework.IsSet() {
		return
	}
	framework, ok := inputFrameworks[in.Framework.Value]
	if !ok {
		p.problem(in.Framework.Pos, "invalid-value", "desktop.input-method.framework", "", "there is no framework %q", in.Framework.Value)
		return
	}
	set := fixed(in.Framework.Pos, in.Framework.Value)
	packages := fixed(in.Framework.Pos, frameworkPackages(in.Framework.Value, p.plan.Base.Distro)...)
	var titles []string
	for i, w := range unique(words(in.Engines)) {
		engine, ok := framework.engines[w.Value]
		if !ok {
			p.problem(w.Origin, "invalid-value", fmt.Sprintf("desktop.input-method.engines[%d]", i), "",
				"%s has no engine %q", in.Framework.Value, w.Value)
			continue
		}
		titles = append(titles, w.Value)
		packages = append(packages, Word{Value: engine.pkg, Origin: w.Origin})
		set = append(set, Word{Value: "--engine=" + engine.component + ":" + engine.id, Origin: w.Origin})
	}
	title := "Input method: " + in.Framework.Value
	if len(titles) > 0 {
		title += " (" + strings.Join(titles, ", ") + ")"
	}
	p.step(KindDesktop, title, origins(set), append(p.bring(packages, framework.instead), p.scripted(Work{
		Scripts:  []string{"input-method.sh", "ini.sh", "problem.sh"},
		Commands: []Command{scriptCommand("input-method.sh", set)},
	}))...)
}
