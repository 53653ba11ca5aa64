package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// BaseInfo is what a resolver knows of a base image.
type BaseInfo struct {
	// Digest is that of the manifest, or of the list where the reference
	// names one; "" where the image has none.
	Digest string
	// ImageID is the image's ID in the local store, 64 hexadecimal digits; it
	// pins a base that has no digest, or whose transport cannot be asked by
	// digest. "" where the image is not in the store.
	ImageID string
	// Distro comes from the base's os-release.
	Distro Distro
	// Architecture is in OCI terms.
	Architecture string
}

// Options are what [New] needs beside the recipe.
type Options struct {
	// ResolveBase finds the base image. nil leaves it unresolved: the build
	// uses the reference as it is written, and base.distro has to say which
	// distribution it is.
	ResolveBase func(ctx context.Context, base recipe.Base) (BaseInfo, error)
	// Epoch is the time that the image says it was made at; the zero time
	// says none.
	Epoch time.Time
	// Platform is the one of the machine that builds, as in "linux/arm64"; ""
	// is that of this program.
	Platform string
	// Read is the project: the file system that the recipe was loaded from. It
	// is needed for recipes that name files.
	Read fs.FS
	// TrustFiles writes the signature policy that demands one of the public
	// keys (PEM) for images of a scope. It is needed for recipes with trust.
	TrustFiles func(scope string, keys [][]byte) ([]PolicyFile, error)
}

// New plans the build of r. The problems are those of the recipe, all at once
// and in its order; where there is an error among them the plan is nil. The
// error is that of ResolveBase, or of reading the project.
func New(ctx context.Context, r *recipe.Recipe, o Options) (*Plan, diag.List, error) {
	o.Platform = cmp.Or(o.Platform, "linux/"+runtime.GOARCH)
	p := &planner{r: r, o: o, plan: &Plan{
		Name:        r.Name.Value,
		Description: r.Description.Value,
		Origin:      firstValid(r.Name.Pos, r.Base.Image.Pos, diag.Pos{File: r.File}),
		Context:     map[string]Source{},
	}}
	if err := p.base(ctx); err != nil {
		return nil, nil, err
	}
	p.platforms()
	p.repos()
	p.prepared = len(p.plan.Steps)
	p.packages()
	p.locale()
	p.desktop()
	p.flatpak()
	p.removeAndLock()
	p.hostname()
	p.files()
	p.displayManager()
	p.users()
	p.systemd()
	p.kernelArgs()
	p.dracut()
	p.trust()
	p.secrets()
	p.runs()
	p.initramfs()
	p.cleanup()
	p.labels()
	p.resolve()
	if p.err != nil {
		return nil, nil, p.err
	}
	p.diags.Sort()
	if p.diags.HasErrors() {
		return nil, p.diags, nil
	}
	return p.plan, p.diags, nil
}

// planner is the state of one call of [New].
type planner struct {
	r       *recipe.Recipe
	o       Options
	plan    *Plan
	manager PackageManager // nil after an error about the distribution
	// repoMounts show the repositories of the recipe to the package manager.
	repoMounts []Mount
	// buildKeys are the folders of the image's own repositories where some are
	// for the build only and have keys in the database of packages; else "".
	buildKeys string
	// prepared is how many steps stand before the first that may install, and
	// questions are the names of those that do.
	prepared  int
	questions Questions
	// reporting is true from the first step on that adds to OptionalReport.
	reporting bool
	diags     diag.List
	err       error // the first failure to read the project
}

