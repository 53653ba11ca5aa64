package main

import (
	"context"
	"os/exec"
	"strings"
)

// gitFacts returns the abbreviated commit and the branch of the project, ""
// where there is none. GitHub checks out a detached commit, so its branch
// comes from the environment.
func gitFacts(ctx context.Context, dir string, getenv func(string) string) (commit, branch string) {
	commit = git(ctx, dir, "rev-parse", "--short=12", "HEAD")
	branch = git(ctx, dir, "symbolic-ref", "--short", "--quiet", "HEAD")
	if branch == "" && getenv("GITHUB_ACTIONS") == "true" {
		branch = getenv("GITHUB_REF_NAME")
	}
	return commit, branch
}

// git returns what git says of a folder, "" where it fails.
func git(ctx context.Context, dir string, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
