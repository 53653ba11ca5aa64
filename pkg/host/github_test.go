package host

import (
	"testing"
)

func TestGitHub(t *testing.T) {
	t.Parallel()
	runChecks(t, []checkCase{
		{"elsewhere", "github-runner", func(f *fake) { f.env["ACTIONS_ID_TOKEN_REQUEST_URL"] = "x" }, nil},
		{"runner", "github-runner", func(f *fake) {
			f.env["GITHUB_ACTIONS"], f.env["ImageOS"], f.env["ImageVersion"], f.env["RUNNER_ARCH"] = "true", "ubuntu24", "20260816.1", "X64"
			f.write("/opt/ghc/x", "")
			f.write("/usr/share/dotnet/x", "")
		}, []want{{Note, "runner ubuntu24 20260816.1 X64 with SDKs", "sudo rm -rf /usr/share/dotnet /opt/ghc"}}},
		{"container on a runner", "github-runner", func(f *fake) {
			f.env["GITHUB_ACTIONS"] = "true"
			f.inContainer()
		}, []want{{Note, "runner with the job in a container", ""}}},
		{"keyless", "github-keyless", func(f *fake) {
			f.env["GITHUB_ACTIONS"], f.env["ACTIONS_ID_TOKEN_REQUEST_URL"], f.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "true", "u", "t"
		}, []want{{OK, "can sign without a key", ""}}},
		{"half of keyless", "github-keyless", func(f *fake) {
			f.env["GITHUB_ACTIONS"], f.env["ACTIONS_ID_TOKEN_REQUEST_URL"] = "true", "u"
		}, []want{{Note, "cannot sign without a key", "id-token: write"}}},
		{"token", "github-token", func(f *fake) { f.env["GITHUB_ACTIONS"], f.env["GITHUB_TOKEN"] = "true", "ghs_secret" }, []want{{OK, "GITHUB_TOKEN is set", ""}}},
		{"no token", "github-token", func(f *fake) { f.env["GITHUB_ACTIONS"] = "true" }, []want{{Note, "not set", "packages: write"}}},
	})
}
