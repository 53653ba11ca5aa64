package scaffold

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// How a runner builds bootkiln.
const (
	// buildTags are those of the Makefile: without them the program needs
	// headers of C libraries that runners do not have.
	buildTags = "containers_image_openpgp,exclude_graphdriver_btrfs,netgo,osusergo,sqlite_omit_load_extension"
	// goVersion is the release line that go.mod asks for.
	goVersion = "1.26"
)

// actions are the actions that workflows use, by full commit: a tag can be
// moved.
var actions = map[string]string{
	"actions/checkout":          "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
	"actions/setup-go":          "b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0",
	"actions/upload-artifact":   "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1",
	"actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
}

// action is what follows "uses:".
func action(name string) (string, error) {
	pin, ok := actions[name]
	if !ok {
		return "", fmt.Errorf("action %q has no pin", name)
	}
	return name + "@" + pin, nil
}

// Workflow says how a repository builds its image.
type Workflow struct {
	// Recipe is the recipe's path from the repository's top folder, with
	// slashes.
	Recipe string
	// Version is the version of bootkiln's module to build with, as the go
	// command takes it behind "@": a release, or a branch. "" is the branch
	// "main".
	Version string
	// Branch is the branch that is published; "" is "main".
	Branch string
	// Variables are the environment variables that the recipe expands. Those
	// that GitHub sets itself are left out.
	Variables []string
}

// GitHub returns the workflow that builds a recipe every night, for pull
// requests and for each push to the branch, and publishes it but for pull
// requests: where the recipe is for several platforms, each on a runner of its own,
// and then all of them as an index. The list has what of the recipe no runner can have, at its place;
// the text is nil when one of them is an error.
func GitHub(r *recipe.Recipe, w Workflow) ([]byte, diag.List) {
	p, problems := newPage(r, w)
	if problems.HasErrors() {
		return nil, problems
	}
	text, err := fill("templates/github/image.yml", p)
	if err != nil {
		panic(err) // the template is part of the program, and so is what it is given
	}
	return text, problems
}

func newPage(r *recipe.Recipe, w Workflow) (*page, diag.List) {
	p := &page{
		Name: r.Name.Value, Recipe: w.Recipe, Tags: buildTags, Go: goVersion, Known: r.Base.Distro.IsSet(),
		Version: cmp.Or(w.Version, branchMain), Branch: cmp.Or(w.Branch, branchMain),
	}
	p.Floating = p.Version == branchMain
	for _, name := range w.Variables {
		if !setByGitHub(name) {
			p.Variables = append(p.Variables, name)
		}
	}
	slices.Sort(p.Variables)
	p.Variables = slices.Compact(p.Variables)

	var problems diag.List
	p.runner(r, &problems)
	p.base(r, &problems)
	p.targets(r)
	p.key(r, &problems)
	p.secrets(r, &problems)
	if p.Own != "" {
		for i := range p.Matrix {
			p.Matrix[i].Runner = "[self-hosted, linux, " + ownLabels[p.Matrix[i].Arch] + "]"
		}
	}
	return p, problems
}

const branchMain = "main"

// setByGitHub reports whether a runner has the variable without being told.
func setByGitHub(name string) bool {
	return strings.HasPrefix(name, "GITHUB_") || strings.HasPrefix(name, "RUNNER_")
}

// page is what the text of a workflow is filled in from.
type page struct {
	Name, Recipe, Version, Branch, Tags, Go string
	// Floating says that Version names another program every night.
	Floating bool
	// Keyless says that the job signs as itself.
	Keyless bool
	// Runner is the kind of machine that publishes, Checker the one that looks
	// at pull requests.
	Runner, Checker string
	// Matrix has the platforms where there are several, nil for one.
	Matrix []machine
	// Own says what a machine of the user's has that no other one has. Nothing is
	// deleted there. "" for a machine of GitHub's.
	Own string
	// Closed says why a pull request cannot build: what it needs is secret. ""
	// where it can.
	Closed string
	// Boots has the packages of Ubuntu that the image is booted with, "" where it is
	// not.
	Boots string
	// Known says that the recipe can be planned without a look at its base.
	Known bool
	// Variables are the configuration variables that the recipe expands.
	Variables []string
	// Logins are the registries that ask who one is.
	Logins []login
	// Secrets are the environment variables that the publishing step gets, each
	// from the secret of that name.
	Secrets []secret
}

// machine is what a platform is built on.
type machine struct{ Platform, Arch, Runner string }

