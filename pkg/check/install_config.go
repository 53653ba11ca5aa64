package check

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/bootkiln/bootkiln/pkg/diag"
)

// installDirs are where "bootc install" looks for its configuration: a file
// hides those of its name in the folders behind its own. The one in /run is no
// part of an image.
var installDirs = []string{"etc/bootc/install", "usr/local/lib/bootc/install", "usr/lib/bootc/install"}

// installFile is what rules want to know of one of these files.
type installFile struct {
	name string
	// rootFS, bootloader and architectures are what it says, "" and nil where
	// it says nothing.
	rootFS, bootloader string
	architectures      []string
	// problems are why bootc refuses it.
	problems []string
}

// valueKind is what a key of the installation's configuration takes.
type valueKind struct {
	name  string
	words []string // a choice; nil for any
	list  bool
	truth bool
}

var (
	anyText    = valueKind{name: "a string"}
	anyTexts   = valueKind{name: "a list of strings", list: true}
	truth      = valueKind{name: "true or false", truth: true}
	filesystem = choice("xfs", "ext4", "btrfs")
)

func choice(words ...string) valueKind {
	return valueKind{name: "one of " + strings.Join(words, ", "), words: words}
}

// installKeys are the keys of InstallConfiguration and of the structures in it
// (crates/lib/src/install/config.rs of bootc), all of which serde's
// deny_unknown_fields guards but "ostree".
var installKeys = map[string]valueKind{
	"install.root-fs-type":                     filesystem,
	"install.filesystem.root.type":             filesystem,
	"install.block":                            {name: "a list of direct and tpm2-luks", words: []string{"direct", "tpm2-luks"}, list: true},
	"install.kargs":                            anyTexts,
	"install.karg-deletes":                     anyTexts,
	"install.match-architectures":              anyTexts,
	"install.ostree.bls-append-except-default": anyText,
	"install.stateroot":                        anyText,
	"install.root-mount-spec":                  anyText,
	"install.boot-mount-spec":                  anyText,
	"install.bootupd.skip-boot-uuid":           truth,
	"install.bootloader":                       choice("grub", "grub-cc", "systemd", "none"),
	"install.discoverable-partitions":          truth,
	"install.enforce-container-sigpolicy":      truth,
}

// openTable is the one whose unknown keys bootc passes over.
const openTable = "install.ostree"

func isInstallTable(name string) bool {
	for key := range installKeys {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

// parseInstall reads a file as bootc does. All that is wrong is in problems.
func parseInstall(name, text string) installFile {
	f := installFile{name: name}
	var content map[string]any
	if _, err := toml.Decode(text, &content); err != nil {
		f.problems = []string{err.Error()}
		return f
	}
	f.table("", content)
	return f
}

func (f *installFile) table(at string, content map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(content)) {
		name := strings.TrimPrefix(at+"."+key, ".")
		below, isTable := content[key].(map[string]any)
		kind, known := installKeys[name]
		switch {
		case known:
			f.value(name, kind, content[key])
		case isInstallTable(name) && isTable:
			f.table(name, below)
		case isInstallTable(name):
			f.problem("%s is no table", name)
		case at != openTable:
			f.unknown(at, name)
		}
	}
}

func (f *installFile) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (f *installFile) unknown(at, name string) {
	var near []string
	for key := range installKeys {
		if rest, in := strings.CutPrefix(key, at+"."); in || at == "" {
			word, _, _ := strings.Cut(rest, ".")
			if at == "" {
				word, _, _ = strings.Cut(key, ".")
			}
			near = append(near, word)
		}
	}
	slices.Sort(near)
	last := strings.TrimPrefix(name, at)
	if meant := diag.Nearest(strings.TrimPrefix(last, "."), near); meant != "" {
		f.problem("unknown key %q; did you mean %q?", name, meant)
		return
	}
	f.problem("unknown key %q", name)
}

func (f *installFile) value(name string, kind valueKind, value any) {
	words, ok := kind.accepts(value)
	if !ok {
		f.problem("%s is %s; it takes %s", name, tomlText(value), kind.name)
		return
	}
	switch name {
	case "install.root-fs-type":
		if f.rootFS == "" {
			f.rootFS = words[0]
		}
	case "install.filesystem.root.type": // which wins over the older key
		f.rootFS = words[0]
	case "install.bootloader":
		f.bootloader = words[0]
	case "install.match-architectures":
		f.architectures = words
	}
}

// tomlText is a value as it may stand in a message.
func tomlText(value any) string {
	if text, ok := value.(string); ok {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%v", value)
}

// accepts returns the words that a value has, and whether it is of the kind.
func (k valueKind) accepts(value any) ([]string, bool) {
	if k.truth {
		_, ok := value.(bool)
		return nil, ok
	}
	list := []any{value}
	if k.list {
		var ok bool
		if list, ok = value.([]any); !ok {
			return nil, false
		}
	}
	words := []string{}
	for _, v := range list {
		word, ok := v.(string)
		if !ok || k.words != nil && !slices.Contains(k.words, word) {
			return nil, false
		}
		words = append(words, word)
	}
	return words, true
}

// installFiles lists the files that bootc reads, in its order.
func (t *Target) installFiles() ([]installFile, error) {
	names, err := dropIns(t.Root, ".toml", installDirs...)
	if err != nil {
		return nil, err
	}
	var files []installFile
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), ".") {
			continue // bootc passes over hidden files
		}
		data, err := readSmall(t.Root, name)
		if err != nil {
			return nil, err
		}
		files = append(files, parseInstall(name, string(data)))
	}
	return files, nil
}

// installSettings are the root file system and the boot loader that "bootc
// install" uses where nobody tells it another: those of the last file that is
// for the image's architecture and names one. They are "" where none does.
func (t *Target) installSettings() (rootFS, bootloader string, err error) {
	files, err := t.installFiles()
	if err != nil {
		return "", "", err
	}
	arch, err := t.architecture()
	if none := NotApplicable(""); err != nil && !errors.As(err, &none) {
		return "", "", err
	}
	for _, f := range files {
		if f.architectures != nil && !slices.Contains(f.architectures, rustArchitectures[arch]) {
			continue
		}
		if f.rootFS != "" {
			rootFS = f.rootFS
		}
		if f.bootloader != "" {
			bootloader = f.bootloader
		}
	}
	return rootFS, bootloader, nil
}

// hasBootc reports whether the image can install itself: "bootc install" runs
// from within it.
func (t *Target) hasBootc() (bool, error) { return t.hasProgram("bootc") }

// hasProgram looks along the PATH that containers have.
func (t *Target) hasProgram(name string) (bool, error) {
	for _, dir := range []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin"} {
		fi, err := t.Root.Stat(path.Join(dir, name))
		switch {
		case err == nil && fi.Mode().Type() == fs.FileMode(0) && fi.Mode()&0o111 != 0:
			return true, nil
		case err != nil && !isAbsent(err):
			return false, err
		}
	}
	return false, nil
}
