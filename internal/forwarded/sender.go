package forwarded

import (
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Sender is the origin of a request.
type Sender struct {
	Addr  string // the client's address, without port and zone
	Host  string // the server as the client addressed it; "": not reported by a proxy
	Proto string // "http" or "https"; "": not reported by a proxy
	// Ignored reports that the request has headers of a proxy that is not trusted.
	Ignored bool
	// Relayed reports that a proxy forwarded the request and the client is not known: Addr is the
	// address of the proxy, which may stand for many clients.
	Relayed bool
}

// The headers, in the canonical form of http.Header.
const (
	headerFor   = "X-Forwarded-For"
	headerHost  = "X-Forwarded-Host"
	headerProto = "X-Forwarded-Proto"
)

// relays are other headers by which proxies announce themselves.
var relays = [...]string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"}

// relayed reports whether a proxy announces that it forwarded the request.
func relayed(h http.Header) bool {
	for _, name := range relays {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// Sender finds the origin of a request from the address of its connection (http.Request.RemoteAddr)
// and its headers. It never fails: it ignores entries that cannot be parsed, and returns the
// trustworthy address that is nearest to the client.
func (t Trust) Sender(connection string, h http.Header) Sender {
	peer, _, err := net.SplitHostPort(connection)
	if err != nil {
		peer = connection
	}
	if len(h[headerFor]) == 0 && len(h[headerHost]) == 0 && len(h[headerProto]) == 0 {
		return Sender{Addr: withoutZone(peer), Relayed: relayed(h)}
	}
	s := Sender{Addr: withoutZone(peer)}
	var client netip.Addr
	var found bool
	switch {
	case t.proxies > 0:
		client, found = counted(h[headerFor], t.proxies)
	case t.known(peer):
		client, found = t.walk(h[headerFor])
	default:
		s.Ignored, s.Relayed = true, true
		return s
	}
	if found {
		s.Addr = client.String()
	}
	s.Relayed = !found
	s.Host, s.Proto = host(nearest(h[headerHost])), proto(nearest(h[headerProto]))
	return s
}

func withoutZone(addr string) string {
	addr, _, _ = strings.Cut(addr, "%")
	return addr
}

// known reports whether the peer of a connection is a trusted proxy.
func (t Trust) known(peer string) bool {
	if len(t.ranges) == 0 {
		return false
	}
	a, err := netip.ParseAddr(peer)
	return err == nil && t.contains(a.WithZone("").Unmap())
}

// counted returns the n-th entry from the end, or the first of a shorter list. If that entry cannot
// be parsed, it returns the next one towards the server.
func counted(lines []string, n int) (found netip.Addr, ok bool) {
	for entry := range fromEnd(lines) {
		if a, read := address(entry); read {
			found, ok = a, true
		}
		if n--; n == 0 {
			break
		}
	}
	return found, ok
}

// walk reads the entries from the end towards the client, and returns the first that is not a
// trusted proxy. It stops before an entry that cannot be parsed.
func (t Trust) walk(lines []string) (found netip.Addr, ok bool) {
	for entry := range fromEnd(lines) {
		a, read := address(entry)
		if !read {
			break
		}
		found, ok = a, true
		if !t.contains(a) {
			break
		}
	}
	return found, ok
}

// fromEnd yields the entries of a comma-separated list, which may span several header lines, from
// the last to the first. It trims blanks and skips empty entries.
func fromEnd(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(lines) - 1; i >= 0; i-- {
			rest, more := lines[i], true
			for more {
				var entry string
				at := strings.LastIndexByte(rest, ',')
				entry, rest, more = rest[at+1:], rest[:max(at, 0)], at >= 0
				if entry = strings.TrimSpace(entry); entry != "" && !yield(entry) {
					return
				}
			}
		}
	}
}

// nearest returns the last entry of a list, which the nearest proxy wrote.
func nearest(lines []string) string {
	for entry := range fromEnd(lines) {
		return entry
	}
	return ""
}

// address parses an entry: an IP address with or without a port, IPv6 with or without brackets. It
// drops zones, which have no meaning on another machine.
func address(entry string) (netip.Addr, bool) {
	bare, port := entry, ""
	inner, brackets := strings.CutPrefix(entry, "[")
	if brackets {
		var closed bool
		if bare, port, closed = strings.Cut(inner, "]"); !closed {
			return netip.Addr{}, false
		}
		if port != "" && !strings.HasPrefix(port, ":") {
			return netip.Addr{}, false
		}
	} else if strings.Count(entry, ":") == 1 {
		bare, port, _ = strings.Cut(entry, ":")
		port = ":" + port
	}
	if port != "" {
		if _, err := strconv.ParseUint(port[1:], 10, 16); err != nil {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(bare)
	if err != nil || brackets && !a.Is6() {
		return netip.Addr{}, false
	}
	return a.WithZone("").Unmap(), true
}

// host returns text if it is a host name or address, with or without a port, else "". It becomes
// part of URLs that are sent to clients.
func host(text string) string {
	name, port := text, ""
	if strings.HasPrefix(text, "[") {
		at := strings.IndexByte(text, ']')
		if at < 0 {
			return ""
		}
		if a, err := netip.ParseAddr(text[1:at]); err != nil || !a.Is6() || a.Zone() != "" {
			return ""
		}
		name, port = "", text[at+1:]
	} else if at := strings.IndexByte(text, ':'); at >= 0 {
		name, port = text[:at], text[at:]
	}
	if port != "" {
		if port[0] != ':' {
			return ""
		}
		if _, err := strconv.ParseUint(port[1:], 10, 16); err != nil {
			return ""
		}
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return ""
		}
	}
	if name == "" && text != "" && text[0] != '[' || len(name) > 253 {
		return ""
	}
	return text
}

// proto returns the scheme that a proxy reported, else "". Some proxies report that of a WebSocket.
func proto(text string) string {
	switch strings.ToLower(text) {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}
