package packagedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// rpmHeader is the header of a package as rpm's database keeps it: without the
// magic number that headers in package files begin with, and all in big-endian
// order: the number of index entries, the bytes of data, the entries (tag,
// type, offset, count) and the data (rpm's docs/manual/format_header.md).
// Every offset is looked at before it is used, since images are not to be
// trusted.
type rpmHeader struct {
	index []byte
	data  []byte
}

const (
	rpmEntrySize = 16
	// rpm's own limits: hdrchkTags and hdrchkData of lib/header.c.
	maxRPMEntries = 0x0000ffff
	maxRPMData    = 0x0fffffff
)

// Tags of rpmtag.h.
const (
	rpmName          = 1000
	rpmVersion       = 1001
	rpmRelease       = 1002
	rpmEpoch         = 1003
	rpmBuildTime     = 1006
	rpmVendor        = 1011
	rpmArch          = 1022
	rpmFileFlags     = 1037
	rpmSource        = 1044
	rpmChangelogTime = 1080
	rpmChangelogText = 1082
	rpmDirIndexes    = 1116
	rpmBaseNames     = 1117
	rpmDirNames      = 1118
)

// rpmGhost is a bit of rpmFileFlags (rpmfiles.h).
const rpmGhost = 1 << 6

// Types of rpmtag.h.
const (
	rpmInt32       = 4
	rpmString      = 6
	rpmStringArray = 8
	rpmI18NString  = 9
)

var errRPMHeader = errors.New("malformed package header")

func parseRPMHeader(blob []byte) (*rpmHeader, error) {
	if len(blob) < 8 {
		return nil, errRPMHeader
	}
	entries, size := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if entries > maxRPMEntries || size > maxRPMData || uint64(len(blob)) < 8+rpmEntrySize*uint64(entries)+uint64(size) {
		return nil, errRPMHeader
	}
	end := 8 + rpmEntrySize*int(entries)
	return &rpmHeader{index: blob[8:end], data: blob[end : end+int(size)]}, nil
}

// find returns the data of a tag, from its first byte to the end of all data,
// and how many values it has: none where the header has it not.
func (h *rpmHeader) find(tag uint32, types ...uint32) (data []byte, count int, err error) {
	for e := h.index; len(e) > 0; e = e[rpmEntrySize:] {
		if binary.BigEndian.Uint32(e) != tag {
			continue
		}
		kind, offset, n := binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		for _, t := range types {
			if t == kind && uint64(offset) <= uint64(len(h.data)) && uint64(n) <= uint64(len(h.data)) {
				return h.data[offset:], int(n), nil
			}
		}
		return nil, 0, fmt.Errorf("%w: tag %d of type %d at %d", errRPMHeader, tag, kind, offset)
	}
	return nil, 0, nil
}

// text returns a string, "" where the header has it not.
func (h *rpmHeader) text(tag uint32) (string, error) {
	list, err := h.texts(tag)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

func (h *rpmHeader) texts(tag uint32) ([]string, error) {
	data, count, err := h.find(tag, rpmString, rpmStringArray, rpmI18NString)
	if err != nil {
		return nil, err
	}
	var list []string
	for range count {
		i := 0
		for i < len(data) && data[i] != 0 {
			i++
		}
		if i == len(data) {
			return nil, fmt.Errorf("%w: tag %d has no end", errRPMHeader, tag)
		}
		list = append(list, string(data[:i]))
		data = data[i+1:]
	}
	return list, nil
}

func (h *rpmHeader) numbers(tag uint32) ([]uint32, error) {
	data, count, err := h.find(tag, rpmInt32)
	if err != nil {
		return nil, err
	}
	if 4*count > len(data) {
		return nil, fmt.Errorf("%w: tag %d is cut off", errRPMHeader, tag)
	}
	list := make([]uint32, count)
	for i := range list {
		list[i] = binary.BigEndian.Uint32(data[4*i:])
	}
	return list, nil
}

func (h *rpmHeader) times(tag uint32) ([]time.Time, error) {
	seconds, err := h.numbers(tag)
	if err != nil {
		return nil, err
	}
	var list []time.Time
	for _, s := range seconds {
		list = append(list, time.Unix(int64(s), 0).UTC())
	}
	return list, nil
}

// pkg returns the package, without its files.
func (h *rpmHeader) pkg() (p Package, err error) {
	p.Format = "rpm"
	var release, source string
	for _, f := range []struct {
		tag  uint32
		into *string
	}{
		{rpmName, &p.Name},
		{rpmVersion, &p.Version},
		{rpmRelease, &release},
		{rpmArch, &p.Arch},
		{rpmVendor, &p.Vendor},
		{rpmSource, &source},
	} {
		if *f.into, err = h.text(f.tag); err != nil {
			return p, err
		}
	}
	if p.Name == "" || p.Version == "" {
		return p, fmt.Errorf("%w: it has no name or version", errRPMHeader)
	}
	p.Version += "-" + release
	epoch, err := h.numbers(rpmEpoch)
	if err != nil {
		return p, err
	}
	if len(epoch) > 0 && epoch[0] != 0 {
		p.Version = fmt.Sprintf("%d:%s", epoch[0], p.Version)
	}
	built, err := h.times(rpmBuildTime)
	if err != nil {
		return p, err
	}
	if len(built) > 0 {
		p.BuildTime = built[0]
	}
	if p.Changes, err = h.times(rpmChangelogTime); err != nil {
		return p, err
	}
	entries, err := h.texts(rpmChangelogText)
	if err != nil {
		return p, err
	}
	for _, text := range entries {
		if strings.Contains(text, "CVE-") {
			p.Flaws++
		}
	}
	p.Source = p.Name
	if name := sourceName(source); name != "" {
		p.Source = name
	}
	return p, nil
}

// files returns the names of the files, as [fs.FS] has them, and of those again
// that the package does not bring.
func (h *rpmHeader) files() (list, ghosts []string, err error) {
	names, err := h.texts(rpmBaseNames)
	if err != nil {
		return nil, nil, err
	}
	dirs, err := h.texts(rpmDirNames)
	if err != nil {
		return nil, nil, err
	}
	indexes, err := h.numbers(rpmDirIndexes)
	if err != nil {
		return nil, nil, err
	}
	flags, err := h.numbers(rpmFileFlags)
	if err != nil {
		return nil, nil, err
	}
	if len(indexes) != len(names) || len(flags) != len(names) && len(flags) != 0 {
		return nil, nil, fmt.Errorf("%w: %d files, %d folders of them and %d flags", errRPMHeader, len(names), len(indexes), len(flags))
	}
	list = make([]string, len(names))
	for i, name := range names {
		if int(indexes[i]) >= len(dirs) {
			return nil, nil, fmt.Errorf("%w: file %q is in no folder", errRPMHeader, name)
		}
		if list[i] = strings.TrimPrefix(path.Join("/", dirs[indexes[i]], name), "/"); list[i] == "" {
			list[i] = "." // the root itself, which package filesystem owns
		}
		if len(flags) > 0 && flags[i]&rpmGhost != 0 {
			ghosts = append(ghosts, list[i])
		}
	}
	return list, ghosts, nil
}
