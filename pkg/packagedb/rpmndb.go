package packagedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The format of ndb (rpm's lib/backend/ndb/rpmpkg.c), little-endian: pages of
// slots, the first two of which are the header, and blobs in blocks of 16
// bytes, each with a header of its own.
const (
	ndbHeaderMagic = 'R' | 'p'<<8 | 'm'<<16 | 'P'<<24
	ndbSlotMagic   = 'S' | 'l'<<8 | 'o'<<16 | 't'<<24
	ndbBlobMagic   = 'B' | 'l'<<8 | 'b'<<16 | 'S'<<24
	ndbBlock       = 16
	ndbPageSlots   = 4096 / ndbBlock
	ndbMaxPages    = 2048 // half a million packages
)

// ndbBlobs calls each for the header of every package.
func ndbBlobs(local string, each func([]byte) error) error {
	f, err := os.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return readNDB(f, info.Size(), each)
}

// readNDB reads a database of that many bytes.
func readNDB(f io.ReaderAt, total int64, each func([]byte) error) error {
	le := binary.LittleEndian
	header := make([]byte, 2*ndbBlock)
	if _, err := f.ReadAt(header, 0); err != nil {
		return fmt.Errorf("malformed ndb database: %w", err)
	}
	pages := le.Uint32(header[12:])
	if le.Uint32(header) != ndbHeaderMagic || le.Uint32(header[4:]) != 0 || pages == 0 || pages > ndbMaxPages {
		return errors.New("malformed ndb database: no header that is known")
	}
	slots := make([]byte, (int(pages)*ndbPageSlots-2)*ndbBlock)
	if _, err := f.ReadAt(slots, int64(len(header))); err != nil {
		return fmt.Errorf("malformed ndb database: %w", err)
	}
	left := total // no package is there twice, so that all are as large as the file at most
	for ; len(slots) > 0; slots = slots[ndbBlock:] {
		number := le.Uint32(slots[4:])
		if le.Uint32(slots) != ndbSlotMagic {
			return errors.New("malformed ndb database: no slot where one should be")
		}
		if number == 0 {
			continue
		}
		at := int64(le.Uint32(slots[8:])) * ndbBlock
		head := make([]byte, ndbBlock)
		if _, err := f.ReadAt(head, at); err != nil {
			return fmt.Errorf("malformed ndb database: package %d: %w", number, err)
		}
		size := le.Uint32(head[12:])
		if le.Uint32(head) != ndbBlobMagic || le.Uint32(head[4:]) != number || size > maxRPMData {
			return fmt.Errorf("malformed ndb database: package %d is not where its slot says", number)
		}
		if left -= int64(size); left < 0 {
			return fmt.Errorf("malformed ndb database: package %d is in another one", number)
		}
		// Not made in advance: the file may be shorter than it says.
		blob, err := io.ReadAll(io.NewSectionReader(f, at+ndbBlock, int64(size)))
		if err == nil && len(blob) < int(size) {
			err = io.ErrUnexpectedEOF
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
