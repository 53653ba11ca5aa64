package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

func checkLabel(_ context.Context, t *Target) ([]Finding, error) {
	if t.Folder {
		return nil, NotApplicable("a folder has no labels")
	}
	if t.labelled() {
		return nil, nil
	}
	return found("", "the image has neither label containers.bootc nor ostree.bootable"), nil
}

// osReleaseFiles are the places of os-release(5).
var osReleaseFiles = []string{"etc/os-release", "usr/lib/os-release"}

func checkOSRelease(_ context.Context, t *Target) ([]Finding, error) {
	present := ""
	for _, name := range osReleaseFiles {
		data, err := readSmall(t.Root, name)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		present = name
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if (key == "PRETTY_NAME" || key == "ID") && strings.Trim(value, `"'`) != "" {
				return nil, nil
			}
		}
	}
	if present == "" {
		return found("usr/lib/os-release", "neither this file nor /etc/os-release is there"), nil
	}
	return found(present, "neither PRETTY_NAME nor ID is set in it"), nil
}

const kargsDir = "usr/lib/bootc/kargs.d"

// kargsFile is a file of kargs.d, as crates/lib/src/bootc_kargs.rs of bootc
// reads it.
type kargsFile struct {
	Kargs              []string `toml:"kargs"`
	MatchArchitectures []string `toml:"match-architectures"`
}

// eachKargs calls f for each file of kargs.d that bootc reads; err is what is
// wrong with the file.
func eachKargs(t *Target, f func(name string, k kargsFile, err error) []Finding) ([]Finding, error) {
	fi, err := t.Root.Stat(kargsDir)
	switch {
	case isAbsent(err):
		return nil, NotApplicable("no /" + kargsDir)
	case err != nil:
		return nil, err
	case !fi.IsDir():
		return f(kargsDir, kargsFile{}, errors.New("it is no folder")), nil
	}
	entries, err := t.Root.ReadDir(kargsDir)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, e := range entries {
		// A file that is called .toml has no extension to bootc.
		if !strings.HasSuffix(e.Name(), ".toml") || e.Name() == ".toml" {
			continue
		}
		name := path.Join(kargsDir, e.Name())
		data, err := readSmall(t.Root, name)
		if err != nil {
			return nil, err
		}
		var k kargsFile
		if data == nil {
			err = errors.New("it is a link to nothing")
		} else {
			k, err = parseKargs(string(data))
		}
		out = append(out, f(name, k, err)...)
	}
	return out, nil
}

func parseKargs(data string) (k kargsFile, err error) {
	meta, err := toml.Decode(data, &k)
	if err != nil {
		// The position is in the error of the parser; other errors are about
		// types.
		return k, err
	}
	// The parser finds a key in any case, and bootc only in its own.
	for _, key := range meta.Keys() {
		if name := key.String(); name != "kargs" && name != "match-architectures" {
			return k, fmt.Errorf("unknown key %q; bootc knows kargs and match-architectures", name)
		}
	}
	if !meta.IsDefined("kargs") {
		return k, errors.New("the key kargs is missing")
	}
	return k, nil
}

func checkKargs(_ context.Context, t *Target) ([]Finding, error) {
	return eachKargs(t, func(name string, _ kargsFile, err error) []Finding {
		if err != nil {
			return found(name, "%v", err)
		}
		return nil
	})
}

// rustArchitectures are the words of match-architectures for those of image
// configurations: bootc compares with Rust's std::env::consts::ARCH.
var rustArchitectures = map[string]string{
	"amd64": "x86_64", "386": "x86", "arm64": "aarch64", "arm": "arm", "ppc64le": "powerpc64", "ppc64": "powerpc64",
	"s390x": "s390x", "riscv64": "riscv64", "loong64": "loongarch64",
}

func checkKargsArchitectures(_ context.Context, t *Target) ([]Finding, error) {
	return eachKargs(t, func(name string, k kargsFile, err error) []Finding {
		if err != nil {
			return nil // rule kargs-d says so
		}
		return unknownArchitectures(name, k.MatchArchitectures)
	})
}

// unknownArchitectures finds the words of a file's match-architectures that
// bootc never compares with.
func unknownArchitectures(name string, list []string) []Finding {
	var out []Finding
	for _, arch := range list {
		known := false
		for _, rust := range rustArchitectures {
			known = known || rust == arch
		}
		if known {
			continue
		}
		f := finding(name, "match-architectures has %q, which no machine is called", arch)
		if rust, ok := rustArchitectures[arch]; ok {
			f.Hint = fmt.Sprintf("write %q instead of %q", rust, arch)
		}
		out = append(out, f)
	}
	return out
}

// knownRust lists the words of match-architectures.
func knownRust() string {
	var words []string
	for _, w := range rustArchitectures {
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