// problem reports an error at pos.
func (p *planner) problem(pos diag.Pos, code, where, hint, format string, args ...any) {
	p.diags.Add(diag.Diagnostic{Pos: pos, Path: where, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// step appends a step.
func (p *planner) step(kind Kind, title string, origin []diag.Pos, instructions ...Instruction) {
	p.plan.Steps = append(p.plan.Steps, Step{Kind: kind, Title: title, Origin: origin, Instructions: instructions})
}

// base resolves the base image and its distribution.
func (p *planner) base(ctx context.Context) error {
	b := p.r.Base
	var info BaseInfo
	if p.o.ResolveBase != nil {
		var err error
		if info, err = p.o.ResolveBase(ctx, b); err != nil {
			return fmt.Errorf("resolving base %q: %w", b.Image.Value, err)
		}
	}
	distro, pos, where := info.Distro, b.Image.Pos, "base.image"
	if b.Distro.IsSet() {
		distro, pos, where = ParseDistro(b.Distro.Value), b.Distro.Pos, "base.distro"
		p.diags = append(p.diags, contradiction(b.Distro, info.Distro)...)
	}
	switch p.manager = managerFor(distro); {
	case distro.ID == "":
		p.problem(pos, "unknown-distribution", where, "add base.distro, as in \"distro: centos-10\"",
			"the distribution of the base %q is not known", b.Image.Value)
	case p.manager == nil:
		p.problem(pos, "unsupported-distribution", where, "supported are "+supported()+", and what says to be like them",
			"the distribution %q of the base has no package manager that is known", distro)
	}
	p.plan.Base = Base{
		Image:        b.Image.Value,
		Pinned:       pin(b.Image.Value, info),
		Digest:       info.Digest,
		Architecture: info.Architecture,
		Distro:       distro,
	}
	if p.manager != nil {
		p.plan.Base.PackageManager = p.manager.Name()
		on, problems := p.r.On(distro.Names(), distro.String())
		p.diags = append(p.diags, problems...)
		if on != nil {
			p.r = on
		}
	}
	p.plan.Recipe = p.r
	// The second stage is the image. The first one is the base as it was, for
	// steps that ask what the build has changed.
	p.step(KindBase, fmt.Sprintf("Base: %s (%s, %s)", b.Image.Value, distro, p.plan.Base.PackageManager), []diag.Pos{b.Image.Pos},
		Instruction{From: &From{Image: p.plan.Base.Pinned, Stage: BaseStage}},
		Instruction{From: &From{Image: BaseStage}},
	)
	return nil
}

// platforms refuses to build for another machine than this one: steps run
// programs of the image, and what they leave behind is for the machine's own
// architecture. Of several platforms, each is built on a machine of its own.
func (p *planner) platforms() {
	const hint = "a build is for one platform, that of the machine: for another one, build on a machine of that architecture"
	words := p.r.Platforms
	here := slices.ContainsFunc(words, func(w recipe.String) bool { return w.Value == p.o.Platform })
	for i, w := range words {
		if !here {
			p.problem(w.Pos, "unsupported-platform", fmt.Sprintf("platforms[%d]", i), hint,
				"the platform %q cannot be built on this machine, which is %q", w.Value, p.o.Platform)
		}
	}
	if arch := p.plan.Base.Architecture; arch != "" && "linux/"+arch != p.o.Platform {
		p.problem(p.r.Base.Image.Pos, "unsupported-platform", "base.image", hint,
			"the base %q is for %q, and this machine is %q", p.r.Base.Image.Value, "linux/"+arch, p.o.Platform)
	}
}

// transports are those of containers-transports(5) that name no registry.
var transports = []string{"containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree", "sif", "tarball"}

// pin returns the reference that gives the same image whenever it is asked for.
func pin(image string, info BaseInfo) string {
	transport, _, found := strings.Cut(image, ":")
	registry := !found || !slices.Contains(transports, transport)
	if registry && info.Digest != "" {
		name := strings.TrimPrefix(image, "docker://")
		name, _, _ = strings.Cut(name, "@")
		if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
			name = name[:colon]
		}
		return name + "@" + info.Digest
	}
	if info.ImageID != "" {
		return info.ImageID
	}
	if registry {
		return strings.TrimPrefix(image, "docker://")
	}
	return image
}

// run returns a Run on the mounts that every step has: an empty folder for all
// that bootkiln mounts, so that no mount point stays in the image, and none
// that was there before is taken for one.
func (p *planner) run(commands []Command, mounts ...Mount) Instruction {
	return Instruction{Run: &Run{
		Mounts:   append([]Mount{{Type: MountTmpfs, Target: "/run/bootkiln"}}, mounts...),
		Commands: commands,
	}}
}

// generated returns the source of a file that bootkiln writes.
func generated(content []byte, mode fs.FileMode) Source {
	src := Source{Content: append([]byte{}, content...), Mode: mode}
	src.Digest, _, _ = sum(nil, src) // nothing is read, so nothing can fail
	return src
}

// source returns a file or folder of the project. ok is false where there was
// a problem or a failure, which is remembered.
func (p *planner) source(at recipe.Path, where string, mode fs.FileMode) (src Source, isFolder, ok bool) {
	if p.o.Read == nil {
		p.fail(fmt.Errorf("reading %q: no project was given", at.Value))
		return Source{}, false, false
	}
	src = Source{Path: at.Name(), Mode: mode}
	var err error
	src.Digest, isFolder, err = sum(p.o.Read, src)
	switch {
	case errors.Is(err, errSpecial):
		p.problem(at.Pos, "wrong-kind", where, "take it out of what is copied", "%s", err)
	case err != nil:
		p.fail(fmt.Errorf("reading %q: %w", at.Value, err))
	}
	return src, isFolder, err == nil
}

// place puts a source into the build context, below folder and the source's
// digest, and returns its path there.
func (p *planner) place(src Source, folder string, name ...string) string {
	at := path.Join(folder, short(src.Digest), path.Join(name...))
	p.plan.Context[at] = src
	return at
}

func (p *planner) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// firstValid returns the first position that is one.
func firstValid(pos ...diag.Pos) diag.Pos {
	for _, at := range pos {
		if at.IsValid() {
			return at
		}
	}
	return diag.Pos{}
}

// words turns values of the recipe into words.
func words(values []recipe.String) []Word {
	var list []Word
	for _, v := range values {
		list = append(list, Word{Value: v.Value, Origin: v.Pos})
	}
	return list
}

// unique returns list without the words that stand in it already.
func unique(list []Word) []Word {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(w Word) bool {
		again := seen[w.Value]
		seen[w.Value] = true
		return again
	})
}

// origins returns the places of the words.
func origins(lists ...[]Word) []diag.Pos {
	var list []diag.Pos
	for _, words := range lists {
		for _, w := range words {
			if w.Origin.IsValid() && !slices.Contains(list, w.Origin) {
				list = append(list, w.Origin)
			}
		}
	}
	return list
}

// count returns "1 package", "3 packages".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
