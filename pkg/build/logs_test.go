package build

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// Not parallel: the library's logger is one for the process.
func TestRedirectLogs(t *testing.T) {
	t.Cleanup(func() { RedirectLogs(nil) })
	var out bytes.Buffer
	RedirectLogs(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	logrus.WithField("image", "x").Warn("careful")
	logrus.Debug("TOKEN=secret")
	if got := out.String(); !strings.Contains(got, "level=WARN msg=careful image=x") || strings.Contains(got, "secret") {
		t.Errorf("logged %q", got)
	}
	out.Reset()
	RedirectLogs(nil)
	logrus.Error("nobody hears it")
	if out.Len() != 0 {
		t.Errorf("logged %q", out.String())
	}
}
