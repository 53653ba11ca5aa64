package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// What is kept of a console: a guest that floods it costs no more than this.
const (
	keptHead = 1 << 20
	keptTail = 4 << 20
)

// consoleLog keeps the beginning and the end of what is written to it, and the
// digest of all of it. The zero value is not ready: see newConsoleLog.
type consoleLog struct {
	sum        hash.Hash
	written    int64
	head, tail []byte
	// next is where the tail, once it is full, goes on.
	next int
	// most is how much of each is kept.
	mostHead, mostTail int
}

func newConsoleLog(head, tail int) *consoleLog {
	return &consoleLog{sum: sha256.New(), mostHead: head, mostTail: tail}
}

// Write never fails.
func (l *consoleLog) Write(b []byte) (int, error) {
	n := len(b)
	l.sum.Write(b)
	l.written += int64(n)
	room := min(l.mostHead-len(l.head), len(b))
	l.head, b = append(l.head, b[:room]...), b[room:]
	room = min(l.mostTail-len(l.tail), len(b))
	l.tail, b = append(l.tail, b[:room]...), b[room:]
	if len(b) > l.mostTail {
		l.next = (l.next + len(b) - l.mostTail) % l.mostTail
		b = b[len(b)-l.mostTail:]
	}
	for len(b) > 0 {
		copied := copy(l.tail[l.next:], b)
		l.next, b = (l.next+copied)%l.mostTail, b[copied:]
	}
	return n, nil
}

// omitted is how much of the middle is gone.
func (l *consoleLog) omitted() int64 { return l.written - int64(len(l.head)+len(l.tail)) }

// bytes returns what was kept; where something is missing, a line says so.
func (l *consoleLog) bytes() []byte {
	b := append([]byte{}, l.head...)
	if gap := l.omitted(); gap > 0 {
		b = fmt.Appendf(b, "\n[bootkiln: %d bytes are left out here]\n", gap)
	}
	b = append(b, l.tail[l.next:]...)
	return append(b, l.tail[:l.next]...)
}

func (l *consoleLog) about() Console {
	return Console{Digest: "sha256:" + hex.EncodeToString(l.sum.Sum(nil)), Bytes: l.written, Omitted: l.omitted()}
}
