package chunk

import (
	"path"
	"strings"
)

// header is what the tar header of a file comes to when compressed.
const header = 60

// packed are endings of files that are compressed already.
var packed = map[string]bool{
	".gz": true, ".xz": true, ".zst": true, ".bz2": true, ".lz4": true, ".zip": true, ".jar": true, ".ja": true, ".xpi": true,
	".png": true, ".jpg": true, ".jpeg": true, ".webp": true, ".avif": true, ".jxl": true, ".gif": true, ".svgz": true,
	".ogg": true, ".oga": true, ".opus": true, ".mp3": true, ".mp4": true, ".webm": true, ".flac": true,
	".woff": true, ".woff2": true, ".odt": true, ".ott": true, ".whl": true, ".squashfs": true, ".erofs": true,
}

// estimate is what a file adds to a layer, compressed, in bytes: half of it,
// as of programs; text is less, but small in sum.
func estimate(f *File) int64 {
	if !f.Mode.IsRegular() {
		return header
	}
	ext := path.Ext(f.Name)
	switch {
	case packed[ext], strings.HasPrefix(path.Base(f.Name), "initr"), strings.HasPrefix(path.Base(f.Name), "vmlinuz"):
		return header + f.Size
	case ext == ".ttf", ext == ".otf", ext == ".ttc", ext == ".pak":
		return header + f.Size*6/10
	case ext == ".py", ext == ".pyc", ext == ".svg", ext == ".html", ext == ".xml", ext == ".h", ext == ".pm":
		return header + f.Size*3/10
	}
	return header + f.Size*4/10
}
