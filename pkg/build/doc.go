// Package build → turns a [containerfile.File] into an [image.Image] in
// containers/storage, with buildah as a library.
//
// # Processes
//
// The steps of a build do not run in the caller's process. [Builder.Build]
// starts this program again (see [InitReexec]) as a worker: the first process
// of a PID namespace and a mount namespace of its own, and the only one that
// calls buildah. When a build has to stop, for whatever reason, the worker is
// killed; the kernel then kills everything that a step started, in every
// isolation, and drops every mount. The worker ends itself as soon as its
// caller is gone. So there is one way down, whether a build is cancelled,
// crashes or is killed, and what is left behind is files only.
//
// # What a build leaves behind
//
// Everything that is not in the store proper is in one folder of the run,
// <graph root>/bootkiln/run-<id>: the build context, temporary files, the
// runtime's state. Working containers bear the run's ID in their names. While
// a run is alive its folder is locked (flock); [Open] and [Builder.Build] clean
// up after runs whose locks are free, and touch nothing else.
//
// Package caches (RUN --mount=type=cache) are in <graph root>/bootkiln/cache
// and outlive the runs; so does what [Builder.Resolve] remembers, in
// <graph root>/bootkiln/answered.
package build
