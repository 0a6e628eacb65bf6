package edge

import (
	"log"
	"log/slog"
)

// quiet returns the logger for net/http, which reports broken connections and bytes that are not
// HTTP. Both are common on an open port, so they are logged at debug level.
func quiet(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
