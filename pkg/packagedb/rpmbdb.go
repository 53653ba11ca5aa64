package packagedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The format of a hash table of Berkeley DB (src/dbinc/db_page.h of libdb), in
// the byte order of the machine that made it: pages of one size, the first of
// which is about the table. A page of the table has offsets of items behind its
// head, keys and values in turn; large values are elsewhere, in pages that are
// linked to each other. The library that reads it (anchore/go-rpmdb v0.2.0)
// follows links in circles for ever, and panics on offsets that lead out of a
// page, in a goroutine of its own where nobody can recover.
const (
	bdbHashMagic = 0x061561
	bdbPageHead  = 26

	// Types of pages.
	bdbHashUnsorted = 2 // before version 4.5, in Enterprise Linux 5
	bdbOverflow     = 7
	bdbHashMeta     = 8
	bdbHash         = 13
	// Types of items.
	bdbInPage  = 1
	bdbOffPage = 3
)

var errBDB = errors.New("malformed Berkeley database")

type bdbFile struct {
	f     io.ReaderAt
	order binary.ByteOrder
	page  int   // bytes
	pages int64 // as many as the file has
	// followed are the overflow pages that have been read. Each belongs to one
	// value: whoever makes two of them share one makes them endless.
	followed map[uint32]bool
}

// bdbBlobs calls each for the header of every package.
func bdbBlobs(local string, each func([]byte) error) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return readBDB(f, info.Size(), each)
}

// readBDB reads a database of that many bytes.
func readBDB(f io.ReaderAt, size int64, each func([]byte) error) error {
	b, err := openBDB(f, size)
	if err != nil {
		return err
	}
	page := make([]byte, b.page)
	for n := int64(1); n < b.pages; n++ {
		if _, err := f.ReadAt(page, n*int64(b.page)); err != nil {
			return fmt.Errorf("%w: page %d: %w", errBDB, n, err)
		}
		if kind := page[25]; kind != bdbHash && kind != bdbHashUnsorted {
			continue
		}
		if err := b.values(page, each); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
	}
	return nil
}

func openBDB(f io.ReaderAt, size int64) (*bdbFile, error) {
	head := make([]byte, 36)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", errBDB, err)
	}
	b := &bdbFile{f: f, order: binary.LittleEndian, followed: map[uint32]bool{}}
	if binary.BigEndian.Uint32(head[12:]) == bdbHashMagic {
		b.order = binary.BigEndian
	}
	page := b.order.Uint32(head[20:])
	switch {
	case b.order.Uint32(head[12:]) != bdbHashMagic || head[25] != bdbHashMeta:
		return nil, fmt.Errorf("%w: not a hash table", errBDB)
	case head[24] != 0:
		return nil, fmt.Errorf("%w: it is encrypted", errBDB)
	case page < 512 || page > 65536 || page&(page-1) != 0:
		return nil, fmt.Errorf("%w: pages of %d bytes", errBDB, page)
	}
	b.page = int(page)
	last := int64(b.order.Uint32(head[32:]))
	// The last pages of a table that was not closed may not be there.
	if b.pages = size / int64(page); b.pages <= last {
		return nil, fmt.Errorf("%w: it has %d pages instead of %d", errBDB, b.pages, last+1)
	}
	return b, nil
}

// values calls each for the packages of a page of the table.
func (b *bdbFile) values(page []byte, each func([]byte) error) error {
	entries := int(b.order.Uint16(page[20:]))
	if entries%2 != 0 || bdbPageHead+2*entries > len(page) {
		return fmt.Errorf("%w: %d items", errBDB, entries)
	}
	item := func(i int) ([]byte, error) {
		from, to := int(b.order.Uint16(page[bdbPageHead+2*i:])), len(page)
		if i > 0 { // items are laid out from the end of the page
			to = int(b.order.Uint16(page[bdbPageHead+2*i-2:]))
		}
		if from < bdbPageHead+2*entries || from >= to || to > len(page) {
			return nil, fmt.Errorf("%w: item %d at %d", errBDB, i, from)
		}
		return page[from:to], nil
	}
	for i := 0; i < entries; i += 2 {
		key, err := item(i)
		if err != nil {
			return err
		}
		value, err := item(i + 1)
		if err != nil {
			return err
		}
		if len(key) != 5 || key[0] != bdbInPage {
			return fmt.Errorf("%w: a key that is no number", errBDB)
		}
		number := b.order.Uint32(key[1:])
		if number == 0 {
			continue // what rpm counts the packages with
		}
		blob := value[1:]
		if value[0] == bdbOffPage && len(value) == 12 {
			blob, err = b.linked(b.order.Uint32(value[4:]), b.order.Uint32(value[8:]))
		} else if value[0] != bdbInPage {
			err = fmt.Errorf("%w: a value of type %d", errBDB, value[0])
		}
		if err == nil {
			err = each(blob)
		}
		if err != nil {
			return fmt.Errorf("package %d: %w", number, err)
		}
	}
	return nil
}

// linked reads a value of that many bytes from a page on.
func (b *bdbFile) linked(page, size uint32) ([]byte, error) {
	var blob []byte
	buffer := make([]byte, b.page)
	for uint64(len(blob)) < uint64(size) {
		if page == 0 || int64(page) >= b.pages || b.followed[page] {
			return nil, fmt.Errorf("%w: %d of %d bytes, and then page %d", errBDB, len(blob), size, page)
		}
		b.followed[page] = true
		if _, err := b.f.ReadAt(buffer, int64(page)*int64(b.page)); err != nil {
			return nil, fmt.Errorf("%w: page %d: %w", errBDB, page, err)
		}
		n := int(b.order.Uint16(buffer[22:]))
		if buffer[25] != bdbOverflow || n > b.page-bdbPageHead {
			return nil, fmt.Errorf("%w: page %d is not part of a value", errBDB, page)
		}
		blob = append(blob, buffer[bdbPageHead:bdbPageHead+n]...)
		page = b.order.Uint32(buffer[16:])
	}
	return blob[:size], nil
}
