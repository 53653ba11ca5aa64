package build

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"github.com/sirupsen/logrus"

	"github.com/bootkiln/bootkiln/pkg/progress"
)

// RedirectLogs sends what buildah and the containers libraries log through
// logrus's standard logger, which is one for the whole process, to l; nil
// discards it. Main calls it, once or again.
//
// Below the level info nothing is passed on, whatever l accepts: at that level
// buildah logs the environments of steps, and secrets can be in them.
func RedirectLogs(l *slog.Logger) {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.InfoLevel)
	hooks := logrus.LevelHooks{}
	if l != nil {
		//nolint:forbidigo // logrus knows no context
		hooks.Add(slogHook{emit: func(e logEntry) { e.log(context.Background(), l) }})
	}
	logrus.StandardLogger().ReplaceHooks(hooks)
}

// logEntry is one entry of a library's log.
type logEntry struct {
	Level   slog.Level `json:"level"`
	Message string     `json:"message"`
	// Fields are alternating keys and values, sorted by key.
	Fields []string `json:"fields,omitempty"`
}

// redacted returns the entry without secrets.
func (e logEntry) redacted(secrets *progress.Redactor) logEntry {
	e.Message = secrets.String(e.Message)
	fields := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		fields[i] = secrets.String(f)
	}
	e.Fields = fields
	return e
}

func (e logEntry) log(ctx context.Context, l *slog.Logger) {
	args := make([]any, len(e.Fields))
	for i, f := range e.Fields {
		args[i] = f
	}
	l.Log(ctx, e.Level, e.Message, args...)
}

// slogHook hands logrus entries to emit.
type slogHook struct {
	emit func(logEntry)
}

func (slogHook) Levels() []logrus.Level { return logrus.AllLevels }

func (h slogHook) Fire(entry *logrus.Entry) error {
	e := logEntry{Message: entry.Message, Level: slog.LevelError}
	switch entry.Level {
	case logrus.WarnLevel:
		e.Level = slog.LevelWarn
	case logrus.InfoLevel:
		e.Level = slog.LevelInfo
	case logrus.DebugLevel, logrus.TraceLevel:
		e.Level = slog.LevelDebug
	}
	keys := make([]string, 0, len(entry.Data))
	for k := range entry.Data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		e.Fields = append(e.Fields, k, slog.AnyValue(entry.Data[k]).String())
	}
	h.emit(e)
	return nil
}
