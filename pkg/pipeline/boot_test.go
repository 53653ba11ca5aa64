package pipeline

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bootkiln/bootkiln/pkg/boot"
	"github.com/bootkiln/bootkiln/pkg/boot/disk"
	"github.com/bootkiln/bootkiln/pkg/boot/guest"
	"github.com/bootkiln/bootkiln/pkg/progress"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// warnings keeps what the user should not miss.
type warnings struct {
	progress.Reporter
	all []string
}

func (w *warnings) Stage(name string) progress.Stage {
	return warned{w.Reporter.Stage(name), w, name}
}

type warned struct {
	progress.Stage
	to   *warnings
	name string
}

func (w warned) Warnf(string, ...any) { w.to.all = append(w.to.all, w.name) }

func TestRunWithoutABoot(t *testing.T) {
	t.Parallel()
	k, in := newKiln(t), load(t, twoTargets+"boot: off\n")
	s, said := k.services(), &warnings{Reporter: progress.Discard}
	s.Progress = said
	result, err := Run(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(k.calls, "boot") || slices.Contains(k.calls, "ready to boot") {
		t.Errorf("it was booted: %v", k.calls)
	}
	if diff := cmp.Diff(&Boot{Skipped: true}, result.Boot); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(said.all, "boot") {
		t.Error("nobody was told")
	}
}

func TestBuildBootsWhereAsked(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	s := k.services()
	s.Boot, s.BootReady = nil, nil
	result, err := Build(t.Context(), load(t, twoTargets), s)
	if err != nil || result.Boot != nil {
		t.Errorf("got %+v, %v", result.Boot, err)
	}
	result, err = Build(t.Context(), load(t, twoTargets), k.services())
	if err != nil || result.Boot == nil || result.Boot.Verdict != boot.Booted {
		t.Errorf("got %+v, %v", result.Boot, err)
	}
}

func TestRunBootsAsTheRecipeSays(t *testing.T) {
	t.Parallel()
	k := newKiln(t)
	in := load(t, twoTargets+`
boot:
  mode: ostree
  target: multi-user.target
  timeout: 7m
  memory: 3GiB
  expect:
    active: [sshd.service]
    failed: ["foo-*.service"]
    commands: [{run: getenforce, contains: Enforcing, matches: "^E"}, {run: "false", status: 1}]
    listening: [22/tcp]
    within: 90s
`)
	if _, err := Run(t.Context(), in, k.services()); err != nil {
		t.Fatal(err)
	}
	text := "Enforcing"
	want := boot.Options{
		Mode: disk.OSTree, Target: "multi-user.target", Timeout: 7 * time.Minute, Memory: 3 << 30,
		Expect: guest.Expect{
			Active: []string{"sshd.service"}, AllowFailed: []string{"foo-*.service"},
			Commands: []guest.Command{{Run: "getenforce", Contains: &text}, {Run: "false", Status: 1}},
			Ports:    []guest.Port{{Number: 22, Protocol: "tcp"}}, Within: 90 * time.Second,
		},
	}
	if diff := cmp.Diff(want, k.booted, cmpopts.IgnoreFields(boot.Options{}, "Stage", "Causes"), cmpopts.IgnoreFields(guest.Command{}, "Matches")); diff != "" {
		t.Error(diff)
	}
	if m := k.booted.Expect.Commands[0].Matches; m == nil || m.String() != "^E" {
		t.Errorf("the output has to match %v", m)
	}
	if _, err := k.booted.Causes(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestBootOptionsAreAuto(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", BootAuto} {
		if o := bootOptions(recipe.Boot{Mode: recipe.String{Value: mode}}); o.Mode != "" {
			t.Errorf("%q is the way %q", mode, o.Mode)
		}
	}
}
