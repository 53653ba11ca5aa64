package build

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/containerfile"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/progress"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		output string
		want   Version
		ok     bool
	}{
		{"runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n", Version{1, 1, 5}, true},
		{"crun version 1.8.1\ncommit: f8a096be\nrundir: /run/crun\nspec: 1.0.0\n", Version{1, 8, 1}, true},
		{"runc version 1.2.0-rc.3\n", Version{1, 2, 0}, true},
		{"crun version 1.20\n", Version{1, 20, 0}, true},
		{"crun version 1.14.3-dirty\n", Version{1, 14, 3}, true},
		{"youki 0.3\n", Version{}, false},
		{"", Version{}, false},
		{"crun version 99999999999999999999.1\n", Version{}, false},
	} {
		got, ok := parseVersion(c.output)
		if got != c.want || ok != c.ok {
			t.Errorf("parseVersion(%q) = %v, %v, want %v, %v", c.output, got, ok, c.want, c.ok)
		}
	}
}

func TestInstructions(t *testing.T) {
	t.Parallel()
	const text = `# comment
FROM quay.io/example/base@sha256:0000000000000000000000000000000000000000000000000000000000000000 AS base
FROM --platform=linux/amd64 base
RUN echo same
RUN --network=none \
  echo long
RUN echo same
LABEL a="b"
`
	list, err := parseInstructions([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]int, len(list))
	for i, in := range list {
		lines[i] = in.line
	}
	if diff := cmp.Diff([]int{2, 3, 4, 5, 7, 8}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if !list[3].offline || list[2].offline {
		t.Errorf("offline is %v and %v, want true and false", list[3].offline, list[2].offline)
	}
	want := map[string]int{"quay.io/example/base@sha256:0000000000000000000000000000000000000000000000000000000000000000": 2}
	if diff := cmp.Diff(want, bases(list)); diff != "" {
		t.Errorf("bases (-want +got):\n%s", diff)
	}

	s := newStepper(list)
	if _, ok := s.current(); ok {
		t.Error("a step runs before the first")
	}
	for _, step := range []struct {
		announced string
		line      int // 0: no instruction
	}{
		{"FROM quay.io/example/base@sha256:0000000000000000000000000000000000000000000000000000000000000000 AS base", 2},
		{"FROM 1111111111111111111111111111111111111111111111111111111111111111", 3},
		{"RUN echo same", 4},
		{"RUN --network=none   echo long", 5},
		{"RUN echo same", 7},
		{`LABEL a="b"`, 8},
		{"COMMIT localhost/x", 0},
	} {
		ok := s.advance(step.announced)
		in, _ := s.current()
		if ok != (step.line != 0) || ok && in.line != step.line {
			t.Errorf("%q is line %d (%v), want %d", step.announced, in.line, ok, step.line)
		}
	}
}

func FuzzStepper(f *testing.F) {
	f.Add("FROM a\nRUN b\n", "RUN b")
	f.Add("FROM a AS b\nFROM b\n", "FROM b")
	f.Add("FROM", "FROM")
	f.Fuzz(func(t *testing.T, text, announced string) {
		list, err := parseInstructions([]byte(text))
		if err != nil {
			return
		}
		bases(list)
		s := newStepper(list)
		s.advance(announced)
		for _, in := range list {
			if !in.from && !s.advance(in.text) {
				t.Errorf("%q is not found", in.text)
			}
		}
	})
}

func TestLineWriter(t *testing.T) {
	t.Parallel()
	var got []string
	w := &lineWriter{emit: func(line string) { got = append(got, line) }}
	long := strings.Repeat("x", maxLine+10)
	for _, s := range []string{"one\ntw", "o\r\n", "10%\r20%\r\n", "\n", "bad \xff\n", long, "\nend"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	w.flush()
	w.flush()
	want := []string{"one", "two", "20%", "", "bad �", long[:maxLine], long[maxLine:], "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// viewOf returns a view with secrets, and what it logs and shows.
func viewOf(secrets map[string][]byte) (v *view, log, libraries *bytes.Buffer) {
	log, libraries = &bytes.Buffer{}, &bytes.Buffer{}
	list := []instruction{{line: 1, text: "RUN echo one"}, {line: 2, text: "RUN echo two"}}
	f := &containerfile.File{Origins: []diag.Pos{{File: "recipe.yaml", Line: 1}, {File: "recipe.yaml", Line: 2}}}
	o := Options{Secrets: secrets, Stage: progress.Discard.Stage(""), Log: log}
	return newView(f, list, o, slog.New(slog.NewTextHandler(libraries, nil))), log, libraries
}

func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	cut := strings.Repeat("x", maxLine-3)
	for _, c := range []struct {
		name   string
		secret []string
		output []string
		want   string
	}{
		{"short", []string{"q7$wz\n"}, []string{"it is q7$wz!\n"}, "it is ***!\n"},
		{"one begins another", []string{"hunter2", "hunter2-and-more"}, []string{"hunter2-and-more hunter2\n"}, "*** ***\n"},
		{"one begins another, the other way", []string{"hunter2-and-more", "hunter2"}, []string{"hunter2-and-more hunter2\n"}, "*** ***\n"},
		{"several lines", []string{"-----BEGIN-----\nMIIEvQ\n-----END-----\n"}, []string{"-----BEGIN-----\nMIIEvQ\n-----END-----\nkey: MIIEvQ\n"}, "***\nkey: ***\n"},
		{"several short lines", []string{"ab\ncd\n"}, []string{"ab\n", "cd\nend\n"}, "***\nend\n"},
		{"in pieces", []string{"hunter2"}, []string{"pw hun", "ter2\n"}, "pw ***\n"},
		{"where a line is cut", []string{"hunter2"}, []string{cut + "hunter2\n"}, cut + "***\n"},
		{"bytes that are no text", []string{"\xff\xfehunter"}, []string{"is \xff\xfehunter\n"}, "is ***\n"},
	} {
		secrets := map[string][]byte{}
		for i, s := range c.secret {
			secrets[fmt.Sprint(i)] = []byte(s)
		}
		v, log, _ := viewOf(secrets)
		for _, s := range c.output {
			v.handle(t.Context(), event{Output: []byte(s)})
		}
		v.output.flush()
		if log.String() != c.want {
			t.Errorf("%s: logged %.100q, want %.100q", c.name, log, c.want)
		}
		if got := strings.Join(v.tail.lines, "\n") + "\n"; got != c.want {
			t.Errorf("%s: last lines %.100q, want %.100q", c.name, got, c.want)
		}
	}
}

// What could become a secret is held back, but not past the end of its step.
func TestOutputBelongsToItsStep(t *testing.T) {
	t.Parallel()
	v, log, _ := viewOf(map[string][]byte{"a": []byte("hunter2"), "b": []byte("two")})
	one, two := "RUN echo one", "RUN echo two"
	for _, e := range []event{{Step: &one}, {Output: []byte("hunt")}, {Step: &two}, {Output: []byte("er2\n")}} {
		v.handle(t.Context(), e)
	}
	if want := "STEP 1/2: RUN echo one\nhunt\nSTEP 2/2: RUN echo ***\ner2\n"; log.String() != want {
		t.Errorf("logged %q, want %q", log, want)
	}
	if diff := cmp.Diff([]string{"er2"}, v.tail.lines); diff != "" {
		t.Errorf("last lines of the second step (-want +got):\n%s", diff)
	}
}

func TestSecretsAreHiddenInTheLibrariesLog(t *testing.T) {
	t.Parallel()
	v, _, libraries := viewOf(map[string][]byte{"a": []byte("hunter2")})
	e := logEntry{Level: slog.LevelWarn, Message: "env hunter2", Fields: []string{"args", "-p hunter2"}}
	v.handle(t.Context(), event{Log: &e})
	if got := libraries.String(); strings.Contains(got, "hunter2") || !strings.Contains(got, `msg="env ***" args="-p ***"`) {
		t.Errorf("logged %q", got)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	var tl tail
	for i := range tailLines + 5 {
		tl.add(fmt.Sprint(i))
	}
	if len(tl.lines) != tailLines || tl.lines[0] != "5" || tl.lines[tailLines-1] != "24" {
		t.Errorf("tail = %q", tl.lines)
	}
}

func TestNewEnding(t *testing.T) {
	t.Parallel()
	status := exec.Command("/bin/sh", "-c", "exit 3").Run()
	for _, c := range []struct {
		err  error
		want ending
	}{
		{nil, ending{ImageID: "id"}},
		{errors.New("no such image"), ending{Error: "no such image"}},
		{
			fmt.Errorf("building at STEP \"RUN echo \": x\": %w", fmt.Errorf("while running runtime: %w", status)),
			ending{Error: "while running runtime: exit status 3", Step: true, ExitCode: 3},
		},
		{
			fmt.Errorf("platform: %w", fmt.Errorf("building at STEP \"COPY a b\": %w", errors.New("no such file"))),
			ending{Error: "no such file", Step: true},
		},
		{fmt.Errorf("committing: %w", unix.ENOSPC), ending{Error: "committing: no space left on device", NoSpace: true}},
		{errors.New("copier: write: no space left on device"), ending{Error: "copier: write: no space left on device", NoSpace: true}},
	} {
		if diff := cmp.Diff(c.want, newEnding("id", c.err)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
	}
}

func TestSecretsOf(t *testing.T) {
	t.Parallel()
	f := &containerfile.File{Secrets: []plan.Secret{{ID: "a"}}}
	got, err := secretsOf(f, map[string][]byte{"a": []byte("1"), "unused": []byte("2")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]secretValue{{ID: "a", Value: []byte("1")}}, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if _, err := secretsOf(f, nil); err == nil {
		t.Error("a secret without a value is accepted")
	}
	f.Secrets[0].ID = "a,src=/etc/shadow"
	if _, err := secretsOf(f, map[string][]byte{f.Secrets[0].ID: nil}); err == nil {
		t.Error("an ID that adds an option is accepted")
	}
}

func TestUlimitsAreThoseOfTheProcess(t *testing.T) {
	t.Parallel()
	got, err := ulimits()
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("nofile=%d:%d", min(limit.Cur, maxUlimit), min(limit.Max, maxUlimit))
	if !slices.Contains(got, want) || len(got) != 2 || !strings.HasPrefix(got[1], "nproc=") {
		t.Errorf("ulimits = %q, want %q and nproc", got, want)
	}
}

func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 3 << 50: "3.0 PiB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParseIsolation(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"auto", "oci", "chroot"} {
		if got, err := ParseIsolation(s); err != nil || string(got) != s {
			t.Errorf("ParseIsolation(%q) = %q, %v", s, got, err)
		}
	}
	if _, err := ParseIsolation("vm"); err == nil {
		t.Error("an unknown isolation is accepted")
	}
}
