package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/scaffold"
	"github.com/bootkiln/bootkiln/pkg/sign"
)

type initOptions struct {
	env      *env
	globals  *globals
	dir      string
	template string
	name     string
	registry string
	ci       string
	noKeys   bool
}

func newInitCmd(e *env, g *globals) *cobra.Command {
	o := &initOptions{env: e, globals: g}
	var offered, names []string
	for _, t := range scaffold.Templates() {
		names = append(names, cobra.CompletionWithDesc(t.Name, t.Summary))
		offered = append(offered, fmt.Sprintf("  %-15s %s", t.Name, t.Summary))
	}
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Begin a project: a recipe, a key pair, a workflow",
		Long: `Writes a recipe that works, the schema of recipes for editors, a README and a
.gitignore, and makes a key pair, whose private half git is told to ignore. Its
password is read from COSIGN_PASSWORD, or the file that COSIGN_PASSWORD_FILE names,
else asked for. Existing files are never replaced: where one is in the way, nothing is
written. Prints the files.

The templates:
` + strings.Join(offered, "\n"),
		Example: `  bootkiln init --template centos-kde my-desktop
  bootkiln init --template fedora-kde --ci github --registry ghcr.io/me`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) > 0 {
				o.dir = args[0]
			}
			return o.run()
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.template, "template", "", "the `template` to begin with")
	fl.StringVar(&o.name, "name", "", "the image's `name` (default: the folder's)")
	fl.StringVar(&o.registry, "registry", scaffold.DefaultRegistry, "where the image goes: a `registry` and its owner")
	fl.StringVar(&o.ci, "ci", "", "write a workflow for a `service` too: github")
	fl.BoolVar(&o.noKeys, "no-keys", false, "make no key pair")
	for flag, values := range map[string][]string{"template": names, "ci": {ciGitHub}} {
		cobra.CheckErr(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
	}
	return cmd
}

func (o *initOptions) run() error {
	project, err := o.project()
	if err != nil {
		return err
	}
	files, err := scaffold.Files(project)
	if option, ok := asError[*scaffold.OptionError](err); ok {
		return &usageError{fmt.Errorf("option --%w", option)}
	}
	if err != nil {
		return fmt.Errorf("making the project: %w", err)
	}
	if err := o.spare(files); err != nil {
		return err
	}
	var password []byte
	if !o.noKeys {
		if password, err = o.env.newPassword(); err != nil {
			return fmt.Errorf("making the key pair: %w", err)
		}
	}
	made, err := o.write(files, password)
	if err != nil {
		return err
	}
	for _, name := range made {
		if err := o.env.printf("%s\n", name); err != nil {
			return err
		}
	}
	o.showSteps(project)
	return nil
}

// project says what is asked for.
func (o *initOptions) project() (scaffold.Options, error) {
	p := scaffold.Options{Template: o.template, Name: o.name, Registry: o.registry, Keys: !o.noKeys}
	switch o.ci {
	case "":
	case ciGitHub:
		p.GitHub = &scaffold.Workflow{Version: installable()}
	default:
		return p, hinted(&usageError{fmt.Errorf("option --ci: there is no workflow for %q", o.ci)}, "it may be: "+ciGitHub)
	}
	if p.Name == "" {
		dir, err := filepath.Abs(o.dir)
		if err != nil {
			return p, fmt.Errorf("finding the project's folder: %w", err)
		}
		if p.Name = scaffold.NameFor(filepath.Base(dir)); p.Name == "" {
			return p, hinted(&usageError{fmt.Errorf("naming the image after the folder %q: no letter is left of it", dir)},
				"give the image a name with --name")
		}
	}
	return p, nil
}

// keyFiles are those of the pair.
var keyFiles = []string{scaffold.KeyPrefix + ".key", scaffold.KeyPrefix + ".pub"}

// spare reports every file that is in the way.
func (o *initOptions) spare(files []scaffold.File) error {
	root, err := os.OpenRoot(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the project's folder: %w", err)
	}
	defer root.Close()
	var names, inTheWay []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if !o.noKeys {
		names = append(names, keyFiles...)
	}
	for _, name := range names {
		// One file can be in the way of several.
		if file := obstacle(root, name); file != "" && !slices.Contains(inTheWay, filepath.Join(o.dir, file)) {
			inTheWay = append(inTheWay, filepath.Join(o.dir, file))
		}
	}
	if len(inTheWay) == 0 {
		return nil
	}
	return hinted(fmt.Errorf("making the project: nothing was written, because these are there already: %s", strings.Join(inTheWay, ", ")),
		"nothing is ever replaced: move them away, or name another folder")
}

// obstacle returns what is where a new file is to be, or where a folder above
// it is to be and is none; "" when nothing is.
func obstacle(root *os.Root, name string) string {
	for i, c := range name {
		if c != '/' {
			continue
		}
		info, err := root.Stat(name[:i])
		if errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		if err != nil || !info.IsDir() {
			return name[:i]
		}
	}
	if _, err := root.Lstat(name); err == nil {
		return name
	}
	return ""
}

// write makes the files and the key pair, all or none, and returns their paths.
func (o *initOptions) write(files []scaffold.File, password []byte) (made []string, err error) {
	var folders []string
	defer func() {
		if err == nil {
			return
		}
		for _, name := range made {
			_ = os.Remove(name)
		}
		for i := len(folders) - 1; i >= 0; i-- {
			_ = os.Remove(folders[i]) // what is not empty stays
		}
		made = nil
	}()
	for _, f := range files {
		name := filepath.Join(o.dir, filepath.FromSlash(f.Name))
		if err := makeFolders(filepath.Dir(name), &folders); err != nil {
			return made, fmt.Errorf("making the project: %w", err)
		}
		if err := create(name, f.Content); err != nil {
			return made, fmt.Errorf("making the project: %w", err)
		}
		made = append(made, name)
	}
	if o.noKeys {
		return made, nil
	}
	private, public, err := sign.GenerateKeys(o.dir, scaffold.KeyPrefix, password)
	if err != nil {
		return made, err
	}
	return append(made, private, public), nil
}

// makeFolders makes a folder and those above it, and notes the ones that were
// not there.
func makeFolders(dir string, made *[]string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeFolders(filepath.Dir(dir), made); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	*made = append(*made, dir)
	return nil
}

// create writes a file that must not be there. One that cannot be written whole
// does not stay.
func create(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}

// plainPath is a path that a shell takes as it is.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._/+-]+$`)

// showSteps says what to type next.
func (o *initOptions) showSteps(project scaffold.Options) {
	if o.globals.quiet {
		return
	}
	fmt.Fprintln(o.env.stderr, "next:")
	if dir := filepath.Clean(o.dir); dir != "." {
		if !plainPath.MatchString(dir) {
			dir = "'" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
		}
		fmt.Fprintf(o.env.stderr, "  cd %s\n", dir)
	}
	for _, s := range project.Steps() {
		fmt.Fprintf(o.env.stderr, "  %-38s # %s\n", s.Command, s.Does)
	}
	fmt.Fprintln(o.env.stderr, "README.md says what each of them needs first")
}
