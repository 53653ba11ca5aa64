package boot

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What a console's text is remembered by.
const (
	longestLine  = 512
	linesKept    = 400
	excerptLines = 12
)

// console reads what a machine says, line by line, for signs of how it goes.
type console struct {
	// Both may be nil.
	milestone func(text string)
	final     func(Class)

	mu   sync.Mutex
	part []byte
	// lines are the last ones; the first of them is the number dropped+1 since the
	// machine started.
	lines   []string
	dropped int
	// repeated is how many of all lines only show that systemd still waits.
	repeated int
	// seen is, by its place in the table, the line that a sign was first seen on.
	seen map[int]int
	// initrd says that an initramfs is running, and login that one was offered.
	initrd, login bool
	// stopping says that systemd, which then runs as systemd-shutdown, has brought
	// all down, and restarting that the kernel was asked to restart after that.
	stopping, restarting bool
	passed               map[string]bool
}

func newConsole() *console {
	return &console{seen: map[int]int{}, passed: map[string]bool{}}
}

// escapes are those of terminals: ECMA-48's, character sets, and titles.
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][0-9A-Za-z]|[ -/]?[0-~])")

// plain is a line without what moves the cursor of a terminal.
func plain(line string) string {
	line = escapes.ReplaceAllString(line, "")
	// What a carriage return goes back over is replaced by what follows.
	line = strings.TrimRight(line, "\r")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	line = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "\ufffd"))
	return strings.TrimRight(line, " ")
}

// Write takes what the machine said. It never fails.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		end := slices.Index(b, '\n')
		if end < 0 {
			c.part = append(c.part, b[:min(len(b), longestLine-len(c.part))]...)
			break
		}
		c.part = append(c.part, b[:min(end, longestLine-len(c.part))]...)
		c.line(plain(string(c.part)))
		c.part, b = c.part[:0], b[end+1:]
	}
	// A prompt has no end of line.
	if strings.HasSuffix(strings.TrimRight(string(c.part), " "), "login:") && !c.initrd {
		c.login = true
	}
	return n, nil
}

func (c *console) line(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	if len(c.lines) == linesKept {
		c.lines = append(c.lines[:0], c.lines[linesKept/2:]...)
		c.dropped += linesKept / 2
	}
	c.lines = append(c.lines, text)
	if waiting.MatchString(text) {
		c.repeated++
	}
	c.passes(text)
	if strings.Contains(strings.ToLower(text), "command line: ") {
		return // it names what it asks for
	}
	for i, s := range signs {
		if _, before := c.seen[i]; before || !s.text.MatchString(text) {
			continue
		}
		c.seen[i] = c.dropped + len(c.lines)
		if s.final && c.final != nil {
			c.final(s.class)
		}
	}
}

// waiting is the line that systemd draws over and over while it waits for jobs
// (manager_print_jobs_in_progress in src/core/manager.c).
var waiting = re(`^\[[ *]{6}\] `)

// milestones are what somebody who waits is told.
var milestones = []struct {
	text   *regexp.Regexp
	say    string
	initrd bool
}{
	{re(`Linux version \d`), "the kernel runs", false},
	{re(`Welcome to .*\((Initramfs|dracut.*)\)|systemd\[1\]: Running in initrd|Loading, please wait`), "the initramfs runs", true},
	{re(`(?i)systemd\[1\]: Switching root|systemd\[1\]: .*Switch Root\b|Starting init:`), "the root file system is found", false},
}

// passes follows the way of the system.
func (c *console) passes(text string) {
	for _, m := range milestones {
		if c.passed[m.say] || !m.text.MatchString(text) {
			continue
		}
		c.passed[m.say] = true
		c.initrd = m.initrd
		if c.milestone != nil {
			c.milestone(m.say)
		}
	}
	if strings.HasSuffix(text, " login:") && !c.initrd {
		c.login = true
	}
	// The second is of kernel_restart in kernel/reboot.c. What restarts a machine
	// after a panic is another function, and what does after a fault is none.
	c.stopping = c.stopping || strings.Contains(text, "systemd-shutdown[1]: ")
	c.restarting = c.restarting || c.stopping && strings.Contains(text, "reboot: Restarting system")
}

// wentDown reports whether what was said is that of a system which goes down in
// order, and restarts because it was asked to.
func (c *console) wentDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restarting
}

// inInitramfs reports whether an initramfs runs.
func (c *console) inInitramfs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.initrd
}

// said returns how many lines there were that said something new.
func (c *console) said() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(c.dropped + len(c.lines) - c.repeated)
}

// cause returns the class of the first sign in the table that was seen, and the
// lines around it; "" for none.
func (c *console) cause() (Class, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range signs {
		at, ok := c.seen[i]
		if !ok {
			continue
		}
		class := s.class
		if class == Emergency && c.initrd {
			class = InitrdEmergency
		}
		return class, c.around(at)
	}
	return "", nil
}

// around returns the lines about the numbered one; the last ones where it is no
// longer kept.
func (c *console) around(number int) []string {
	i := number - 1 - c.dropped
	if i < 0 {
		return c.last()
	}
	from := max(0, i-excerptLines/3)
	return slices.Clone(c.lines[from:min(len(c.lines), from+excerptLines)])
}

// last returns the last lines.
func (c *console) last() []string {
	lines := c.lines
	if rest := plain(string(c.part)); strings.TrimSpace(rest) != "" {
		lines = append(slices.Clone(lines), rest)
	}
	return slices.Clone(lines[max(0, len(lines)-excerptLines):])
}

// end returns the last lines of the console.
func (c *console) end() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last()
}

// loginOffered reports whether a login was offered.
func (c *console) loginOffered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.login
}
