package host

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlainMachineHasNoProblem(t *testing.T) {
	t.Parallel()
	findings := newFake().examine(t)
	var checks []string
	for _, f := range findings {
		checks = append(checks, f.Check)
		if f.Status != OK {
			t.Errorf("%+v", f)
		}
		if f.Mend != "" {
			t.Errorf("%s is ok, and yet to be mended: %s", f.Check, f.Mend)
		}
	}
	want := []string{
		"root", "capabilities", "kernel", "graph-root", "temp-dir", "out-dir", "graph-driver", "overlay", "file-features",
		"free-space", "memory", "open-files", "cgroup", "shared-mount", "clock", "containers-config", "kvm", "qemu",
	}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if n := Problems(findings); n != 0 {
		t.Errorf("Problems = %d, want 0", n)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	findings := []Finding{{Status: Problem}, {Status: Warning}, {Status: OK}, {Status: Unknown}, {Status: Note}, {Status: Problem}}
	if got := Problems(findings); got != 2 {
		t.Errorf("Problems = %d, want 2", got)
	}
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	for status, text := range map[Status]string{OK: "ok", Note: "note", Unknown: "unknown", Warning: "warning", Problem: "problem"} {
		b, err := json.Marshal(Finding{Check: "c", Status: status, Message: "m"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(b), `{"check":"c","status":"`+text+`","message":"m"}`; got != want {
			t.Errorf("%v is encoded as %s, want %s", status, got, want)
		}
		var back Finding
		if err := json.Unmarshal(b, &back); err != nil || back.Status != status {
			t.Errorf("%s is decoded as %v, %v", b, back.Status, err)
		}
	}
	var s Status
	if err := json.Unmarshal([]byte(`"fine"`), &s); err == nil {
		t.Error("an unknown status is accepted")
	}
	if got := Status(9).String(); got != "status(9)" {
		t.Errorf("String = %q", got)
	}
}
