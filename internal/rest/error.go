package rest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
)

// WriteError writes the response {"error", "code", "retry_after"?, "hint"?, extras…} (B2B-ERR). An
// error that is not a *call.Error is reported as an internal error without its text. WriteError
// returns an error if the client is gone.
func WriteError(w http.ResponseWriter, r *http.Request, err error) error {
	e, _ := call.AsError(err)
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	buf.B, err = appendError(buf.B, e)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Cache-Control"] = noStore
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	return write(w, r, e.Status(), content{jsonType, buf.B})
}

func appendError(b []byte, e *call.Error) ([]byte, error) {
	b = append(b, `{"error":`...)
	b = wire.AppendString(b, e.Message)
	b = append(b, `,"code":`...)
	b = wire.AppendString(b, call.CodeText(e.Code))
	if e.RetryAfter > 0 {
		b = append(b, `,"retry_after":`...)
		b = strconv.AppendInt(b, int64(e.RetryAfter), 10)
	}
	if e.Hint != "" {
		b = append(b, `,"hint":`...)
		b = wire.AppendString(b, e.Hint)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Extras)) {
		value, err := json.Marshal(e.Extras[key])
		if err != nil {
			return b, err
		}
		b = append(b, ',')
		b = wire.AppendString(b, key)
		b = append(b, ':')
		b = append(b, value...)
	}
	return append(b, '}'), nil
}
