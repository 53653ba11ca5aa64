package recipe

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// rule says which texts a value may be. Rules allow rather than forbid: what
// pattern or choices do not describe is refused.
type rule struct {
	// what names the value with its article, as in "a package name".
	what string
	// form describes, or shows, how it is written; it is the hint where nothing
	// better is known.
	form string
	// pattern has to match the whole text. It is written for RE2 and ECMA 262
	// alike, since the JSON Schema holds it too.
	pattern *regexp.Regexp
	// choices are the only texts allowed, where there are any.
	choices []string
	// synonyms are what people write instead of a choice.
	synonyms map[string]string
	// least and most are the limits of numbers without choices.
	least, most int
	// longest is the most characters, 0 for 256.
	longest int
	// lines allows line breaks and tabs.
	lines bool
	// empty allows the empty text.
	empty bool
	// variables has ${NAME} replaced before all else.
	variables bool
	// def is the name under which the schema says the rule once for all words
	// that have it; "" says it with each.
	def string
	// inspect finds what a pattern cannot, or can say better; nil where there
	// is no more to say. It runs before pattern and choices.
	inspect func(text string, src *source) *fault
}

// fault is what is wrong with a text.
type fault struct {
	// code is "" for "invalid-value".
	code string
	// why completes `"text" is not a package name: …`; "" where there is no
	// more to say than that.
	why  string
	hint string
}

const defaultLongest = 256

func (r *rule) maxLength() int {
	if r.longest > 0 {
		return r.longest
	}
	return defaultLongest
}

// judge returns what is wrong with a text, nil where it is fine.
func (r *rule) judge(text string, src *source) *diag.Diagnostic {
	if bad, ok := visible(text, r.lines); !ok {
		d := &diag.Diagnostic{
			Code:    "control-character",
			Message: fmt.Sprintf("%s must not have the character %U in it", r.what, bad),
			Hint:    "remove it",
		}
		if bad == '\n' {
			d.Message = r.what + " must be one line"
			d.Hint = "remove the line break; a block that begins with \">-\" instead of \"|\" has none"
		}
		return d
	}
	if n := utf8.RuneCountInString(text); n > r.maxLength() {
		return &diag.Diagnostic{
			Code:    "too-long",
			Message: fmt.Sprintf("%s must have at most %d characters, and this one has %d", r.what, r.maxLength(), n),
		}
	}
	f := r.fault(text, src)
	if f == nil {
		return nil
	}
	d := &diag.Diagnostic{Code: "invalid-value", Message: fmt.Sprintf("%s is not %s", quote(text), r.what), Hint: f.hint}
	if f.code != "" {
		d.Code = f.code
	}
	if f.why != "" {
		d.Message += ": " + f.why
	}
	return d
}

func (r *rule) fault(text string, src *source) *fault {
	switch {
	case text == "" && r.empty:
		return nil
	case text == "":
		return &fault{why: "it is empty", hint: r.hint()}
	}
	if r.inspect != nil {
		if f := r.inspect(text, src); f != nil {
			if f.hint == "" {
				f.hint = r.form
			}
			return f
		}
	}
	if r.most != 0 {
		if n, err := strconv.Atoi(text); err != nil || n < r.least || n > r.most {
			return &fault{hint: r.form}
		}
	}
	if r.choices != nil && !slices.Contains(r.choices, text) {
		near := cmp.Or(r.synonyms[text], r.synonyms[strings.ToLower(text)])
		if near == "" {
			near = diag.Nearest(text, r.choices)
		}
		return &fault{hint: didYouMean(near, r.hint())}
	}
	if r.pattern != nil && !r.pattern.MatchString(text) {
		if !r.variables && strings.Contains(text, "${") {
			return &fault{why: "variables are not expanded here", hint: r.form}
		}
		return &fault{hint: r.form}
	}
	return nil
}

// hint says what is allowed.
func (r *rule) hint() string {
	if r.form == "" {
		return "known are " + strings.Join(r.choices, ", ")
	}
	return r.form
}

// didYouMean makes a hint of a near word, which may be "", and of what else
// there is.
func didYouMean(near, all string) string {
	if near == "" {
		return all
	}
	return fmt.Sprintf("did you mean %q? %s", near, all)
}

// quote quotes a value for a message, shortened where it is long.
func quote(text string) string {
	const longest = 60
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest-1]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// whole compiles an expression that has to match from beginning to end.
func whole(expression string) *regexp.Regexp {
	return regexp.MustCompile("^(?:" + expression + ")$")
}
