package plan

import "github.com/bootkiln/bootkiln/pkg/recipe"

// localeWords are the words under "locale" that the recipe says.
type localeWords struct {
	// languages are locale names; the first is the system's language where
	// the recipe has one.
	languages        []Word
	keymap, timezone *Word
}

// locale plans the words under "locale": the packages they need, then the
// system's files.
func (p *planner) locale() {
	in := p.r.Locale
	var l localeWords
	var set []Word
	add := func(option string, s recipe.String) *Word {
		if !s.IsSet() {
			return nil
		}
		w := Word{Value: s.Value, Origin: s.Pos}
		set = append(set, Word{Value: option + "=" + s.Value, Origin: s.Pos})
		return &w
	}
	if w := add("--language", in.Language); w != nil {
		l.languages = append(l.languages, *w)
	}
	for _, s := range in.Extra {
		if w := add("--extra", s); w != nil {
			l.languages = append(l.languages, *w)
		}
	}
	l.keymap, l.timezone = add("--keymap", in.Keymap), add("--timezone", in.Timezone)
	if len(set) == 0 || p.manager == nil {
		return
	}

	needed, wanted := p.manager.Locale(l)
	var work Work
	if len(needed) > 0 {
		work = p.installing(needed)
	}
	work.Scripts = append(work.Scripts, "locale.sh", "problem.sh")
	work.Commands = append(work.Commands, scriptCommand("locale.sh", set))
	instructions := []Instruction{p.work(work)}
	if len(wanted) > 0 {
		instructions = append(instructions, p.optional(wanted))
	}
	p.step(KindLocale, "Set language, keyboard and time zone", origins(set), instructions...)
}
