package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bootkiln/bootkiln/pkg/build"
	"github.com/bootkiln/bootkiln/pkg/registry"
)

// registryFlags are those of every command that talks to a registry.
type registryFlags struct {
	authFile, certDir string
	creds             string
	credsStdin        bool
	tlsVerify         bool
	tmpDir            string
}

func (f *registryFlags) register(cmd *cobra.Command) {
	f.registerAccess(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.creds, "creds", "", "`USER:PASSWORD` for the registry; better --creds-stdin, which no list of processes shows")
	fl.BoolVar(&f.credsStdin, "creds-stdin", false, "read USER:PASSWORD from standard input")
	fl.StringVar(&f.tmpDir, "tmpdir", "", "`folder` for layers that wait for their upload (default: /var/tmp)")
	cmd.MarkFlagsMutuallyExclusive("creds", "creds-stdin")
}

// registerAccess registers those of commands that get their credentials in
// another way.
func (f *registryFlags) registerAccess(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.authFile, "authfile", "", "`file` with the registries' passwords (default: as containers-auth.json(5) says)")
	fl.StringVar(&f.certDir, "cert-dir", "", "`folder` with the certificates of registries (default: as containers-certs.d(5) says)")
	fl.BoolVar(&f.tlsVerify, "tls-verify", true, "refuse registries without TLS, or with an unknown certificate")
}

// options turns the flags into what package registry takes. It reads standard
// input where that was asked for, so it is called once. refs are what the command
// reaches with it: a password that is given to a command is for one registry.
func (f *registryFlags) options(e *env, refs ...string) (registry.Options, error) {
	o := registry.Options{
		AuthFile: f.authFile, CertDir: f.certDir, Insecure: !f.tlsVerify,
		TempDir: f.tmpDir, Lookup: e.lookup, Logger: e.log,
	}
	if err := f.usableTmpDir(); err != nil {
		return o, err
	}
	creds := f.creds
	if f.credsStdin {
		line, err := bufio.NewReader(e.stdin).ReadString('\n')
		if err != nil && line == "" {
			return o, fmt.Errorf("reading USER:PASSWORD from standard input: %w", err)
		}
		creds = strings.TrimRight(line, "\r\n")
	}
	if creds == "" {
		return o, nil
	}
	user, password, ok := strings.Cut(creds, ":")
	if !ok || user == "" {
		return o, &usageError{errors.New("credentials have the form USER:PASSWORD")}
	}
	if hosts := registriesOf(refs); len(hosts) > 1 {
		return o, hinted(&usageError{fmt.Errorf("the credentials on the command line are for one registry, and this is about %s", strings.Join(hosts, " and "))},
			"log in to each: 'bootkiln login'")
	}
	o.Credentials = &registry.Credentials{Username: user, Password: password}
	return o, nil
}

// usableTmpDir reports a --tmpdir that nothing can be written to, which would
// otherwise show when the image is built and half of it is published.
func (f *registryFlags) usableTmpDir() error {
	if f.tmpDir == "" {
		return nil
	}
	info, err := os.Stat(f.tmpDir)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err == nil {
		err = unix.Access(f.tmpDir, unix.W_OK|unix.X_OK)
	}
	if err == nil {
		return nil
	}
	return hinted(&usageError{fmt.Errorf("--tmpdir %q cannot be used: %w", f.tmpDir, err)}, "name a folder that exists and can be written to")
}

// registriesOf returns the registries that references lead to, each once.
func registriesOf(refs []string) (hosts []string) {
	for _, ref := range refs {
		if host := registryOf(ref); host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// access is how the builder reaches the registries of base images. The
// credentials on the command line are for the registry that is pushed to.
func (f *registryFlags) access(e *env) build.RegistryAccess { return f.bare(e).SystemContext }

// bare is options without the credentials on the command line.
func (f *registryFlags) bare(e *env) registry.Options {
	return registry.Options{
		AuthFile: f.authFile, CertDir: f.certDir, Insecure: !f.tlsVerify, Lookup: e.lookup, Logger: e.log,
	}
}

// storeFlags say which image store is used.
type storeFlags struct {
	root, runRoot, driver string
}

func (f *storeFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.root, "root", "", "`folder` of the image store (default: as storage.conf says)")
	fl.StringVar(&f.runRoot, "runroot", "", "`folder` for the store's state")
	fl.StringVar(&f.driver, "storage-driver", "", "the `driver`, overlay or vfs (default: as storage.conf says)")
	cmd.MarkFlagsRequiredTogether("root", "runroot")
}

// prefix chooses the store in a reference, "" for the machine's own.
func (f *storeFlags) prefix() string {
	if f.root == "" {
		return ""
	}
	driver := f.driver
	if driver != "" {
		driver += "@"
	}
	return "[" + driver + f.root + "+" + f.runRoot + "]"
}

func (f *storeFlags) options(e *env, access build.RegistryAccess) build.StoreOptions {
	return build.StoreOptions{
		GraphRoot: f.root, RunRoot: f.runRoot, Driver: f.driver, Access: access, Logger: e.log,
	}
}
