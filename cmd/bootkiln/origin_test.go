package main

import "testing"

func TestRemoteURI(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/me/os.git":           "git+https://github.com/me/os.git",
		"https://me:secret@github.com/me/os.git": "git+https://github.com/me/os.git",
		"ssh://git@github.com:22/me/os.git":      "git+ssh://github.com:22/me/os.git",
		"git@github.com:me/os.git":               "git+ssh://github.com/me/os.git",
		"github.com:me/os.git":                   "git+ssh://github.com/me/os.git",
		"/srv/git/os.git":                        "",
		"../os:old.git":                          "",
		"file:///srv/git/os.git":                 "",
		"":                                       "",
	} {
		if got := remoteURI(remote); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}

// Who builds in GitHub Actions is the workflow, not this program.
func TestOrigin(t *testing.T) {
	t.Parallel()
	e, _, _ := testEnv(map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/os", "GITHUB_RUN_ID": "7",
		"GITHUB_RUN_ATTEMPT": "2", "GITHUB_WORKFLOW_REF": "me/os/.github/workflows/image.yml@refs/heads/main",
	})
	o := e.origin(t.Context(), &project{dir: t.TempDir(), sources: map[string][]byte{"recipe.yaml": []byte("a")}})
	if o.Builder.ID != "https://github.com/me/os/.github/workflows/image.yml@refs/heads/main" ||
		o.Invocation != "https://github.com/me/os/actions/runs/7/attempts/2" || o.Source != nil {
		t.Errorf("%+v", o)
	}
	e, _, _ = testEnv(nil)
	other := e.origin(t.Context(), &project{dir: t.TempDir(), sources: map[string][]byte{"recipe.yaml": []byte("b")}})
	if other.Invocation != "" || other.Builder.ID == o.Builder.ID || other.Recipe == o.Recipe || other.Recipe.Validate() != nil {
		t.Errorf("%+v", other)
	}
}