// runners are GitHub's machines, and ownLabels what it calls a user's own, by
// architecture.
var (
	runners   = map[string]string{"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
	ownLabels = map[string]string{"amd64": "X64", "arm64": "ARM64"}
)

// login is a registry and the secrets that hold the login for it.
type login struct {
	Host, User, Password string
	// Package says that it is GitHub's own registry, with the workflow's token.
	Package bool
	// Target says that the image goes there.
	Target bool
}

// secret is a secret of the environment that the publishing job runs in. Those
// that sign are needed by who makes an index, too.
type secret struct {
	Name, What string
	Signs      bool
}

// Targets are the logins of the registries that the image goes to.
func (p *page) Targets() []login {
	return slices.DeleteFunc(slices.Clone(p.Logins), func(l login) bool { return !l.Target })
}

// Signing are the secrets that sign.
func (p *page) Signing() []secret {
	return slices.DeleteFunc(slices.Clone(p.Secrets), func(s secret) bool { return !s.Signs })
}

// Packages reports whether the image goes to GitHub's registry.
func (p *page) Packages() bool {
	return slices.ContainsFunc(p.Logins, func(l login) bool { return l.Package })
}

// Setup are all secrets that a person has to enter.
func (p *page) Setup() []secret {
	all := slices.DeleteFunc(slices.Clone(p.Secrets), func(s secret) bool { return setByGitHub(s.Name) })
	for _, l := range p.Logins {
		if !l.Package {
			all = append(all, secret{Name: l.User, What: "a user name for " + l.Host}, secret{Name: l.Password, What: "a password or token for it"})
		}
	}
	return all
}

// Width is that of the longest name in Setup.
func (p *page) Width() int {
	width := 0
	for _, s := range p.Setup() {
		width = max(width, len(s.Name))
	}
	return width
}

// Minute is when in the hour the image is built: another one for each image,
// so that not all repositories of an owner start together, and always odd,
// because full and half hours are when schedules come late.
func (p *page) Minute() int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.Name))
	return 5 + 2*int(h.Sum32()%12)
}

// runner chooses the machines: a build is for the architecture that it runs on.
func (p *page) runner(r *recipe.Recipe, problems *diag.List) {
	p.Runner = runners["amd64"]
	for i, platform := range r.Platforms {
		_, arch, _ := strings.Cut(platform.Value, "/")
		runner, ok := runners[arch]
		if !ok {
			problems.Add(diag.Diagnostic{
				Pos: platform.Pos, Path: fmt.Sprintf("platforms[%d]", i), Code: "no-runner-has-it",
				Message: fmt.Sprintf("GitHub has no runner of the platform %q", platform.Value),
				Hint:    "publish it without tags on a machine of that architecture, and make the index there: 'bootkiln index --recipe'",
			})
			continue
		}
		if i == 0 {
			p.Runner = runner
		}
		if len(r.Platforms) > 1 {
			p.Matrix = append(p.Matrix, machine{platform.Value, arch, runner})
		}
	}
	p.Checker = p.Runner
	if r.Boot.Mode.Value != "off" {
		p.boots(r)
	}
}

// emulators are the packages of Ubuntu with QEMU and the firmware that it takes,
// by architecture.
var emulators = map[string]string{"amd64": "qemu-system-x86 ovmf", "arm64": "qemu-system-arm qemu-efi-aarch64"}

// boots says what to install where the image is booted: no runner has it.
func (p *page) boots(r *recipe.Recipe) {
	packages := []string{"ostree"}
	for _, platform := range r.Platforms {
		_, arch, _ := strings.Cut(platform.Value, "/")
		packages = append(packages, emulators[arch])
	}
	if len(r.Platforms) == 0 {
		packages = append(packages, emulators["amd64"])
	}
	p.Boots = strings.Join(packages, " ")
}

const (
	// redHat is the registry of RHEL, which lets nobody read who is not logged
	// in.
	redHat = "registry.redhat.io"
	// entitlement is the ID of the secret that steps which install on RHEL get.
	// Without it, the machine has to have a subscription of its own.
	entitlement = "rhsm"
)

// own has the image built on a machine of the user's.
func (p *page) own(has string) {
	if p.Own != "" {
		has = p.Own + ", and " + has
	}
	p.Own, p.Runner = has, "[self-hosted, linux]"
}

