package edge

import (
	"log"
	"log/slog"
)

// quiet is where net/http tells of connections that broke off and of bytes that are not
// HTTP: everyday matters on an open port, for debugging only.
func quiet(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
