package image

import (
	"io"
	"sync"
)

// readAhead reads in a goroutine of its own, so that whoever makes the bytes
// and whoever takes them have a processor each. It holds a bounded number of
// pieces.
type readAhead struct {
	full  chan piece  // in order, the one with the error last
	empty chan []byte // to be filled
	quit  chan struct{}
	once  sync.Once
	ended chan struct{} // the goroutine no longer reads

	current []byte // the piece that next returned last
	unread  []byte // what Read has not returned of it yet
	err     error
}

// piece is what was read before an error.
type piece struct {
	b   []byte
	err error
}

// newReadAhead begins to read r, which is its own until stop returns.
func newReadAhead(r io.Reader, pieces int) *readAhead {
	a := &readAhead{
		full: make(chan piece, pieces), empty: make(chan []byte, pieces),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for range pieces {
		a.empty <- nil // allocated when they are needed: small layers are many
	}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.ended)
	for {
		var b []byte
		select {
		case <-a.quit:
			return
		case b = <-a.empty:
		}
		if b == nil {
			b = make([]byte, pieceSize)
		}
		n := 0
		var err error
		for n < len(b) && err == nil {
			var more int
			more, err = r.Read(b[n:])
			n += more
		}
		a.full <- piece{b[:n], err} // has room for all
		if err != nil {
			return
		}
	}
}

// next returns the next piece, which is valid until the next call, or the error
// that followed the last one.
func (a *readAhead) next() ([]byte, error) {
	if a.current != nil {
		a.empty <- a.current[:cap(a.current)]
		a.current = nil
	}
	for a.err == nil {
		select {
		case <-a.quit:
			a.err = io.ErrClosedPipe
		case p := <-a.full:
			a.err = p.err
			if len(p.b) > 0 {
				a.current = p.b
				return p.b, nil
			}
		}
	}
	return nil, a.err
}

// Read reads as from the reader itself. It is not to be mixed with next.
func (a *readAhead) Read(b []byte) (int, error) {
	if len(a.unread) == 0 {
		var err error
		if a.unread, err = a.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, a.unread)
	a.unread = a.unread[n:]
	return n, nil
}

// abandon makes Read and next fail, in whichever goroutine they wait.
func (a *readAhead) abandon() { a.once.Do(func() { close(a.quit) }) }

// stop ends the reading, and returns when nobody uses the reader any more.
func (a *readAhead) stop() {
	a.abandon()
	<-a.ended
}
