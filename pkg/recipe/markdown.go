package recipe

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How the sentences of the table, which are plain text, become Markdown. The
// same sentences are hints of messages and descriptions of the schema, so that
// they have no marks of their own.

// code sets a text as code. It must have no backtick, which a test looks for.
func code(text string) string { return "`" + text + "`" }

func coded(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = code(t)
	}
	return out
}

// cell makes a text fit into a cell of a table.
func cell(markdown string) string { return strings.ReplaceAll(markdown, "|", `\|`) }

// list joins texts as a sentence does.
func list(texts []string, and string) string {
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " " + and + " " + texts[last]
}

// words are what a sentence is made of: a text in double quotes, a mapping in
// braces, or what has no blank in it.
var sentenceWords = regexp.MustCompile(`"[^"]*"[^\s"]*|\{[^{}]*\}[^\s{}]*|\S+`)

// articles begin a description, which is no example.
var articles = []string{"a", "an", "the"}

// versioned is a distribution with its version.
var versioned = regexp.MustCompile(`^[a-z]+-[0-9]+$`)

// prose sets as code what of a sentence is code: the examples that follow "as
// in", what is in quotes, and all that Markdown would take for marks.
func prose(sentence string) string {
	var out []string
	const (
		none = iota
		next // the next word is an example
		last // the last one was
	)
	example := none
	words := sentenceWords.FindAllString(sentence, -1)
	for i, word := range words {
		begin, text, end := trim(word)
		described := slices.Contains(articles, word) && i+1 < len(words)
		switch {
		case example == last && text == "or":
			out = append(out, word)
			example = next
		case example == next && !described, isCode(text):
			out = appendCode(out, begin, text, end)
			example = none
			if end == "" || end == "," {
				example = last
			}
		default:
			example = none
			if text == "in" && len(out) > 0 && out[len(out)-1] == "as" {
				example = next
			}
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}

// trim parts a word from the marks around it.
func trim(word string) (begin, text, end string) {
	text = word
	if utf8.RuneCountInString(text) < 2 {
		return "", text, ""
	}
	text = strings.TrimRight(text, ".,;:)")
	end = word[len(text):]
	if rest, ok := strings.CutPrefix(text, "("); ok {
		begin, text = "(", rest
	}
	return begin, text, end
}

// appendCode appends a word that is code; a single character joins those before
// it.
func appendCode(out []string, begin, text, end string) []string {
	text = strings.Trim(text, "'")
	if strings.Contains(text, " ") {
		text = strings.Trim(text, `"`) // which held the words together
	}
	if n := len(out) - 1; n >= 0 && begin == "" && len(text) == 1 && strings.HasSuffix(out[n], "`") {
		out[n] = strings.TrimSuffix(out[n], "`") + " " + text + "`" + end
		return out
	}
	return append(out, begin+code(text)+end)
}

// isCode reports whether a word is none of a language that people speak.
func isCode(word string) bool {
	r, size := utf8.DecodeRuneInString(word)
	switch {
	case word == "":
		return false
	case size == len(word):
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return versioned.MatchString(word) || strings.ContainsRune(`"'.@`, r) || strings.ContainsAny(word, `_*<>[]{}$~^|=\/`)
}
