package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/bootkiln/bootkiln/pkg/diag"
	"github.com/bootkiln/bootkiln/pkg/pipeline"
	"github.com/bootkiln/bootkiln/pkg/provenance"
)

// tool is this program with its version, as SPDX has it.
func tool() string { return "bootkiln-" + readVersion().Version }

// origin is who makes the project's image, and from what.
func (e *env) origin(ctx context.Context, p *project) pipeline.Origin {
	o := e.originHere()
	o.Recipe, o.Source, o.File = recipeDigest(p.sources), e.source(ctx, p.dir), filepath.Base(p.recipe.File)
	if o.Source != nil {
		o.File = git(ctx, p.dir, "rev-parse", "--show-prefix") + o.File
	}
	return o
}

// originHere is who makes what is made of no project.
func (e *env) originHere() pipeline.Origin {
	v := readVersion()
	o := pipeline.Origin{
		Tool: tool(),
		Builder: provenance.Builder{
			ID:      "https://github.com/bootkiln/bootkiln@" + strings.Trim(v.Version, "()"),
			Version: map[string]string{"bootkiln": v.describe()},
		},
	}
	maps.Copy(o.Builder.Version, v.Modules)
	if server, workflow := e.getenv("GITHUB_SERVER_URL"), e.getenv("GITHUB_WORKFLOW_REF"); e.onActions() && server != "" && workflow != "" {
		o.Builder.ID = server + "/" + workflow
		o.Invocation = fmt.Sprintf("%s/%s/actions/runs/%s/attempts/%s", server, e.getenv("GITHUB_REPOSITORY"),
			e.getenv("GITHUB_RUN_ID"), e.getenv("GITHUB_RUN_ATTEMPT"))
	}
	return o
}

// recipeDigest is that of the recipe with all that it includes, file by file in
// the order of their names.
func recipeDigest(sources diag.Sources) digest.Digest {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		fmt.Fprintf(h, "%d %s %d %s", len(name), name, len(sources[name]), sources[name])
	}
	return digest.NewDigest(digest.SHA256, h)
}

// source is the commit that the project is at, nil where there is none that others
// could fetch: without a remote, or with changes that are not committed.
func (e *env) source(ctx context.Context, dir string) *provenance.Source {
	commit := git(ctx, dir, "rev-parse", "HEAD")
	if commit == "" || git(ctx, dir, "status", "--porcelain", "--untracked-files=no") != "" {
		return nil
	}
	uri := remoteURI(git(ctx, dir, "config", "--get", "remote.origin.url"))
	if uri == "" {
		return nil
	}
	return &provenance.Source{URI: uri, Commit: commit}
}

// remoteURI is a git remote as SPDX and SLSA write it, without the password that
// may be in it; "" for one on this machine.
func remoteURI(remote string) string {
	if !strings.Contains(remote, "://") {
		// The form of scp: user@host:path.
		host, path, ok := strings.Cut(remote, ":")
		if !ok || strings.Contains(host, "/") {
			return ""
		}
		if _, name, found := strings.Cut(host, "@"); found {
			host = name
		}
		return "git+ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(remote)
	if err != nil || u.Scheme == "file" {
		return ""
	}
	u.User = nil
	return "git+" + u.String()
}
