package boot

import (
	"testing"

	"github.com/bootkiln/bootkiln/pkg/boot/guest"
)

// A guest that is asked says what kind of failure it is.
func TestClassOfReport(t *testing.T) {
	t.Parallel()
	for want, report := range map[Class]guest.Report{
		Blocked:   {Stalled: true},
		Unreached: {Lost: true},
		NoTarget:  {TargetMissing: true},
		Emergency: {Emergency: true, Lost: true},
		"":        {Reached: true},
	} {
		report.Shell, report.Target = true, "multi-user.target"
		if got, _ := classOf(&seen{report: &report}); got != want {
			t.Errorf("%+v is %q, want %q", report, got, want)
		}
	}
}
