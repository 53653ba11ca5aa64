package scripttest

import (
	"os/exec"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}

// interrupt runs a program against the silent registry. The first connection shows that the program is at work; then it gets
// the signal.
func interrupt(ts *testscript.TestScript, args []string) {
	if len(args) < 3 || signals[args[0]] == 0 {
		ts.Fatalf("usage: interrupt INT|TERM N PROGRAM ARG…")
	}
	listener := ts.Value(registryKey).(*scriptRegistry).silent
	if listener == nil {
		ts.Fatalf("the script has not started a silent registry")
	}
	program, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd := exec.Command(program, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		_ = listener.Close() // a program that never connects ends the wait for it
		ended <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		ts.Fatalf("the program ended without asking the registry: %v", <-ended)
	}
	defer conn.Close()
	ts.Check(cmd.Process.Signal(signals[args[0]]))
	checkStatus(ts, args[1], <-ended)
}
