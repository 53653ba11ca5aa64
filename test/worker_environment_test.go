//go:build e2e

package test

import (
	"path/filepath"
	"testing"

	"github.com/bootkiln/bootkiln/pkg/build"
)

// TestStepsCannotReadTheCallersEnvironment has steps read the environment of
// every process that they see. Usually the kernel refuses them that of a
// process with more capabilities; here the administrator gave them the right.
func TestStepsCannotReadTheCallersEnvironment(t *testing.T) {
	t.Parallel()
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			p := newProject(t)
			conf := filepath.Join(t.TempDir(), "containers.conf")
			write(t, conf, []byte(`[containers]
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT", "SYS_PTRACE"]
`))
			look := []string{
				`      cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | sort >/tmp/seen || true`,
				`      grep -E '^(E2E_TOKEN|COSIGN_PASSWORD|COSIGN_PRIVATE_KEY|REGISTRY_PASSWORD|GITHUB_TOKEN)=' /tmp/seen && exit 1`,
				`      grep -q '^MINE=step$' /tmp/seen`,
			}
			if isolation == build.IsolationChroot {
				// It does see the worker.
				look = append(look, `      tr '\0' '\n' </proc/1/environ | grep -q '^TMPDIR='`)
			}
			lines := []string{
				"secrets: [{id: token, env: E2E_TOKEN}]",
				"run:",
				`  - name: without`,
				`    shell: |`,
				`      export MINE=step`,
			}
			lines = append(lines, look...)
			lines = append(lines,
				`      rm /tmp/seen`,
				`  - name: with`,
				`    secrets: [{id: token, env: STEP_TOKEN}]`,
				`    shell: |`,
				`      export MINE=step`)
			lines = append(lines, look...)
			p.write(t, append(lines, `      rm /tmp/seen`)...)
			cmd := command(t, p.args("build", "--isolation", string(isolation))...)
			cmd.Env = append(cmd.Env, "CONTAINERS_CONF_OVERRIDE="+conf, "E2E_TOKEN=one", "COSIGN_PRIVATE_KEY=two",
				"REGISTRY_PASSWORD=three", "GITHUB_TOKEN=four")
			cmd.run(t).want(t, 0)
		})
	}
}
