package disk

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/bootkiln/bootkiln/pkg/image"
)

// kargsDir is where images ask for kernel arguments: crates/lib/src/bootc_kargs.rs
// of bootc.
const kargsDir = "usr/lib/bootc/kargs.d"

// rustArchitectures are the names of architectures in kargs.d, which are those
// of Rust's std::env::consts::ARCH, by the names of image configurations.
var rustArchitectures = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "powerpc64", "s390x": "s390x", "riscv64": "riscv64", "386": "x86", "arm": "arm", "loong64": "loongarch64",
}

// maxTextFile bounds the files that are read whole.
const maxTextFile = 1 << 20

// imageKargs are the kernel arguments that the image asks for on a machine of
// the architecture. What bootc cannot read, with which it refuses to install
// the image, is an [*UnbootableError].
func imageKargs(root image.Root, architecture string) ([]string, error) {
	names, err := filesIn(root, kargsDir, func(name string) bool { return strings.HasSuffix(name, ".toml") })
	if err != nil {
		return nil, err
	}
	var args []string
	for _, name := range names {
		text, err := readText(root, name)
		if err != nil {
			return nil, err
		}
		var file struct {
			Kargs              *[]string `toml:"kargs"`
			MatchArchitectures *[]string `toml:"match-architectures"`
		}
		read, err := toml.Decode(text, &file)
		switch {
		case err != nil:
		case len(read.Undecoded()) > 0:
			err = fmt.Errorf("unknown key %q", read.Undecoded()[0].String())
		case file.Kargs == nil:
			err = fmt.Errorf("no kargs in it")
		}
		if err != nil {
			return nil, &UnbootableError{
				Reason: fmt.Sprintf("bootc cannot read %q, and so does not install the image: %v", "/"+name, err),
				Hint:   `the file takes kargs = ["…"] and match-architectures = ["x86_64"]`,
			}
		}
		if file.MatchArchitectures != nil && !slices.Contains(*file.MatchArchitectures, rustArchitectures[architecture]) {
			continue
		}
		args = append(args, *file.Kargs...)
	}
	return args, nil
}

func readText(root image.Root, name string) (text string, err error) {
	err = withFile(root, name, func(r io.ReaderAt, size int64) error {
		if size > maxTextFile {
			return &UnbootableError{Reason: fmt.Sprintf("%q has %d bytes", "/"+name, size)}
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), b); err != nil {
			return fmt.Errorf("reading root file system: %w", err)
		}
		text = string(b)
		return nil
	})
	return text, err
}
