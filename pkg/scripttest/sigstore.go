package scripttest

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootkiln/bootkiln/test/fakesigstore"
)

// startSigstore makes the script a job of GitHub Actions that may sign as
// itself, with a sigstore on this machine.
func startSigstore(ts *testscript.TestScript, args []string) {
	if len(args) != 0 {
		ts.Fatalf("usage: sigstore")
	}
	s := fakesigstore.New(ts.Value(registryKey).(*scriptRegistry).t)
	for name, value := range s.Environ() {
		ts.Setenv(name, value)
	}
	// The folder, and the one that the testing package keeps it in
	dir := filepath.Dir(s.Root)
	ts.Check(handOver(dir))
	ts.Check(os.Chmod(filepath.Dir(dir), 0o755))
	ts.Setenv("SUBJECT", fakesigstore.Subject)
	ts.Setenv("ISSUER", fakesigstore.Issuer)
}
