// Package plan → turns a [recipe.Recipe] into a [Plan]: the ordered steps of
// the build, with the base pinned to a digest and every word of the recipe
// resolved to what it means on the base's distribution.
//
// A plan says what is done, in the terms of the builder (copy these files, run
// these commands with these mounts); how that is written down is package
// containerfile's. It is pure but for the injected [Options]: the same recipe,
// the same resolved base and the same project give the same plan, byte for
// byte in JSON. Every step, and every word in a step that the recipe wrote,
// knows the place in the recipe that it comes from.
//
// Some words name what only the image or its repositories can know: packages,
// groups, units, locales, sessions. All packages and groups are asked for before
// the first step ([Query]); a script that looks the others up says which it did
// not find through scripts/problem.sh, whose lines package resolve makes
// problems of, at the places of the words. Every argument of a script that is a
// word of the recipe is therefore in [Command].Words, as it is.
//
// What runs in the image runs with /bin/bash, as the user that the base's
// configuration names. In images of operating systems that is root; nothing
// changes it where it is not, and then the first step that needs root fails. A
// script of the user's that starts with "#!" is executed as it is, and anything
// else (the word run[].shell, and scripts without a "#!" line) runs in
// "/bin/bash -euo pipefail".
package plan

import (
	"io/fs"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// OptionalReport is the file in the image that lists, one a line and in the
// order of the plan, those of [Plan].Optional that could not be installed. It does not exist where all of them could. A recipe that has none
// leaves the list of its base.
const OptionalReport = "/usr/share/bootkiln/optional-unavailable"

// BaseStage is the name of the build stage that is the untouched base.
// [Mount].From refers to it.
const BaseStage = "base"

// Plan is what will be done to build one image.
type Plan struct {
	// Name and Description are the recipe's.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Origin is the place of the recipe's name.
	Origin diag.Pos `json:"origin"`
	Base   Base     `json:"base"`
	Steps  []Step   `json:"steps"`
	// Query asks for the names that the steps install; nil where they install
	// none.
	Query *Query `json:"-"`
	// Context holds what the instructions take from the build context, by
	// path in it. Paths contain a digest of the content, so that a builder
	// that caches by path never takes old content for new.
	Context map[string]Source `json:"context,omitempty"`
	// Recipe is the recipe as it is on the base's distribution: what it says
	// under "when" is resolved.
	Recipe *recipe.Recipe `json:"-"`
	// Optional are the packages that steps install where they can. Those that
	// could not be are in [OptionalReport].
	Optional []Word `json:"-"`
	// Secrets are those that some step mounts, in the recipe's order.
	Secrets []Secret `json:"secrets,omitempty"`
}

// Base is the image that the build starts from.
type Base struct {
	// Image is the reference as the recipe has it.
	Image string `json:"image"`
	// Pinned is the reference that the build uses: Image by digest or ID where
	// the resolver knew one and the transport can say it, else Image itself.
	Pinned string `json:"pinned"`
	// Digest is that of the manifest, "" where it was not resolved.
	Digest string `json:"digest,omitempty"`
	// Architecture is in OCI terms (amd64); "" where it was not resolved.
	Architecture string `json:"architecture,omitempty"`
	Distro       Distro `json:"distro"`
	// PackageManager is the name of the base's, as in [PackageManager.Name].
	PackageManager string `json:"packageManager"`
}

// Kind says which word of the recipe a step stands for.
type Kind string

// The kinds of steps, in the order in which they stand in a plan. A display
// manager is set up after the files, which may have its session.
const (
	KindBase       Kind = "base"
	KindResolve    Kind = "resolve" // in a [Query] only
	KindRepos      Kind = "repos"
	KindInstall    Kind = "install"
	KindOptional   Kind = "optional"
	KindLocale     Kind = "locale"
	KindDesktop    Kind = "desktop"
	KindFlatpak    Kind = "flatpak"
	KindRemove     Kind = "remove"
	KindLock       Kind = "lock"
	KindHostname   Kind = "hostname"
	KindFiles      Kind = "files"
	KindUsers      Kind = "users"
	KindSystemd    Kind = "systemd"
	KindKernelArgs Kind = "kernel-args"
	KindDracut     Kind = "dracut"
	KindTrust      Kind = "trust"
	KindRun        Kind = "run"
	KindInitramfs  Kind = "initramfs"
	KindCleanup    Kind = "cleanup"
	KindLabels     Kind = "labels"
)

// Step is one section of the build.
type Step struct {
	Kind  Kind   `json:"kind"`
	Title string `json:"title"`
	// Origin are the places in the recipe that the step comes from; there is
	// always one at least.
	Origin       []diag.Pos    `json:"origin"`
	Instructions []Instruction `json:"instructions"`
}

// Instruction is one change to the image: exactly one field is set.
type Instruction struct {
	From  *From  `json:"from,omitempty"`
	Run   *Run   `json:"run,omitempty"`
	Copy  *Copy  `json:"copy,omitempty"`
	Label *Label `json:"label,omitempty"`
}

// From starts a build stage.
type From struct {
	// Image is an image reference, or the name of an earlier stage.
	Image string `json:"image"`
	// Stage names the stage; "" for the last one, the image itself.
	Stage string `json:"stage,omitempty"`
}

// Run runs commands in the image, one after the other while they succeed.
type Run struct {
	// Offline asks for no network but the loopback device.
	Offline  bool      `json:"offline,omitempty"`
	Mounts   []Mount   `json:"mounts,omitempty"`
	Commands []Command `json:"commands"`
}

// MountType is the type of a [Mount], in the words of a Containerfile.
type MountType string

// The mount types that plans use.
const (
	// MountBind shows a file or folder of the build context, or of another
	// stage, read only.
	MountBind MountType = "bind"
	// MountCache is a folder that outlives the build and is no part of the
	// image. One build at a time has it.
	MountCache MountType = "cache"
	// MountTmpfs is an empty folder that vanishes with the instruction.
	MountTmpfs MountType = "tmpfs"
	// MountSecret is a file that the one who builds hands in.
	MountSecret MountType = "secret"
)

// Mount is what a [Run] sees beside the image.
type Mount struct {
	Type   MountType `json:"type"`
	Target string    `json:"target"`
	// Source is a path of the build context, or below the root of From. Only
	// for MountBind.
	Source string `json:"source,omitempty"`
	// From is the name of a stage; "" is the build context.
	From string `json:"from,omitempty"`
	// ID names the cache or the secret.
	ID string `json:"id,omitempty"`
}

// Command is one command of a [Run].
type Command struct {
	// Args is the command, in bootkiln's own words. Arguments of the form
	// NAME=value before the first other one are its environment.
	Args []string `json:"args"`
	// Words are its further arguments, in the recipe's words.
	Words []Word `json:"words,omitempty"`
}

// Word is a value of the recipe with its place.
type Word struct {
	Value  string   `json:"value"`
	Origin diag.Pos `json:"origin"`
}

// Copy copies from the build context into the image.
type Copy struct {
	// Sources are paths of the build context. A path that ends in a slash is a
	// folder, whose content is copied.
	Sources []string `json:"sources"`
	// Destination is a folder in the image; it is absolute and ends in a slash.
	Destination string `json:"destination"`
	// Mode is octal; "" keeps the modes that the context has.
	Mode string `json:"mode,omitempty"`
	// Owner is "user:group"; "" is root:root.
	Owner  string   `json:"owner,omitempty"`
	Origin diag.Pos `json:"origin"`
}

// Label sets labels of the image.
type Label struct {
	// Pairs are sorted by key.
	Pairs []LabelPair `json:"pairs"`
}

// LabelPair is one label.
type LabelPair struct {
	Key    string   `json:"key"`
	Value  string   `json:"value"`
	Origin diag.Pos `json:"origin"`
}

// Secret is what the one who builds hands to the build. The plan never holds
// its value.
type Secret struct {
	ID string `json:"id"`
	// Env is the environment variable that holds the value, or "".
	Env string `json:"env,omitempty"`
	// File is the file that holds the value, or "": absolute, or relative to
	// the project.
	File   string   `json:"file,omitempty"`
	Origin diag.Pos `json:"origin"`
}

// Source is a file or folder of the build context: either Content is set (it
// may be empty, not nil), or Path.
type Source struct {
	Content []byte `json:"-"`
	// Path is a file or folder of the project.
	Path string `json:"path,omitempty"`
	// Mode holds the permission bits of the file, or of every regular file in
	// the folder; 0 keeps the project's own, without write permission for
	// group and others.
	Mode fs.FileMode `json:"mode,omitempty"`
	// Digest is that of what [Source.Walk] visits, "sha256:" and hex digits.
	Digest string `json:"digest"`
}
