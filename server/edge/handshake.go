package edge

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// badHandshake is what is wrong with a request for a WebSocket connection (RFC 6455,
// section 4.2.1); empty for a good one. It is looked at before the ticket, which a
// handshake that leads to nothing does not spend (B2B-HTTP-033).
func badHandshake(r *http.Request) string {
	path := r.URL.Path
	keys := r.Header.Values("Sec-WebSocket-Key")
	switch {
	case !equal(path, "/ws") && !equal(path, "/ws/"):
		return "WebSocket connections are taken at /ws"
	case r.Method != http.MethodGet:
		return "A WebSocket connection begins with GET"
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return "A WebSocket connection begins with HTTP/1.1"
	case !hasToken(r.Header, "Connection", "upgrade"):
		return "Connection: must be Upgrade. A proxy before the server may have taken it off"
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return "Upgrade: must be websocket"
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "Sec-WebSocket-Version: must be 13"
	case len(keys) != 1:
		return "Sec-WebSocket-Key: must be there once"
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err != nil || len(key) != 16 {
		return "Sec-WebSocket-Key: must be 16 bytes in base64"
	}
	return ""
}

// hasToken reports whether a comma list has a token, which is in lower case.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for item := range strings.SplitSeq(line, ",") {
			if equal(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
