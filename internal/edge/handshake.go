package edge

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// badHandshake returns what is wrong with a WebSocket handshake (RFC 6455, section 4.2.1), or "" if
// it is valid. It is called before the ticket is read, so that an invalid handshake does not spend
// the ticket (B2B-HTTP-033).
func badHandshake(r *http.Request) string {
	path := r.URL.Path
	keys := r.Header.Values("Sec-WebSocket-Key")
	switch {
	case !equal(path, "/ws") && !equal(path, "/ws/"):
		return "WebSocket connections must be opened at /ws"
	case r.Method != http.MethodGet:
		return "A WebSocket connection must begin with GET"
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return "A WebSocket connection must begin with HTTP/1.1"
	case !hasToken(r.Header, "Connection", "upgrade"):
		return "Connection: must be Upgrade. A proxy in front of the server may have removed it"
	case !hasToken(r.Header, "Upgrade", "websocket"):
		return "Upgrade: must be websocket"
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "Sec-WebSocket-Version: must be 13"
	case len(keys) != 1:
		return "Sec-WebSocket-Key: must occur once"
	}
	if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err != nil || len(key) != 16 {
		return "Sec-WebSocket-Key: must be 16 bytes in base64"
	}
	return ""
}

// hasToken reports whether a comma-separated list contains a token, which is in lower case.
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
