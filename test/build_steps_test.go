//go:build e2e

package test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/plan"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// contextFile puts a file with that content into the context of a build.
func contextFile(t testing.TB, content string) plan.Source {
	t.Helper()
	src := plan.Source{Content: []byte(content), Mode: 0o644}
	sum := plan.NewSum()
	if err := src.Walk(nil, func(e plan.Entry) error {
		sum.Add(e)
		_, err := sum.Write([]byte(content))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	src.Digest = sum.Digest()
	return src
}

func TestBuildRunsAndCopies(t *testing.T) {
	t.Parallel()
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			f := containerFile(
				"COPY motd /etc/motd",
				"RUN cat /etc/motd > /etc/copied && echo said by the step",
				`LABEL org.example.label="value"`,
			)
			f.Context["motd"] = contextFile(t, "hello\n")
			var log bytes.Buffer
			rec := mustBuild(t, b, f, build.Options{Tag: "localhost/out:1", Isolation: isolation, Log: &log})
			if got := readFile(t, b, "localhost/out:1", "etc/copied"); got != "hello\n" {
				t.Errorf("the step wrote %q", got)
			}
			for _, want := range []string{"STEP 2/4: COPY motd /etc/motd\n", "said by the step\n", "COMMIT"} {
				if !strings.Contains(rec.text(), want) {
					t.Errorf("output lacks %q:\n%s", want, rec.text())
				}
			}
			if diff := cmp.Diff(rec.text(), log.String()); diff != "" {
				t.Errorf("build log differs from what was shown:\n%s", diff)
			}
			img, err := b.Image(t.Context(), "localhost/out:1")
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.Config(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"org.example.label": "value"}, config.Config.Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			s.assertClean(t, "")
		})
	}
}

func TestBuildStages(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	f := containerFile("FROM base", "RUN --mount=type=bind,from=base,source=/,target=/tmp ls /tmp/usr/lib > /etc/listing", "RUN exit 7")
	f.Text = bytes.Replace(f.Text, []byte(baseName), []byte(baseName+" AS base"), 1)
	rec := newRecorder()
	_, err := b.Build(t.Context(), f, build.Options{Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
	var step *build.StepError
	if !errors.As(err, &step) || step.Pos.Line != 40 || step.ExitCode != 7 {
		t.Fatalf("error = %#v, want step at line 40 with status 7\n%s", err, rec.text())
	}
	if !strings.Contains(rec.text(), "STEP 2/4: FROM base") {
		t.Errorf("second stage is not announced:\n%s", rec.text())
	}
	s.assertClean(t, "")
}

func TestBuildUsesTheLayerCache(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	f := containerFile("COPY motd /etc/motd", "RUN echo ran once > /etc/ran")
	f.Context["motd"] = contextFile(t, "hello\n")
	count := func(o build.Options) int {
		t.Helper()
		o.Tag = "localhost/cached:1"
		return strings.Count(mustBuild(t, b, f, o).text(), "--> Using cache")
	}
	epoch := time.Unix(1_700_000_000, 0)
	for _, step := range []struct {
		name string
		o    build.Options
		want int
	}{
		{"first", build.Options{}, 0},
		{"same again", build.Options{}, 2},
		{"no cache", build.Options{NoCache: true}, 0},
		{"an epoch is another layer", build.Options{Epoch: epoch}, 0},
		{"same epoch", build.Options{Epoch: epoch}, 2},
		{"another epoch", build.Options{Epoch: epoch.Add(time.Hour)}, 0},
	} {
		if got := count(step.o); got != step.want {
			t.Errorf("%s: %d steps from the cache, want %d", step.name, got, step.want)
		}
	}
}

func TestBuildEpoch(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	epoch := time.Unix(1_000_000_000, 0).UTC()
	ids := map[string]bool{}
	for range 2 {
		mustBuild(t, b, containerFile("RUN echo new > /etc/new"), build.Options{Tag: "localhost/dated:1", Epoch: epoch, NoCache: true})
		img, err := b.Image(t.Context(), "localhost/dated:1")
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.Config(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if config.Created == nil || !config.Created.Equal(epoch) {
			t.Errorf("created at %v, want %v", config.Created, epoch)
		}
		root, err := img.Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fi, err := root.Stat("etc/new")
		if err != nil {
			t.Fatal(err)
		}
		if fi.ModTime().After(epoch) {
			t.Errorf("file is dated %v, after %v", fi.ModTime(), epoch)
		}
		if err := root.Close(); err != nil {
			t.Fatal(err)
		}
		ids[fmt.Sprint(config.RootFS.DiffIDs)] = true
	}
	if len(ids) != 1 {
		t.Errorf("two builds have different layers: %v", ids)
	}
}

func TestBuildReportsTheFailingStep(t *testing.T) {
	t.Parallel()
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			rec := newRecorder()
			_, err := b.Build(t.Context(), containerFile(
				"RUN echo same",
				// Output that looks like a step must not be taken for one.
				"RUN echo 'STEP 2/4: RUN echo same'; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo line $i; done; \\\n  exit 3",
				"RUN echo never",
			), build.Options{Isolation: isolation, Stage: rec, MinFree: -1, Project: fstest.MapFS{}})
			var step *build.StepError
			if !errors.As(err, &step) {
				t.Fatalf("error = %v, want a StepError\n%s", err, rec.text())
			}
			if want := (diag.Pos{File: "recipe.yaml", Line: 30, Col: 1}); step.Pos != want || step.Line != 3 {
				t.Errorf("position %v, line %d, want %v, line 3", step.Pos, step.Line, want)
			}
			if step.ExitCode != 3 || step.Err.Error() != "the command ended with status 3" {
				t.Errorf("status %d, %q", step.ExitCode, step.Err)
			}
			if n := len(step.Output); n != 20 || !cmp.Equal(step.Output[:3], []string{"line 3", "line 4", "line 5"}) && !strings.HasPrefix(step.Output[0], "line") {
				t.Errorf("output is %q", step.Output)
			}
			s.assertClean(t, "")
		})
	}
}

