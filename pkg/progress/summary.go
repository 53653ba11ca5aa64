package progress

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	// summaryLimit is the size above which GitHub drops a step's whole summary:
	// "supports content up to a size of 1024k".
	summaryLimit = 1024 << 10
	summaryCut   = "\n\n*Cut here: GitHub shows no summary above 1024 KiB.*\n"
)

// AppendSummary appends Markdown to a step summary, the file that
// $GITHUB_STEP_SUMMARY names. What does not fit into GitHub's limit together
// with what the file already holds is cut at the end of a line, and the text
// says so; where not even that fits, nothing is written and the error says so.
func AppendSummary(path, markdown string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("writing step summary: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("writing step summary: %w", cerr)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("writing step summary: %w", err)
	}
	if !strings.HasSuffix(markdown, "\n") {
		markdown += "\n"
	}
	text, ok := fitSummary(markdown, summaryLimit-info.Size())
	if !ok {
		return fmt.Errorf("writing step summary %q: %w", path, errSummaryFull)
	}
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("writing step summary: %w", err)
	}
	return nil
}

var errSummaryFull = errors.New("the file is at GitHub's limit of 1024 KiB")

// fitSummary cuts markdown to room bytes; ok is false where there is no room.
func fitSummary(markdown string, room int64) (text string, ok bool) {
	if int64(len(markdown)) <= room {
		return markdown, true
	}
	const fence = "```"
	room -= int64(len(summaryCut) + len("\n"+fence))
	if room < 0 {
		return "", false
	}
	text = markdown[:room]
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[:i+1]
	} else {
		text = text[:wholeRunes([]byte(text))]
	}
	open := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), fence) {
			open = !open
		}
	}
	if open {
		text = strings.TrimSuffix(text, "\n") + "\n" + fence
	}
	return text + summaryCut, true
}
