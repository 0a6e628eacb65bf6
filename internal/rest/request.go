package rest

import (
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/wire"
)

// request builds the request message of a route from the body, then the query, then the path, then
// headers; later ones take precedence. If the schema maps the body, the query is ignored. Methods
// other than GET may have a body as well as a query: DELETE has its request_id there.
//
// The message is usable even if the error reports invalid input.
func (m *match) request(r *http.Request, body []byte) (proto.Message, error) {
	req := m.route.op.NewRequest()
	return req, m.fill(req, r, body)
}

func (m *match) fill(req proto.Message, r *http.Request, body []byte) error {
	rt := m.route
	if rt.hasBody && len(body) == 0 {
		body = emptyBody
	}
	if len(body) > 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := (wire.DecodeOptions{Skip: rt.skip, Checked: true}).Decode(body, req); err != nil {
			return invalid(err)
		}
	}
	if !rt.hasBody && r.URL.RawQuery != "" {
		if strings.Count(r.URL.RawQuery, "&") >= maxPairs {
			return call.Invalid("query: must have at most %d pairs", maxPairs)
		}
		if err := wire.DecodeQuery(parseQuery(r.URL.RawQuery), req, rt.vars...); err != nil {
			return invalid(err)
		}
	}
	for i, name := range rt.vars {
		if err := wire.SetText(req, name, m.values[i]); err != nil {
			return invalid(err)
		}
	}
	if err := wire.SetHeader(req, r.Header); err != nil {
		return invalid(err)
	}
	return nil
}

// maxPairs is the largest number of pairs in a query, far more than any operation needs.
const maxPairs = 1000

var emptyBody = []byte("{}")

// parseQuery parses a query leniently: an invalid escape stands for itself, so "?q=100%" is valid,
// and a semicolon is an ordinary character.
func parseQuery(raw string) url.Values {
	values := make(url.Values)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key = unescape(key)
		values[key] = append(values[key], unescape(value))
	}
	return values
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
