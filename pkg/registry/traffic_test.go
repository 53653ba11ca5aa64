package registry

import (
	"io"
	"net"
	"testing"
)

// TestTransferred: an upload that goes on slowly is no silence.
func TestTransferred(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	conn := near.(*net.TCPConn)
	last := transferred(conn)
	// there and back, so that the acknowledgement has come too
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		if _, err := pair[0].Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(pair[1], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if now := transferred(conn); now < last+2 {
		t.Errorf("%d bytes after %d, want both directions counted", now, last)
	}
	near.Close()
	if n := transferred(conn); n != 0 {
		t.Errorf("%d bytes of a closed connection", n)
	}
}
