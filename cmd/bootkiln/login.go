package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bootkiln/bootkiln/pkg/registry"
)

type loginOptions struct {
	env           *env
	host          string
	username      string
	passwordStdin bool
	registry      registryFlags
}

func newLoginCmd(e *env) *cobra.Command {
	o := &loginOptions{env: e}
	cmd := &cobra.Command{
		Use:   "login REGISTRY",
		Short: "Store the password for a registry, once it is proved",
		Long: `Tries a user name and password with the registry and stores them where podman
and skopeo find them too (containers-auth.json(5)).`,
		Example: `  bootkiln login ghcr.io --username me
  echo "$TOKEN" | bootkiln login ghcr.io --username me --password-stdin`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.host = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&o.username, "username", "u", "", "user `name` (default: asked for)")
	cmd.Flags().BoolVar(&o.passwordStdin, "password-stdin", false, "read the password or token from standard input")
	o.registry.registerAccess(cmd)
	return cmd
}

func (o *loginOptions) run(ctx context.Context) error {
	options, err := o.registry.options(o.env)
	if err != nil {
		return err
	}
	c := registry.Credentials{Username: o.username}
	if c.Username == "" && (o.passwordStdin || o.env.readPassword == nil) {
		return &usageError{errors.New("there is no terminal to ask for the user name on: give --username")}
	}
	if c.Username == "" {
		if c.Username, err = o.env.ask(ctx, "User name: "); err != nil {
			return err
		}
	}
	switch {
	case o.passwordStdin:
		b, err := io.ReadAll(io.LimitReader(o.env.stdin, 1<<20))
		if err != nil {
			return fmt.Errorf("reading the password from standard input: %w", err)
		}
		c.Password = strings.TrimRight(string(b), "\r\n")
	case o.env.readPassword != nil:
		b, err := o.env.readPassword("Password or token: ")
		if err != nil {
			return fmt.Errorf("reading the password: %w", err)
		}
		c.Password = string(b)
	default:
		return &usageError{errors.New("there is no terminal to ask for the password on: give --password-stdin")}
	}
	where, err := registry.Login(ctx, o.host, c, options)
	if err != nil {
		return usageOfHost(err)
	}
	return o.env.printf("logged in to %s as %s; stored in %s\n", o.host, c.Username, where)
}

// ask asks for a line on the terminal.
func (e *env) ask(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(e.stderr, prompt)
	line, err := interruptible(ctx, func() (string, error) { return bufio.NewReader(e.stdin).ReadString('\n') })
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// usageOfHost makes a name that no registry can have a usage error.
func usageOfHost(err error) error {
	if e, ok := asError[*registry.Error](err); ok && e.Class == registry.InvalidName {
		return hinted(&usageError{err}, e.Hint)
	}
	return err
}

func newLogoutCmd(e *env) *cobra.Command {
	var flags registryFlags
	cmd := &cobra.Command{
		Use:               "logout REGISTRY",
		Short:             "Forget the stored password for a registry",
		Example:           `  bootkiln logout ghcr.io`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(_ *cobra.Command, args []string) error {
			options := registry.Options{AuthFile: flags.authFile, Lookup: e.lookup, Logger: e.log}
			err := registry.Logout(args[0], options)
			if errors.Is(err, registry.ErrNotLoggedIn) {
				return hinted(err, "nothing is stored for it; --authfile names another file to look in")
			}
			if err != nil {
				return usageOfHost(err)
			}
			return e.printf("logged out of %s\n", args[0])
		},
	}
	cmd.Flags().StringVar(&flags.authFile, "authfile", "", "`file` with the registries' passwords (default: as containers-auth.json(5) says)")
	return cmd
}
