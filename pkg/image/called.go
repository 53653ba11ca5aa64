package image

import (
	"cmp"
	"strings"
)

// Called is a location ([Image]) for people: an image in a store is what it is
// called there, else its ID, without the store's driver and folders.
func Called(location string) string {
	name, stored := strings.CutPrefix(location, "containers-storage:")
	if !stored {
		return location
	}
	if _, after, ok := strings.Cut(name, "]"); ok {
		name = after
	}
	name, id, _ := strings.Cut(name, "@")
	return cmp.Or(name, id)
}
