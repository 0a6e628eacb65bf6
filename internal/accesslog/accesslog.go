// Package accesslog writes one line for each call: what was called, by whom, with which result, in
// which time and with how many bytes. A line never has tokens, names, paths, queries or bodies.
//
// The lines of a second are bounded, so that a flood of calls does not fill the disk. Calls beyond
// the bound are counted, and the log says once a minute how many they were (B2B-LIM-016).
package accesslog

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/tally"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Mode selects the calls that get a line.
type Mode string

// The modes.
const (
	Off    Mode = "off"
	Errors Mode = "errors" // calls that failed or were refused
	All    Mode = "all"
)

// Log is an access log. A nil Log writes nothing.
type Log struct {
	log  *slog.Logger
	mode Mode
	edge call.Edge
	left *tally.Log // calls without a line

	mu     sync.Mutex
	most   int   // lines in a second
	second int64 // that lines are counted for
	lines  int
}

// New returns a log that writes at most this many lines a second; nil for the mode Off. edge finds
// the addresses of clients.
func New(log *slog.Logger, mode Mode, perSecond int, edge call.Edge) *Log {
	if mode == Off || mode == "" {
		return nil
	}
	return &Log{log: log, mode: mode, most: perSecond, edge: edge, left: tally.New(log, "calls without a line in the access log")}
}

// Run logs how many calls got no line, at most once a minute, until ctx ends. The error is nil.
func (l *Log) Run(ctx context.Context) error {
	if l == nil {
		return nil
	}
	return l.left.Run(ctx)
}

// Handler returns a handler that writes a line for each request of next, when its response is
// complete. WebSocket connections get none: their calls do.
func (l *Log) Handler(next http.Handler) http.Handler {
	if l == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" && r.ProtoMajor == 1 {
			next.ServeHTTP(w, r)
			return
		}
		began, access := time.Now(), &call.Access{}
		r = r.WithContext(call.WithAccess(r.Context(), access))
		body := &countedBody{ReadCloser: r.Body}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = body
		}
		out, wrapped := counted(w)
		aborted := true
		defer func() {
			l.request(r, access, out, body.n, aborted, began)
		}()
		next.ServeHTTP(wrapped, r)
		aborted = false
	})
}

// request writes the line of a request.
func (l *Log) request(r *http.Request, access *call.Access, out *response, in int64, aborted bool, began time.Time) {
	status := out.status
	if status == 0 && !aborted {
		status = http.StatusOK
	}
	failed := status >= 400 || aborted || access.Code != b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED
	if !l.writes(r.Context(), failed) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 16), slog.String("method", method(r.Method)), slog.Int("status", status))
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if access.Info == nil {
		attrs = append(attrs, slog.String("client", l.edge.Proxies.Sender(r.RemoteAddr, r.Header).Addr))
	}
	l.line(r.Context(), access, attrs, in, out.n, began)
}

// Call writes the line of a call that has no request of its own, with the sizes of its frame and
// of the reply.
func (l *Log) Call(ctx context.Context, access *call.Access, in, out int, began time.Time) {
	if l.writes(ctx, access.Code != b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED) {
		l.line(ctx, access, make([]slog.Attr, 0, 14), int64(in), int64(out), began)
	}
}

// writes reports whether a call gets a line, and counts it.
func (l *Log) writes(ctx context.Context, failed bool) bool {
	if l.mode == Errors && !failed || !l.log.Enabled(ctx, slog.LevelInfo) {
		return false
	}
	now := time.Now().Unix()
	l.mu.Lock()
	if now != l.second {
		l.second, l.lines = now, 0
	}
	l.lines++
	beyond := l.lines > l.most
	l.mu.Unlock()
	if beyond {
		l.left.Count("too many in a second", "setting", "B2B_ACCESS_LOG_LINES")
	}
	return !beyond
}

func (l *Log) line(ctx context.Context, access *call.Access, attrs []slog.Attr, in, out int64, began time.Time) {
	code := "OK"
	if access.Code != b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED {
		code = call.CodeText(access.Code)
	}
	if info := access.Info; info != nil {
		attrs = append(attrs, slog.String("binding", info.Via), slog.String("client", info.RemoteIP))
		if info.Operation != nil {
			attrs = append(attrs, slog.String("operation", info.Operation.Procedure[1:]), slog.String("code", code))
		} else if code != "OK" {
			attrs = append(attrs, slog.String("code", code))
		}
		attrs = append(attrs, slog.String("caller", info.Caller.Kind.String()))
		if info.Caller.OrgID != "" {
			attrs = append(attrs, slog.String("org", info.Caller.OrgID))
		}
		if info.Caller.BotID != "" {
			attrs = append(attrs, slog.String("bot", info.Caller.BotID))
		}
	}
	attrs = append(attrs, slog.Int64("bytes_in", in), slog.Int64("bytes_out", out),
		slog.Float64("took_ms", float64(time.Since(began).Microseconds())/1000))
	if access.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", cut(access.RequestID)))
	}
	if access.Span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", access.Span.TraceID().String()), slog.String("span_id", access.Span.SpanID().String()))
	}
	l.log.LogAttrs(ctx, slog.LevelInfo, "access", attrs...)
}

// longest is how much of a request_id is logged, in bytes. A UUID has 36.
const longest = 64

func cut(text string) string {
	if len(text) > longest {
		return text[:longest]
	}
	return text
}

// method returns a method of HTTP as it is, and any other as "other": clients choose them.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
