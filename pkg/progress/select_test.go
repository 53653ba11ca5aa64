package progress

import (
	"fmt"
	"io"
	"testing"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	plain, actions := NewPlain(io.Discard), NewActions(io.Discard)
	for _, tt := range []struct {
		name string
		o    SelectOptions
		want Reporter
	}{
		{"pipe", SelectOptions{Getenv: env()}, plain},
		{"no environment", SelectOptions{}, plain},
		{"terminal", SelectOptions{Terminal: true, Getenv: env("TERM", "xterm")}, &terminal{}},
		{"terminal that cannot move its cursor", SelectOptions{Terminal: true, Getenv: env("TERM", "dumb")}, plain},
		{"Actions", SelectOptions{Getenv: env("GITHUB_ACTIONS", "true")}, actions},
		{"not Actions", SelectOptions{Getenv: env("GITHUB_ACTIONS", "false")}, plain},
		{"quiet", SelectOptions{Quiet: true, Terminal: true, Getenv: env("GITHUB_ACTIONS", "true")}, Discard},
	} {
		if got, want := kind(Select(io.Discard, tt.o)), kind(tt.want); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
	if r := Select(io.Discard, SelectOptions{Terminal: true, Color: true}).(*terminal); !r.o.Color {
		t.Error("colours are lost")
	}
}

func kind(r Reporter) string {
	if a, ok := r.(*appender); ok {
		return fmt.Sprintf("%T", a.style)
	}
	return fmt.Sprintf("%T", r)
}
