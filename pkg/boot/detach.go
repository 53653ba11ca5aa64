package boot

import (
	"io"
	"sync"
)

// detachable is a connection whose bytes go to one reader, and later to another:
// who has let go of it may have left a read behind, which would take the first
// bytes of the next.
type detachable struct {
	conn io.ReadWriter

	mu     sync.Mutex
	writer *io.PipeWriter
}

func newDetachable(conn io.ReadWriter) *detachable {
	d := &detachable{conn: conn}
	_, d.writer = io.Pipe()
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			rest := buffer[:n]
			for len(rest) > 0 {
				written, _ := d.current().Write(rest) // an error: it was detached, and the rest is the next one's
				rest = rest[written:]
			}
			if err != nil {
				d.current().CloseWithError(err)
				return
			}
		}
	}()
	return d
}

func (d *detachable) current() *io.PipeWriter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writer
}

// attach returns the connection for a reader, which gets what comes from now on.
// Reads of the one before end with [io.EOF].
func (d *detachable) attach() io.ReadWriter {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.writer.Close()
	var reader io.Reader
	reader, d.writer = io.Pipe()
	return struct {
		io.Reader
		io.Writer
	}{reader, d.conn}
}
