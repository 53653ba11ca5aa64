package check

import "strings"

// splitWords splits a line as the files of systemd are: at blanks, but not
// within quotes, which begin a word ("a b" or 'a b'); a backslash takes away
// the meaning of what is behind it. What the words of C strings stand for is
// kept as it is written but for \s, a blank, since no rule asks for the rest.
func splitWords(line string) []string {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return words
		}
		var word string
		word, line = cutWord(line)
		words = append(words, word)
	}
}

// cutWord takes the first word off a line that begins with one. A quote that
// nothing closes goes to the end.
func cutWord(line string) (word, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			if line[i] == 's' {
				b.WriteByte(' ')
			} else {
				b.WriteByte(line[i])
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), line[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