// base looks at where the base comes from.
func (p *page) base(r *recipe.Recipe, problems *diag.List) {
	image := strings.TrimPrefix(r.Base.Image.Value, "docker://")
	host, ok := hostOf(image)
	if !ok {
		problems.Add(diag.Diagnostic{
			Pos: r.Base.Image.Pos, Path: "base.image", Code: "no-runner-has-it",
			Message: "a runner starts with nothing but the repository, and has no base there",
			Hint:    "push it to a registry and name it there: bootkiln push --sign-by " + KeyPrefix + ".key " + image + " ghcr.io/OWNER/NAME:TAG",
		})
		return
	}
	if host == redHat {
		p.login(host, false)
		p.Closed = host + " asks for a login"
		if !slices.ContainsFunc(r.Secrets, func(s recipe.Secret) bool { return s.ID.Value == entitlement }) {
			p.own("has a subscription to RHEL")
		}
	}
}

// targets looks at where the image goes. What is no registry needs no login.
func (p *page) targets(r *recipe.Recipe) {
	for _, t := range r.Publish {
		if host, ok := hostOf(t.To.Value); ok {
			p.login(host, true)
		}
	}
}

func (p *page) login(host string, target bool) {
	if i := slices.IndexFunc(p.Logins, func(l login) bool { return l.Host == host }); i >= 0 {
		p.Logins[i].Target = p.Logins[i].Target || target
		return
	}
	l := login{Host: host, Package: host == "ghcr.io", Target: target}
	if !l.Package {
		name := strings.Map(func(c rune) rune {
			if c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
				return c
			}
			return '_'
		}, strings.ToUpper(host))
		if name[0] >= '0' && name[0] <= '9' {
			name = "REGISTRY_" + name // the name of a secret begins with no digit
		}
		l.User, l.Password = name+"_USERNAME", name+"_PASSWORD"
	}
	p.Logins = append(p.Logins, l)
}

// hostOf returns the registry of a reference; ok is false where it is in none.
func hostOf(ref string) (host string, ok bool) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", false
	}
	return reference.Domain(named), true
}

// key looks at what the image is signed with.
func (p *page) key(r *recipe.Recipe, problems *diag.List) {
	key := r.Sign.Key
	p.Keyless = r.Sign.Keyless.Value == "true"
	scheme, rest, isURI := strings.Cut(key.Value, "://")
	switch {
	case !key.IsSet():
	case scheme == "env" && isURI:
		p.secret(secret{rest, "the text of " + KeyPrefix + ".key", true})
		p.secret(secret{"COSIGN_PASSWORD", "its password", true})
	case isURI:
		problems.Add(diag.Diagnostic{
			Pos: key.Pos, Path: "sign.key", Severity: diag.Warning, Code: "key-service",
			Message: fmt.Sprintf("the workflow does not log in to the key service of %q", scheme),
			Hint:    `add the step that does before the step "Publish"`,
		})
	default:
		problems.Add(diag.Diagnostic{
			Pos: key.Pos, Path: "sign.key", Code: "no-runner-has-it",
			Message: fmt.Sprintf("a private key belongs in no repository, so a runner has no %q", key.Value),
			Hint:    "take it from a secret of the workflow: sign: {key: \"env://COSIGN_PRIVATE_KEY\"}",
		})
	}
}

// secrets looks at the secrets that steps of the build take.
func (p *page) secrets(r *recipe.Recipe, problems *diag.List) {
	for _, s := range r.Secrets {
		switch {
		case s.Env.IsSet() && s.ID.Value == entitlement:
			p.secret(secret{Name: s.Env.Value, What: "what \"cat /etc/pki/entitlement/*.pem\" prints on a registered machine"})
			p.Closed = "packages of RHEL take a subscription"
		case s.Env.IsSet():
			p.secret(secret{Name: s.Env.Value, What: fmt.Sprintf("the recipe's secret %q", s.ID.Value)})
			p.Closed = "steps of the recipe take secrets"
		case path.IsAbs(s.File.Value):
			p.own("has " + s.File.Value)
			p.Closed = s.File.Value + " is on a machine that no pull request may run on"
		default:
			problems.Add(diag.Diagnostic{
				Pos: s.File.Pos, Path: "secrets", Code: "no-runner-has-it",
				Message: fmt.Sprintf("a secret belongs in no repository, so a runner has no %q", s.File.Value),
				Hint:    fmt.Sprintf("take it from a secret of the workflow: {id: %s, env: NAME}", s.ID.Value),
			})
		}
	}
}

func (p *page) secret(added secret) {
	if !slices.ContainsFunc(p.Secrets, func(s secret) bool { return s.Name == added.Name }) {
		p.Secrets = append(p.Secrets, added)
	}
}
