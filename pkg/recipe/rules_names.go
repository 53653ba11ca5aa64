package recipe

import (
	_ "embed" // the lists of names
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// The rules of names that somebody else hands out, and that are known before
// there is an image. The lists are made by hack/names, which says from what.

var (
	//go:embed names/zones.txt
	zoneList string
	zones    = namesOf(zoneList)

	//go:embed names/locales.txt
	localeList string
	locales    = namesOf(localeList)
)

// namesOf reads a list with one name in a line, below a line that says where
// it is from.
func namesOf(list string) []string {
	_, names, _ := strings.Cut(list, "\n")
	return strings.Fields(names)
}

var (
	languageRule = &rule{
		what: "a locale", form: localeForm,
		choices: locales, def: "locale-name", synonyms: localeSynonyms, inspect: inspectLanguage,
	}

	timezoneRule = &rule{
		what: "a time zone", form: zoneForm,
		choices: zones, def: "zone-name", inspect: inspectTimezone,
	}

	// keymapRule knows no list: which keymaps there are is up to the image.
	keymapRule = &rule{
		what: "a keymap", form: "a name that localectl list-keymaps prints, as in us or kr",
		pattern: whole(`[a-z0-9][A-Za-z0-9_.-]*`), longest: 64, inspect: inspectKeymap,
	}
)

const (
	localeForm = "language, country and encoding, as in ko_KR.UTF-8; the names are those of glibc"
	zoneForm   = "area and city, as in Asia/Seoul, or UTC; \"timedatectl list-timezones\" lists them"
)

// localeSynonyms are locales without a language code.
var localeSynonyms = map[string]string{
	"C": "C.UTF-8", "POSIX": "C.UTF-8", "english": "en_US.UTF-8", "korean": "ko_KR.UTF-8",
	"japanese": "ja_JP.UTF-8", "chinese": "zh_CN.UTF-8",
}

// layouts are the keyboards, which go by country, of languages whose code is
// no keyboard at all. No package of keymaps has one of these languages; "uk" is
// left out, because it is Ukrainian as a language and British as a keymap.
var layouts = map[string]string{
	"cs": "cz", "da": "dk", "el": "gr", "en": "us", "he": "il", "ja": "jp", "ko": "kr", "sv": "se", "vi": "vn", "zh": "cn",
}

// writtenLocale are the ways in which people write a locale: language, country,
// encoding and variant.
var writtenLocale = regexp.MustCompile(`^([A-Za-z]{2,3})(?:[_-]([A-Za-z]{2}))?(?:[.]([A-Za-z0-9_-]+))?(?:@([A-Za-z]+))?$`)

func inspectLanguage(text string, _ *source) *fault {
	if slices.Contains(locales, text) || localeSynonyms[text] != "" {
		return nil
	}
	name, _, _ := strings.Cut(text, " ") // a line of locale.gen says the encoding again
	m := writtenLocale.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	language, country, encoding, variant := strings.ToLower(m[1]), strings.ToUpper(m[2]), m[3], strings.ToLower(m[4])
	if country == "UK" {
		country = "GB"
	}
	for of, at := range layouts {
		if language == at {
			language = of // jp_JP: the country for the language
		}
	}
	meant := language
	if country == "" {
		meant = localeOf(language)
	} else {
		meant += "_" + country + ".UTF-8"
	}
	if variant != "" && variant != "euro" {
		meant += "@" + variant
	}
	switch folded := strings.ToLower(strings.ReplaceAll(encoding, "-", "")); {
	case !slices.Contains(locales, meant):
		near := nearLocale(meant, func(l string) bool { return strings.HasPrefix(l, language+"_") })
		if near == "" && country != "" {
			near = nearLocale(meant, func(l string) bool { return strings.Contains(l, "_"+country) })
		}
		return &fault{hint: didYouMean(near, localeForm)}
	case folded != "" && folded != "utf8":
		return &fault{why: "only UTF-8 is taken", hint: fmt.Sprintf("write %q", meant)}
	case country == "":
		return &fault{hint: didYouMean(meant, localeForm)}
	default:
		return &fault{hint: fmt.Sprintf("write %q", meant)}
	}
}

// nearLocale returns the locale that is near a name among some of them.
func nearLocale(name string, among func(string) bool) string {
	return diag.Nearest(name, slices.DeleteFunc(slices.Clone(locales), func(l string) bool { return !among(l) }))
}

// localeOf returns the locale that is most likely meant by a language, "" where
// there is none.
func localeOf(language string) string {
	home := strings.ToUpper(layouts[language])
	if home == "" {
		home = strings.ToUpper(language)
	}
	for _, name := range []string{language + "_" + home, language} {
		if slices.Contains(locales, name+".UTF-8") {
			return name + ".UTF-8"
		}
	}
	i := slices.IndexFunc(locales, func(l string) bool { return strings.HasPrefix(l, language+"_") })
	if i < 0 {
		return ""
	}
	return locales[i]
}

var (
	// abbreviation is how the clocks of a zone are called, which is no name of
	// it: most of them are of several.
	abbreviation = regexp.MustCompile(`^[A-Z]{2,4}$`)

	abbreviations = map[string]string{
		"KST": "Asia/Seoul", "JST": "Asia/Tokyo", "HKT": "Asia/Hong_Kong", "SGT": "Asia/Singapore",
		"BST": "Europe/London", "CEST": "Europe/Berlin", "EEST": "Europe/Helsinki", "MSK": "Europe/Moscow",
		"EDT": "America/New_York", "CDT": "America/Chicago", "MDT": "America/Denver",
		"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney",
		"NZST": "Pacific/Auckland",
	}

	// cities are large ones that no zone is named after.
	cities = map[string]string{
		"beijing": "Asia/Shanghai", "shenzhen": "Asia/Shanghai", "busan": "Asia/Seoul", "osaka": "Asia/Tokyo",
		"mumbai": "Asia/Kolkata", "delhi": "Asia/Kolkata", "bangalore": "Asia/Kolkata", "hanoi": "Asia/Ho_Chi_Minh",
		"frankfurt": "Europe/Berlin", "munich": "Europe/Berlin", "barcelona": "Europe/Madrid", "milan": "Europe/Rome",
		"washington": "America/New_York", "boston": "America/New_York", "san_francisco": "America/Los_Angeles",
		"seattle": "America/Los_Angeles",
	}

	utcOffset = regexp.MustCompile(`^(?:UTC|GMT|Etc/UTC)?([+-])([0-9]{1,2})(?::?00)?$`)
)

func inspectTimezone(text string, _ *source) *fault {
	if slices.Contains(zones, text) {
		return nil
	}
	if m := utcOffset.FindStringSubmatch(text); m != nil {
		return offsetFault(m[1], m[2])
	}
	if abbreviation.MatchString(text) {
		return &fault{why: "zones go by area and city", hint: didYouMean(abbreviations[text], zoneForm)}
	}
	if i := slices.IndexFunc(zones, func(z string) bool { return strings.EqualFold(z, text) }); i >= 0 {
		return &fault{hint: fmt.Sprintf("write %q", zones[i])}
	}
	city := text[strings.LastIndex(text, "/")+1:]
	folded := strings.ReplaceAll(strings.ToLower(city), " ", "_")
	near := cities[folded]
	if near == "" {
		near = zoneOf(func(of string) bool { return strings.EqualFold(of, folded) })
	}
	if near == "" {
		near = diag.Nearest(text, zones)
	}
	if near == "" && city == text {
		var named []string
		for _, z := range zones {
			named = append(named, z[strings.LastIndex(z, "/")+1:])
		}
		if like := diag.Nearest(city, named); like != "" {
			near = zoneOf(func(of string) bool { return of == like })
		}
	}
	return &fault{hint: didYouMean(near, zoneForm)}
}

// zoneOf returns the first zone with such a city.
func zoneOf(is func(city string) bool) string {
	i := slices.IndexFunc(zones, func(z string) bool { return is(z[strings.LastIndex(z, "/")+1:]) })
	if i < 0 {
		return ""
	}
	return zones[i]
}

// offsetFault is about a distance to UTC. The zones that have one are signed the
// other way round than everyone writes it.
func offsetFault(sign, hours string) *fault {
	turned := map[string]string{"+": "-", "-": "+"}[sign]
	n, _ := strconv.Atoi(hours) // one or two digits
	name := fmt.Sprintf("Etc/GMT%s%d", turned, n)
	f := &fault{why: "a distance to UTC is no zone"}
	if slices.Contains(zones, name) {
		f.hint = fmt.Sprintf("write area and city, as in Asia/Seoul; the zone without summer time is %q, its sign turned round", name)
	}
	return f
}

// localeLike is a locale, whole or without its encoding.
var localeLike = regexp.MustCompile(`^([a-z]{2})(?:_([A-Z]{2})(?:[.].*)?)?$`)

func inspectKeymap(text string, _ *source) *fault {
	if first, _, several := strings.Cut(text, ","); several {
		return &fault{why: "the console has one keymap", hint: fmt.Sprintf("write one, as in %q", strings.TrimSpace(first))}
	}
	if lower := strings.ToLower(text); lower != text && len(text) == 2 {
		return &fault{why: "keymaps are in lower case", hint: fmt.Sprintf("write %q", lower)}
	}
	m := localeLike.FindStringSubmatch(text)
	if m == nil || layouts[m[1]] == "" {
		return nil
	}
	layout := layouts[m[1]]
	if m[2] != "" {
		layout = strings.ToLower(m[2])
	}
	return &fault{why: "keyboards go by country, and this is a language", hint: fmt.Sprintf("write %q", layout)}
}
