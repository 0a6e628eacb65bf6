package a2a

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// paths are those of the binding to HTTP, as the library has them (A2A 1.0, 11.3).
var paths = regexp.MustCompile(`^(POST /message:(send|stream)|GET /tasks|(GET|POST) /tasks/[^/]+|` +
	`(GET|POST) /tasks/[^/]+/pushNotificationConfigs|(GET|DELETE) /tasks/[^/]+/pushNotificationConfigs/[^/]+|` +
	`GET /extendedAgentCard)$`)

func served(method, path string) bool { return paths.MatchString(method + " " + path) }

// withParams returns a request of JSON-RPC with parameters, which the library wants and JSON-RPC does not.
func withParams(r *http.Request) (*http.Request, error) {
	if r.ContentLength > mostBare {
		return r, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read a request: %w", err)
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal(body, &keys) == nil && keys["method"] != nil && keys["params"] == nil {
		keys["params"] = json.RawMessage("{}")
		if body, err = json.Marshal(keys); err != nil {
			return nil, fmt.Errorf("encode a request: %w", err)
		}
	}
	in := r.WithContext(r.Context())
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return in, nil
}

// mostBare is how many bytes a request without parameters has at most.
const mostBare = 1 << 10

// statusWriter sends the status of a refusal that passes, which the library takes for a failure of the server.
type statusWriter struct {
	http.ResponseWriter
	of *caller
}

// WriteHeader implements http.ResponseWriter.
func (s *statusWriter) WriteHeader(status int) {
	if r := s.of.refused; r != nil && status >= http.StatusInternalServerError && r.status() != 0 {
		status = r.status()
		if r.after > 0 {
			s.Header().Set("Retry-After", strconv.Itoa(int(r.after)))
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush implements http.Flusher. An error means that the client is gone.
func (s *statusWriter) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// resultWriter adds an empty result to a response of JSON-RPC, which the library leaves out. A response
// has a result or an error, and some clients check that.
type resultWriter struct {
	http.ResponseWriter
	of *caller
}

// Write implements io.Writer. The library writes such a response at once.
func (w *resultWriter) Write(p []byte) (int, error) {
	text := bytes.TrimRight(p, "\n")
	if !w.of.empty || !bytes.HasSuffix(text, []byte("}")) {
		return w.ResponseWriter.Write(p)
	}
	if _, err := w.ResponseWriter.Write(append(bytes.Clone(text[:len(text)-1]), `,"result":{}}`...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Unwrap serves http.ResponseController.
func (w *resultWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher. An error means that the client is gone.
func (w *resultWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// refusals keeps the refusal of a call for the response.
type refusals struct {
	a2asrv.PassthroughCallInterceptor
}

// After implements a2asrv.CallInterceptor.
func (refusals) After(ctx context.Context, _ *a2asrv.CallContext, r *a2asrv.Response) error {
	if c := callerOf(ctx); c != nil {
		errors.As(r.Err, &c.refused)
	}
	return nil
}
