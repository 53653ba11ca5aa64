package diag

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// Nearest returns the word among known that got was most likely meant to be,
// and "" where none is near. Case, '-' and '_' do not count, and swapping two
// neighbours counts as one mistake. Of words that are equally near, one that
// begins with got, or that got begins with, is preferred.
func Nearest(got string, known []string) string {
	folded := fold(got)
	best, bestDistance := "", -1
	for _, k := range known {
		f := fold(k)
		limit := cmp.Or(max(utf8.RuneCountInString(f), utf8.RuneCountInString(folded))/3, 1)
		d := distance(folded, f)
		if d > min(limit, 3) {
			continue
		}
		if bestDistance < 0 || d < bestDistance || d == bestDistance && begins(folded, f) && !begins(folded, fold(best)) {
			best, bestDistance = k, d
		}
	}
	return best
}

// begins reports whether one of two words begins with the other.
func begins(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// Part returns the word among known of which got is a part, or that is a part
// of got: its beginning, or whole pieces between '-'. It is for short lists,
// where Nearest knows none; "" where several words are meant as likely.
func Part(got string, known []string) string {
	got = strings.ToLower(got)
	best, bestDistance, tied := "", 0, false
	for _, k := range known {
		short, long := got, strings.ToLower(k)
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(short) < 3 || !strings.HasPrefix(long, short) && !strings.Contains("-"+long+"-", "-"+short+"-") {
			continue
		}
		switch d := len(long) - len(short); {
		case best == "" || d < bestDistance:
			best, bestDistance, tied = k, d, false
		case d == bestDistance:
			tied = true
		}
	}
	if tied {
		return ""
	}
	return best
}

func fold(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}

// distance is the restricted Damerau-Levenshtein distance of two words.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 64 || len(t) > 64 {
		return max(len(s), len(t)) // no word that anyone mistyped
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			change := 1
			if s[i-1] == t[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
