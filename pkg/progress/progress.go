// Package progress says what is running, how far it is, and what it prints.
//
// Libraries report to a [Reporter] and stay silent otherwise; the command
// decides whether that becomes bars on a terminal, plain lines, GitHub Actions
// groups, or nothing.
package progress

import "io"

// Reporter receives what a pipeline does. Implementations are safe for
// concurrent use.
type Reporter interface {
	// Stage announces that the named stage ("build", "push") begins. Stages do
	// not nest; the caller ends each one before it begins the next.
	Stage(name string) Stage
}

// Stage is one running stage.
type Stage interface {
	// Output returns a writer for the stage's own text (the output of build
	// steps). What is written to it is shown to the user line by line.
	Output() io.Writer
	// Infof shows one line about the stage, without a trailing newline.
	Infof(format string, args ...any)
	// Warnf shows one line that the user should not miss.
	Warnf(format string, args ...any)
	// Transfer begins an item whose bytes are counted, such as a layer; total
	// is its size in bytes, or -1 where it is not known.
	Transfer(name string, total int64) Transfer
	// End closes the stage; err is nil when it went well. It is called exactly
	// once.
	End(err error)
}

// Transfer is one item under way.
type Transfer interface {
	// Add counts n more bytes.
	Add(n int64)
	// Done ends the item. note says how it ended ("pushed", "exists"); "" for
	// nothing worth saying.
	Done(note string)
}

// Discard is a Reporter that shows nothing.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Stage(string) Stage              { return discard{} }
func (discard) Output() io.Writer               { return io.Discard }
func (discard) Infof(string, ...any)            {}
func (discard) Warnf(string, ...any)            {}
func (discard) Transfer(string, int64) Transfer { return discardTransfer{} }
func (discard) End(error)                       {}

type discardTransfer struct{}

func (discardTransfer) Add(int64)   {}
func (discardTransfer) Done(string) {}
