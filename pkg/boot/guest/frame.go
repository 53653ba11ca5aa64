package guest

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	// longestLine is the most that a line is held back to see whether it is a
	// marker.
	longestLine = 512
	// longestOutput is the most that is kept of the output of a command.
	longestOutput = 64 << 10
)

// answer is what a command in the guest printed, and its exit status.
type answer struct {
	id     int
	status int
	output []byte
}

// frames finds in what a tty brings the greeting of a shell and the answers to
// commands. Each stands between two lines with a word that no one guesses; what
// is elsewhere, as prompts and the echo of what was typed, is dropped. It keeps
// no more than a line and the output of one command.
type frames struct {
	// word begins the markers.
	word string

	line []byte
	// long tells that the line is no marker, and that its start is dealt with.
	long bool
	// in is the number of the command whose output this is, 0 for none.
	in     int
	output []byte
}

// The kinds of markers.
const (
	helloMark = "hello"
	beginMark = "begin"
	endMark   = "end"
)

// printing returns a command that prints a marker and is not taken for it when
// the tty echoes the command.
func (f *frames) printing(kind string, id int) string {
	return "echo " + f.word + `\-` + kind + strconv.Itoa(id)
}

// feed takes what the tty brought, and calls greeted for the number of each
// greeting and answered for each answer, whose output is only lent.
func (f *frames) feed(data []byte, greeted func(id int), answered func(answer)) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			f.hold(data)
			return
		}
		f.hold(data[:i])
		data = data[i+1:]
		f.endOfLine(greeted, answered)
	}
}

// hold takes a part of a line.
func (f *frames) hold(part []byte) {
	if !f.long && len(f.line)+len(part) <= longestLine {
		f.line = append(f.line, part...)
		return
	}
	f.keep(f.line)
	f.keep(part)
	f.line, f.long = f.line[:0], true
}

func (f *frames) endOfLine(greeted func(id int), answered func(answer)) {
	line := string(f.line)
	marker := !f.long && strings.Contains(line, f.word+"-")
	f.long, f.line = false, f.line[:0]
	if marker {
		kind, id, status := f.read(line)
		switch {
		case kind == helloMark:
			f.in, f.output = 0, f.output[:0]
			greeted(id)
			return
		case kind == beginMark:
			f.in, f.output = id, f.output[:0]
			return
		case kind == endMark && id == f.in:
			// The newline before the marker is not the command's.
			answered(answer{id: id, status: status, output: bytes.TrimSuffix(f.output, []byte("\n"))})
			f.in, f.output = 0, f.output[:0]
			return
		}
	}
	f.keep([]byte(line))
	f.keep([]byte("\n"))
}

// read takes a marker apart; kind is empty where the line is none. A prompt may
// stand before the marker, and a tty in its usual mode ends lines with a
// carriage return.
func (f *frames) read(line string) (kind string, id, status int) {
	line = strings.TrimRight(line[strings.LastIndex(line, f.word+"-"):], "\r")
	line = strings.TrimPrefix(line, f.word+"-")
	for _, kind := range []string{helloMark, beginMark, endMark} {
		numbers, ok := strings.CutPrefix(line, kind)
		if !ok {
			continue
		}
		first, second, two := strings.Cut(numbers, " ")
		id, err := strconv.Atoi(first)
		if err != nil || id <= 0 || two != (kind == endMark) {
			return "", 0, 0
		}
		if two {
			if status, err = strconv.Atoi(second); err != nil {
				return "", 0, 0
			}
		}
		return kind, id, status
	}
	return "", 0, 0
}

// keep adds to the output of the command, as far as there is room.
func (f *frames) keep(part []byte) {
	if f.in > 0 {
		f.output = append(f.output, part[:min(len(part), longestOutput-len(f.output))]...)
	}
}
