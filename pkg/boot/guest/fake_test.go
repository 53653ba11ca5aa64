package guest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reply is what a command printed, and its exit status.
type reply struct {
	status int
	output string
}

// shell plays the guest's end of the tty: a bash with a prompt and an echo,
// until it is told to be another one.
type shell struct {
	t testing.TB
	// answer says what a command does; false lets the shell die instead, so
	// that a new one prompts.
	answer func(command string) (reply, bool)
	// commands are those that were run.
	commands []string
}

const prompt = "\x1b[?2004hroot@localhost:/# "

var (
	greetingLine = regexp.MustCompile(`(?s)\x03\n(stty raw -echo; [^\n]*; (echo \w+\\-hello\d+); exec /bin/sh 2>/dev/null)\n`)
	commandLine  = regexp.MustCompile(`(?s)^(echo \w+\\-begin\d+); \( (.*) \) </dev/null 2>&1; s=\$\?; echo; (echo \w+\\-end\d+) \$s\n`)
)

// serve runs until the other end is closed.
func (s *shell) serve(conn net.Conn) {
	var typed string
	write := func(text string) bool {
		_, err := io.WriteString(conn, text)
		return err == nil
	}
	if !write("login noise\r\n" + prompt) {
		return
	}
	data := make([]byte, 4096)
	for {
		n, err := conn.Read(data)
		if err != nil {
			return
		}
		typed += string(data[:n])
		if m := greetingLine.FindStringSubmatchIndex(typed); m != nil {
			line, hello := typed[m[2]:m[3]], typed[m[4]:m[5]]
			typed = typed[m[1]:]
			// The echo of a tty of 80 columns, as it was seen.
			if !write("^C\r\n\x1b[?2004l\r\r\n"+prompt+line[:60]+"\r"+line[60:]+"\r\n\x1b[?2004l\r") || !write(said(hello)) {
				return
			}
			continue
		}
		m := commandLine.FindStringSubmatch(typed)
		if m == nil {
			continue
		}
		typed = ""
		s.commands = append(s.commands, m[2])
		if !write(said(m[1])) {
			return
		}
		r, alive := s.answer(m[2])
		end := r.output + "\n" + strings.TrimSuffix(said(m[3]), "\n") + fmt.Sprintf(" %d\n", r.status)
		if !alive {
			end = r.output + "\r\n" + prompt
		}
		if !write(end) {
			return
		}
	}
}

// said is what "echo" of a shell makes of a marker that is protected.
func said(echo string) string {
	return strings.ReplaceAll(strings.TrimPrefix(echo, "echo "), `\`, "") + "\n"
}

// connect starts the shell and returns the host's end.
func (s *shell) connect() net.Conn {
	host, guest := net.Pipe()
	go func() {
		defer guest.Close()
		s.serve(guest)
	}()
	return host
}

// transcript reads what commands printed in a real guest, from a file of
// "$ command", "= status" and "| output" lines; "%" stands for "|" where the
// line is quoted as in Go, for what no editor shows. A command that was run
// several times has as many answers, and keeps to the last.
func transcript(t testing.TB, path string) func(string) (reply, bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	replies := map[string][]reply{}
	var last string
	var output []string
	end := func() {
		if all := replies[last]; len(all) > 0 {
			all[len(all)-1].output = strings.Join(output, "\n")
		}
		output = nil
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "$":
			end()
			if last, err = strconv.Unquote(rest); err != nil {
				t.Fatalf("%s: %s: %v", path, rest, err)
			}
			replies[last] = append(replies[last], reply{})
		case "=":
			if replies[last][len(replies[last])-1].status, err = strconv.Atoi(rest); err != nil {
				t.Fatal(err)
			}
		case "|":
			output = append(output, rest)
		case "%":
			line, err := strconv.Unquote(rest)
			if err != nil {
				t.Fatalf("%s: %s: %v", path, rest, err)
			}
			output = append(output, line)
		default:
			t.Fatalf("%s: what is %q?", path, lines.Text())
		}
	}
	end()
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return func(command string) (reply, bool) {
		all := replies[command]
		switch {
		case strings.HasPrefix(command, "sleep ") || strings.HasPrefix(command, "timeout 5 "):
			return reply{}, true // waiting takes no time here
		case len(all) == 0 && strings.HasPrefix(command, "read -r cpu"):
			return reply{output: "cpu 100 0 100 0 0 0 0 0 0 0"}, true // busy
		case len(all) == 0:
			t.Errorf("%s has no command %q", path, command)
			return reply{status: 127}, true
		case len(all) > 1:
			replies[command] = all[1:]
		}
		return all[0], true
	}
}
