package host

import (
	"strings"
)

// unusedOnRunners are folders of GitHub's runner images that no image build
// uses, some 27 GiB together.
var unusedOnRunners = []string{
	"/usr/share/dotnet", "/usr/local/lib/android", "/opt/ghc", "/usr/local/.ghcup", "/opt/hostedtoolcache/CodeQL",
}

// checkGitHub: what a job of GitHub Actions has and may do.
func (m *machine) checkGitHub() {
	if !m.github {
		return
	}
	m.checkRunner()
	// Both come with the permission, and none without.
	if m.sys.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && m.sys.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != "" {
		m.add("github-keyless", OK, "the job can sign without a key (id-token: write)")
	} else {
		m.add("github-keyless", Note, "the job cannot sign without a key",
			"for keyless signatures, in the job's permissions: id-token: write (a pull request from a fork never gets it)")
	}
	if m.sys.Getenv("GITHUB_TOKEN") != "" {
		m.add("github-token", OK, "GITHUB_TOKEN is set; pushing to ghcr.io also takes packages: write")
	} else {
		m.add("github-token", Note, "GITHUB_TOKEN is not set, so ghcr.io needs a login",
			"in the step: env: {GITHUB_TOKEN: \"${{ github.token }}\"}, and in the job's permissions: packages: write")
	}
}

func (m *machine) checkRunner() {
	about := []string{"runner"}
	for _, name := range []string{"ImageOS", "ImageVersion", "RUNNER_ARCH"} {
		if v := m.sys.Getenv(name); v != "" {
			about = append(about, v)
		}
	}
	if m.container {
		about = append(about, "with the job in a container")
	}
	var mend []string
	if len(m.unused()) > 0 {
		about = append(about, "with SDKs that a build does not use")
		mend = m.githubCleanup()
	}
	m.add("github-runner", Note, strings.Join(about, " "), mend...)
}

// unused returns the folders that are there to be removed.
func (m *machine) unused() []string {
	var found []string
	for _, dir := range unusedOnRunners {
		if m.exists(dir) {
			found = append(found, dir)
		}
	}
	return found
}

// githubCleanup says how to make room on a runner.
func (m *machine) githubCleanup() []string {
	if found := m.unused(); len(found) > 0 {
		return []string{"for more room, before the build: sudo rm -rf " + strings.Join(found, " ")}
	}
	if m.container {
		return []string{"from inside the container the machine's SDKs cannot be removed: mount their folders into it (volumes:), or build outside of it"}
	}
	return []string{"take a larger runner: what can be removed is gone"}
}
