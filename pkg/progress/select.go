package progress

import "io"

// SelectOptions say where a Reporter's text goes, for [Select].
type SelectOptions struct {
	// Terminal says that the writer is a terminal.
	Terminal bool
	// Color lets colours through on a terminal.
	Color bool
	// Quiet asks for no progress at all.
	Quiet bool
	// Getenv returns an environment variable, "" where it is not set; nil: none
	// is set.
	Getenv func(name string) string
}

// Select returns the Reporter that fits: none where quiet is asked for, groups
// and annotations in a job of GitHub Actions, bars on a terminal that can move
// its cursor, and plain lines elsewhere.
func Select(w io.Writer, o SelectOptions) Reporter {
	getenv := o.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	switch {
	case o.Quiet:
		return Discard
	case getenv("GITHUB_ACTIONS") == "true":
		return NewActions(w)
	case o.Terminal && getenv("TERM") != "dumb":
		return NewTerminal(w, TerminalOptions{Color: o.Color})
	}
	return NewPlain(w)
}
