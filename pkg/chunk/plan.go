package chunk

import (
	"cmp"
	"io"
	"io/fs"
	"time"

	"github.com/bootkiln/bootkiln/pkg/packagedb"
)

// File is one name of the tree, as the planner needs it.
type File struct {
	// Name is as [fs.FS] has it ("usr/bin/env").
	Name string
	// Mode is the type, the permissions and the special bits.
	Mode fs.FileMode
	// Size is the bytes of content of a regular file.
	Size int64
	// Inode is the same, and not zero, for names that are hard links of one
	// file; they stay in one layer.
	Inode uint64
	// Target is where a symbolic link leads. Packages own files through links
	// to folders ("lib/x" that is "usr/lib/x").
	Target string
	// Time is the modification time.
	Time time.Time
}

// Input is what [Assign] plans for.
type Input struct {
	// Files are in any order, each name once. Folders belong to no layer and
	// are not among them.
	Files []File
	// Packages are those of the tree, with their files.
	Packages []packagedb.Owner
	// Sum returns a digest over content, type, permissions, owner and extended
	// attributes (not the name and not the modification time) of a regular
	// file, as the writer puts it into [Entry.Sum]. It is asked only for the
	// large files of those large groups that have changed. Nil splits no
	// group along what changed.
	Sum func(name string) ([]byte, error)
	// GroupSum returns what the writer would put into [Group.Sum] of a group that
	// is being planned. It is asked only for groups that seem to be as they were,
	// where that decides about more than them: those that no package accounts
	// for, and those in layers with a change. Nil takes them for unchanged.
	GroupSum func(*Group) ([]byte, error)
	// Open reads a file; it is asked for dpkg's changelogs only. Nil makes do
	// without.
	Open func(name string) (io.ReadCloser, error)
	// Epoch is the modification time of what no package brought, where no
	// previous plan says one. Zero takes that of the newest package.
	Epoch time.Time
}

// Options bound a plan. Zero fields have the defaults.
type Options struct {
	// Layers is how many the plan may have: [DefaultLayers].
	Layers int
	// Largest is how many compressed bytes a layer may have: [DefaultLargest].
	Largest int64
	// Every is the time from one update of a client to the next, in the mean of
	// the clients: 30 days.
	Every time.Duration
	// Horizon is how many updates a rebalance has to pay for itself in: 7.
	Horizon int
	// Stale reports whether the blob of a layer of the previous plan, by its
	// diff ID, can be read: such a layer may be kept as it is when little of it
	// has changed, see [Layer.Dead]. Nil keeps none of these. [Rewrite] asks
	// Previous.
	Stale func(diffID string) bool
}

const (
	// DefaultLayers is what docker can stack.
	DefaultLayers = 128
	// DefaultLargest is what a slow line uploads within the ten minutes that
	// registries give a request.
	DefaultLargest = 512 << 20
	// LeastLargest is the least that [Options.Largest] may be: the finer files
	// are cut, the longer it takes to place them.
	LeastLargest = 1 << 20

	defaultEvery   = 30 * day
	defaultHorizon = 7
)

func (o Options) complete() Options {
	return Options{
		Layers: cmp.Or(o.Layers, DefaultLayers), Largest: cmp.Or(o.Largest, DefaultLargest),
		Every: cmp.Or(o.Every, defaultEvery), Horizon: cmp.Or(o.Horizon, defaultHorizon),
		Stale: o.Stale,
	}
}

// Plan says which file is in which layer. The encoded form has all of it but
// the names of files.
type Plan struct {
	// Epoch is the modification time of what no package brought, in seconds.
	// It stays the same from plan to plan.
	Epoch int64
	// Layers are in the order of the image: the stale ones first, the oldest
	// before the others, and then those that change least first.
	Layers []Layer
	// Notes say what somebody should know of how the plan came about: why it
	// was rebalanced, or what does not fit. Not encoded.
	Notes []string
}

// Layer is a set of groups that travel together.
type Layer struct {
	Groups []Group
	// Chance is the probability that an update changes the layer. Not encoded.
	Chance float64
	// Estimate is the compressed size that the planner expects, in bytes.
	Estimate int64
	// DiffID ("sha256:…", of the tar) and Size (compressed bytes) are the
	// writer's to fill in, but for a stale layer.
	DiffID string
	Size   int64
	// Dead is how many compressed bytes of the layer, as the planner knows it,
	// are files that changed or are gone since it was made. A layer with some
	// is stale: it is that of the previous image, which DiffID names, Groups are
	// what is still right in it, and layers above it have or remove the rest.
	Dead int64
}

// Group is what is kept together: mostly the files of one source package.
type Group struct {
	// Name is that of a source package; of a folder or file, with a leading
	// "/", for what no package owns; or one of those that begin with ":"
	// (":kernel", ":initramfs", ":packages"). "NAME#2" is the second part of a
	// group that is too large for a layer, "NAME~" the part of it that updates
	// tend to leave as it is.
	Name string
	// Files are sorted by name. Not encoded, but for digests of the large ones.
	Files []Entry
	// Estimate is the compressed size as the planner knows it, in bytes.
	Estimate int64
	// Sum is a digest over all entries of the group as they are written, of
	// at least 8 bytes; the writer fills it in.
	Sum []byte

	// version is a digest over what is known of the files without reading
	// them; another one says that the group has changed.
	version uint32
	// packages is a digest over the versions of the packages that the group
	// depends on, 0 where it depends on none.
	packages uint32
	// listed says that packages list all of its files, so that nobody's own is
	// among them.
	listed bool
	// names and contents are of the files to Track: contents (with names) of
	// all of them, names only of a part that stays as it is. A plan that was
	// decoded has them in place of Files; see seal.
	names, contents filter
}

// Entry is a file in a group.
type Entry struct {
	Name string
	// Time is the modification time to write, in seconds.
	Time int64
	// Track asks the writer for Sum: what [Input.Sum] would say, at least 8
	// bytes. The next plan then knows whether the file has changed.
	Track bool
	Sum   []byte
}
