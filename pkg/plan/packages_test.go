package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootkiln/bootkiln/pkg/plan"
)

// planText plans a recipe that goes on with text.
func planText(t *testing.T, distro, text string) (*plan.Plan, []string) {
	t.Helper()
	project := fstest.MapFS{"recipe.yaml": {Data: fmt.Appendf(nil, "version: 1\nname: x\nbase: {image: quay.io/x/y:1, distro: %s}\n%s", distro, text)}}
	p, problems, err := plan.New(t.Context(), load(t, project), plan.Options{Read: project})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range problems {
		found = append(found, d.String())
	}
	return p, found
}

// TestRemoveAndLockComeLast has every word that brings packages.
func TestRemoveAndLockComeLast(t *testing.T) {
	t.Parallel()
	const text = "packages: {install: [a], optional: [b], remove: [c], lock: [\"ibus*\"]}\n" +
		"locale: {language: ko_KR.UTF-8}\nflatpak: {remotes: [flathub], install: [org.x.y]}\n" +
		"desktop: {display-manager: gdm, fonts: [cjk], input-method: {framework: ibus, engines: [hangul]}}\n" +
		"files: [{content: x, destination: /etc/x}]\nsystemd: {enable: [x.service]}\nrun: [{name: x, shell: x}]\n"
	for _, distro := range []string{"centos-9", "centos-10", "fedora-43", "debian-13"} {
		p, problems := planText(t, distro, text)
		if problems != nil {
			t.Fatalf("%s: %q", distro, problems)
		}
		var kinds []plan.Kind
		for _, s := range p.Steps {
			if !slices.Contains(kinds, s.Kind) {
				kinds = append(kinds, s.Kind)
			}
		}
		want := []plan.Kind{
			plan.KindBase, plan.KindInstall, plan.KindOptional, plan.KindLocale, plan.KindDesktop, plan.KindFlatpak,
			plan.KindRemove, plan.KindLock, plan.KindFiles,
		}
		if diff := cmp.Diff(want, kinds[:len(want)]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", distro, diff)
		}
	}
}

func TestRemovalOfWhatAnotherWordNeeds(t *testing.T) {
	t.Parallel()
	_, got := planText(t, "fedora-43", "packages: {remove: [nano, sddm]}\ndesktop: {display-manager: sddm}\n")
	want := []string{`recipe.yaml:4:27: the package "sddm" is to be removed, and is needed by another word of the recipe (recipe.yaml:5:28) (conflict)`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestQuestionsOfLocks are those that the query asks of what is locked and
// excluded.
func TestQuestionsOfLocks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// What the build installs is asked for already; what is optional may be
		// missing in the end.
		"packages: {install: [a], optional: [b], lock: [a, b, c], exclude: [d, d]}\n": "--install=a --optional=b --lock=b --lock=c --excluded=d",
		// What is in a file of the project no repository knows.
		"packages: {install: [a, {url: 'https://x/y.rpm', sha256: " + strings.Repeat("0a", 32) + "}], lock: [site]}\n": "--install=a",
		// Neither needs a repository.
		"packages: {lock: [a], exclude: [b]}\n": "",
	} {
		p, problems := planText(t, "fedora-43", text)
		if problems != nil {
			t.Fatalf("%s: %q", text, problems)
		}
		var got []string
		for _, w := range asked(p) {
			if !strings.HasPrefix(w.Value, "--exclude=") && !strings.HasPrefix(w.Value, "--setopt=") {
				got = append(got, w.Value)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// TestInstead is asked with the name that it is said of, also where bundles say
// the name without it.
func TestInstead(t *testing.T) {
	t.Parallel()
	for _, distro := range []string{"centos-10", "fedora-43", "debian-13"} {
		p, problems := planText(t, distro, "packages: {install: [wine-core, {name: wine-core, instead: take Bottles}, vim]}\n")
		if problems != nil {
			t.Fatalf("%s: %q", distro, problems)
		}
		var got []string
		for _, w := range asked(p) {
			got = append(got, w.Value)
		}
		if diff := cmp.Diff([]string{"--instead=take Bottles", "--doubtful=wine-core", "--install=vim"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", distro, diff)
		}
	}
}
