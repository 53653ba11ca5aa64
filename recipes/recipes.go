// Package recipes holds the bundles that a recipe can include by name.
package recipes

import "embed"

// Bundles are the shipped bundles: "auto-update" is the file
// "auto-update.yaml".
//
//go:embed *.yaml
var Bundles embed.FS