func TestBuildReportsAMissingFile(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	_, err := b.Build(t.Context(), containerFile("COPY nothing /etc/"), build.Options{MinFree: -1, Project: fstest.MapFS{}})
	var step *build.StepError
	if !errors.As(err, &step) || step.Line != 2 || step.ExitCode != 0 {
		t.Fatalf("error = %#v, want step at line 2", err)
	}
}

func TestBuildSecret(t *testing.T) {
	t.Parallel()
	const value = "correct horse battery staple"
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			f := containerFile("RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = '" + "correct horse battery ''staple" + "' && cat /run/secrets/token")
			f.Secrets = []plan.Secret{{ID: "token"}}
			var log bytes.Buffer
			rec := mustBuild(t, b, f, build.Options{
				Tag: "localhost/secret:1", Isolation: isolation, Log: &log, Secrets: map[string][]byte{"token": []byte(value + "\n")},
			})
			if strings.Contains(rec.text()+log.String(), value) {
				t.Errorf("the secret is in the output:\n%s", rec.text())
			}
			if !strings.Contains(rec.text(), "***") {
				t.Errorf("the step did not see the secret:\n%s", rec.text())
			}
			// Not in any file of the store either: layers, history,
			// configuration, containers, the folder of builds.
			err := filepath.WalkDir(s.dir, func(name string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				content, err := os.ReadFile(name)
				if err == nil && bytes.Contains(content, []byte(value)) {
					t.Errorf("the secret is in %q", name)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			s.assertClean(t, "")
		})
	}
}

func TestBuildSecretWithoutValue(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	f := containerFile("RUN true")
	f.Secrets = []plan.Secret{{ID: "token"}}
	_, err := b.Build(t.Context(), f, build.Options{MinFree: -1})
	if err == nil || !strings.Contains(err.Error(), `secret "token" has no value`) {
		t.Errorf("error = %v", err)
	}
}

func TestBuildCacheMountOutlivesTheBuild(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	const mount = "RUN --mount=type=cache,id=packages,target=/var/cache,sharing=locked "
	mustBuild(t, b, containerFile(mount+"touch /var/cache/downloaded"), build.Options{})
	mustBuild(t, b, containerFile(mount+"test -e /var/cache/downloaded"), build.Options{})
	s.assertClean(t, "")
}

func TestBuildNetworkIsTheHosts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := fmt.Sprintf("%04X", l.Addr().(*net.TCPAddr).Port)
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			mustBuild(t, b, containerFile("RUN grep -q :"+port+" /proc/net/tcp"), build.Options{Isolation: isolation})
			_, err := b.Build(t.Context(), containerFile(
				"RUN --network=none ! grep -q :"+port+" /proc/net/tcp && test -z \"$(ip route)\"",
			), build.Options{Isolation: isolation, MinFree: -1, Project: fstest.MapFS{}})
			if isolation == build.IsolationOCI {
				if err != nil {
					t.Errorf("a step without network has one: %v", err)
				}
				return
			}
			// chroot cannot take the network away.
			var offline *build.OfflineError
			if !errors.As(err, &offline) || offline.Pos.Line != 20 || offline.MendHint() == "" {
				t.Errorf("error = %v, want a refusal at line 20", err)
			}
		})
	}
}

func TestBuildUlimits(t *testing.T) {
	t.Parallel()
	var nofile unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &nofile); err != nil {
		t.Fatal(err)
	}
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			s := newTestStore(t)
			b := s.open(t)
			rec := mustBuild(t, b, containerFile("RUN ulimit -Hn; ulimit -n"), build.Options{Isolation: isolation})
			if want := fmt.Sprintf("\n%d\n", min(nofile.Max, 1<<20)); !strings.Contains(rec.text(), want) {
				t.Errorf("limit of open files is not %s:\n%s", strings.TrimSpace(want), rec.text())
			}
		})
	}
}

func TestResolveBaseOfTheStore(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	b := s.open(t)
	for _, ref := range []string{baseName, "localhost/busybox", "containers-storage:" + baseName} {
		info, err := b.ResolveBase(t.Context(), recipe.Base{Image: recipe.String{Value: ref}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.Distro.ID != "debian" || info.Distro.Version != "12" || info.Architecture != "amd64" || len(info.ImageID) != 64 {
			t.Errorf("%s: %+v", ref, info)
		}
		f := containerFile("RUN true")
		f.Text = bytes.Replace(f.Text, []byte(baseName), []byte(info.ImageID), 1)
		mustBuild(t, b, f, build.Options{})
	}
	_, err := b.ResolveBase(t.Context(), recipe.Base{Image: recipe.String{Value: "localhost/missing"}}, nil, nil)
	var pull *build.PullError
	if !errors.As(err, &pull) || pull.Hint == "" {
		t.Errorf("error for a missing image = %v", err)
	}
}
