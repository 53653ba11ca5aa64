package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// Distro identifies a distribution, in the words of os-release(5).
type Distro struct {
	// ID is the lower-case identifier, as in "centos".
	ID string `json:"id"`
	// Version is VERSION_ID, as in "10" or "24.04"; "" for rolling ones.
	Version string `json:"version,omitempty"`
	// IDLike are the identifiers of ID_LIKE.
	IDLike []string `json:"idLike,omitempty"`
}

// String returns "id version".
func (d Distro) String() string { return strings.TrimSpace(d.ID + " " + d.Version) }

// Is reports whether the distribution is, or says to be like, one of ids.
func (d Distro) Is(ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		return d.ID == id || slices.Contains(d.IDLike, id)
	})
}

// Major is the number before the first dot of Version, 0 where there is none.
func (d Distro) Major() int {
	major, _, _ := strings.Cut(d.Version, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

// Names are what the word "when" of a recipe may call the distribution: its ID
// with and without its major version, and those of the family that it says to
// be like. "el" is the family of Enterprise Linux, whose members count their
// majors alike.
func (d Distro) Names() []string {
	names := []string{d.ID}
	add := func(family string) {
		if family != d.ID {
			names = append(names, family)
		}
		if major := d.Major(); major > 0 {
			names = append(names, fmt.Sprintf("%s-%d", family, major))
		}
	}
	add(d.ID)
	switch {
	case d.Is(enterprise...):
		add("el")
	case d.ID != "fedora" && d.Is("fedora"):
		add("fedora")
	case d.ID != "debian" && d.Is("debian"):
		names = append(names, "debian") // which counts otherwise
	}
	return names
}

// ParseDistro reads the word base.distro, "<id>-<version>" or "<id>".
func ParseDistro(s string) Distro {
	d := Distro{ID: s}
	if i := strings.LastIndexByte(s, '-'); i > 0 && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
		d.ID, d.Version = s[:i], s[i+1:]
	}
	return d
}

// contradiction warns of a base.distro that the base itself does not agree to.
// found is what the base says; what it does not say contradicts nothing. It is
// no error: the word is there for bases that say it wrong.
func contradiction(said recipe.String, found Distro) diag.List {
	believed := ParseDistro(said.Value)
	same := believed.ID == found.ID && (believed.Major() == found.Major() || believed.Version == "" || found.Version == "")
	if found.ID == "" || same {
		return nil
	}
	return diag.List{{
		Pos: said.Pos, Path: "base.distro", Severity: diag.Warning, Code: "other-distribution",
		Message: fmt.Sprintf("the base says that it is %s, and the recipe, which is believed, that it is %s", found, believed),
		Hint:    "remove base.distro, or correct it, unless the base is wrong",
	}}
}
