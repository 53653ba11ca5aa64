package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/recipe"
)

// targetFlags say what becomes of an image that a command brings to a registry.
type targetFlags struct {
	tags    []string
	private bool
	signing signFlags
}

// register adds the flags. tag says what a tag may be, and target which argument
// names the repository.
func (f *targetFlags) register(cmd *cobra.Command, tag, target string) {
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.tags, "tag", "t", nil, tag)
	fl.BoolVar(&f.private, "private", false, "not everyone can pull from "+target)
	f.signing.register(cmd)
}

// tagWords is what --tag takes where the image is there to be asked.
const tagWords = "a further `tag`; {date}, {git}, {version} and others as in a recipe"

// tagTemplates reads tags of the command line as a recipe has them.
func tagTemplates(tags []string) (list []recipe.String, err error) {
	for _, t := range tags {
		if why, hint := recipe.TagFault(t); why != "" {
			return nil, hinted(&usageError{fmt.Errorf("%q is not a tag: %s", t, why)}, hint)
		}
		list = append(list, recipe.String{Value: t, Pos: argument})
	}
	return list, nil
}
