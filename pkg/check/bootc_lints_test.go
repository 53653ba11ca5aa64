package check

import (
	"slices"
	"strings"
	"testing"
)

// bootcLints are the lints of "bootc container lint" (crates/lib/src/lints.rs),
// and the rules that find what each of them finds.
var bootcLints = map[string][]string{
	"api-base-directories": {"api-directories"},
	"baseimage-composefs":  {"composefs", "prepare-root"},
	"baseimage-root":       {"ostree-layout"},
	"bootc-kargs":          {"kargs-d"},
	"buildah-injected":     {"injected-files"},
	"etc-usretc":           {"etc-usretc"},
	"kernel":               {"kernel"},
	"nonempty-boot":        {"nonempty-boot"},
	"nonempty-run-tmp":     {"nonempty-run-tmp"},
	"sysusers":             {"sysusers"},
	"utf8":                 {"utf8-names"},
	"var-log":              {"var-log"},
	"var-run":              {"var-run"},
	"var-tmpfiles":         {"var-tmpfiles"},
}

// One run contains all lints of bootc, and every rule that says so is one that
// does.
func TestBootcLints(t *testing.T) {
	t.Parallel()
	if len(bootcLints) != 14 {
		t.Errorf("%d lints", len(bootcLints))
	}
	for lint, ids := range bootcLints {
		for _, id := range ids {
			i := slices.IndexFunc(table, func(r Rule) bool { return r.ID == id })
			if i < 0 {
				t.Errorf("lint %s: no rule %s", lint, id)
			} else if !slices.Contains(namedLints(table[i].Source), lint) {
				t.Errorf("rule %s does not name lint %s as its source: %q", id, lint, table[i].Source)
			}
		}
	}
	for _, r := range table {
		for _, lint := range namedLints(r.Source) {
			if _, ok := bootcLints[lint]; !ok {
				t.Errorf("rule %s is from a lint %q that bootc does not have", r.ID, lint)
			}
		}
	}
}

// namedLints are the words behind "bootc lint" in the source of a rule.
func namedLints(source string) []string {
	var out []string
	for _, part := range strings.Split(source, "bootc lint ")[1:] {
		word, _, _ := strings.Cut(part, " ")
		out = append(out, strings.Trim(word, ",;:"))
	}
	return out
}
