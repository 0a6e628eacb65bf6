package forwarded

import (
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Sender is where a request came from.
type Sender struct {
	Addr  string // the client's address, without port and zone
	Host  string // as the client named the server; "": no proxy says it
	Proto string // "http" or "https"; "": no proxy says it
	// Ignored says that headers of a proxy were there and are not believed.
	Ignored bool
	// Relayed says that a proxy passed the request on and the client is not known: Addr is
	// that of the proxy, and perhaps of many clients.
	Relayed bool
}

// The headers, as http.Header keeps their names.
const (
	headerFor   = "X-Forwarded-For"
	headerHost  = "X-Forwarded-Host"
	headerProto = "X-Forwarded-Proto"
)

// relays are further headers by which proxies say that they pass a request on.
var relays = [...]string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"}

// relayed reports whether a proxy says that it passed the request on.
func relayed(h http.Header) bool {
	for _, name := range relays {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// Sender finds out who sent a request, from the address of the connection
// (http.Request.RemoteAddr) and the headers. It never fails: what cannot be read is not
// believed, and the nearest address that is sure is taken.
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

// known reports whether the peer of a connection is one of the proxies.
func (t Trust) known(peer string) bool {
	if len(t.ranges) == 0 {
		return false
	}
	a, err := netip.ParseAddr(peer)
	return err == nil && t.contains(a.WithZone("").Unmap())
}

// counted is the n-th entry from the end, or the first of a shorter list. Where that
// cannot be read it is the next one towards the server.
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

// walk goes from the end towards the client, as long as the entries are proxies: it
// returns the first that is none. It stops at what cannot be read.
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

// fromEnd yields the entries of a comma list that may have several header lines, from the
// last to the first, without blanks around them and without empty ones.
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

// nearest is the last entry of a list: what the nearest proxy wrote.
func nearest(lines []string) string {
	for entry := range fromEnd(lines) {
		return entry
	}
	return ""
}

// address reads an entry: an address with or without a port, of IPv6 with or without
// brackets. Zones mean nothing on another machine and are left out.
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

// host is a name or an address with or without a port, or "": it becomes part of
// addresses that are told.
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

// proto is the scheme that a proxy says; some say that of a WebSocket.
func proto(text string) string {
	switch strings.ToLower(text) {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}
