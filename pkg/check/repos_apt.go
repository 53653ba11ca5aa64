package check

import (
	"github.com/bootkiln/bootkiln/pkg/image"
	"github.com/bootkiln/bootkiln/pkg/repofile"
)

const (
	aptSources    = "etc/apt/sources.list"
	aptSourcesDir = "etc/apt/sources.list.d"
	aptTrusted    = "etc/apt/trusted.gpg"
	aptTrustedDir = "etc/apt/trusted.gpg.d"
)

// aptRepositories lists the repositories of binary packages that apt has
// enabled (sources.list(5)).
func aptRepositories(root image.Root) ([]repository, error) {
	lists, err := dropIns(root, ".list", aptSourcesDir)
	if err != nil {
		return nil, err
	}
	stanzas, err := dropIns(root, ".sources", aptSourcesDir)
	if err != nil {
		return nil, err
	}
	trusted, err := aptTrustedKeys(root)
	if err != nil {
		return nil, err
	}
	var list []repository
	for _, file := range append(append([]string{aptSources}, lists...), stanzas...) {
		data, err := readSmall(root, file)
		if err != nil {
			return nil, err
		}
		for _, e := range repofile.Entries(file, data) {
			if !e.Binary() || len(e.URIs) == 0 || repofile.IsFalse(e.Option("enabled")) {
				continue
			}
			r := repository{file: file, id: stem(file), urls: e.URIs, keys: trusted}
			// A key may be written into the file itself, over many lines: then it
			// is no file that is known.
			if keys := listOf(e.Option("signed-by")); len(keys) > 0 {
				r.keys = keys
			}
			if len(repofile.Unchecked([]repofile.Entry{e})) > 0 {
				r.keys = nil // apt takes it without a good signature
			}
			list = append(list, r)
		}
	}
	return list, nil
}

// aptTrustedKeys are the keys of whatever names none.
func aptTrustedKeys(root image.Root) ([]string, error) {
	keys, err := dropIns(root, ".gpg", aptTrustedDir)
	if err != nil {
		return nil, err
	}
	armored, err := dropIns(root, ".asc", aptTrustedDir)
	if err != nil {
		return nil, err
	}
	keys = append(keys, armored...)
	fi, err := root.Stat(aptTrusted)
	switch {
	case err == nil && fi.Size() > 0:
		keys = append(keys, aptTrusted)
	case err != nil && !isAbsent(err):
		return nil, err
	}
	return keys, nil
}
