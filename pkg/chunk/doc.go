// Package chunk plans which file of an image is in which layer, so that an
// update costs what changed.
package chunk
