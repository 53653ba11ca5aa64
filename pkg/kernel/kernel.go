// Package kernel reads what starts a Linux system: kernel images, unified
// kernel images (UKIs), initramfs archives and module trees.
//
// It holds parsers and no policy: it says what a file is and where it is
// broken, and leaves the verdict to its caller. Every parser takes hostile
// input: memory and work are bounded whatever the file claims, and a file that
// cannot be read ends in a typed error with the offset and the reason.
package kernel
