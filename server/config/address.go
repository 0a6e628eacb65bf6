package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/edge"
)

// host reads the address to listen on.
func (r *reader) host(fallback string, names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return fallback
	}
	value := strings.ToLower(s.value)
	if inner, ok := strings.CutPrefix(value, "["); ok && strings.HasSuffix(inner, "]") {
		value = strings.Replace(strings.TrimSuffix(inner, "]"), "%25", "%", 1) // a zone in the form of URLs (RFC 6874)
	}
	if a, err := netip.ParseAddr(value); err == nil {
		return a.String()
	}
	if !hostname(value) {
		r.problem(s, "must be an address or a host name of this machine, without scheme and port", fallback)
		return fallback
	}
	return value
}

// domain reads the host that browsers use. A scheme and trailing slashes are removed.
func (r *reader) domain(names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return ""
	}
	value := strings.ToLower(s.value)
	for _, scheme := range []string{"https://", "http://"} {
		value = strings.TrimPrefix(value, scheme)
	}
	value = strings.TrimRight(value, "/")
	if !hostPort(value) {
		r.problem(s, "must be a host name, with a port if browsers need one (a path is B2B_BASE_PATH)", "b2b.example.com")
		return ""
	}
	return value
}

// basePath reads the prefix of every route: "" or "/path", of one or more segments.
func (r *reader) basePath(names ...string) string {
	s := r.text(names...)
	value := strings.Trim(s.value, "/")
	if value == "" {
		return ""
	}
	for name := range strings.SplitSeq(value, "/") {
		if name == "" || name == "." || name == ".." || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~") != "" {
			r.problem(s, "must be a path of letters, digits, - _ . ~ and /", "/b2b")
			return ""
		}
	}
	return "/" + value
}

// origins reads the origins that browsers may call from.
func (r *reader) origins(names ...string) (origins []string) {
	s := r.text(names...)
	for item := range strings.SplitSeq(s.value, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		o, ok := origin(item)
		if !ok {
			r.problem(setting{s.name, item}, "must be scheme://host[:port] without a path, a list of those with commas between, loopback, or *", "https://app.example.com,http://localhost:3000")
			continue
		}
		origins = append(origins, o)
	}
	return origins
}

// origin returns an origin in the form that browsers send: in lower case, without a trailing slash
// and without the default port.
func origin(text string) (string, bool) {
	if lower := strings.ToLower(text); lower == "*" || lower == "null" || lower == edge.Loopback {
		return lower, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") ||
		strings.Trim(u.Path, "/") != "" || strings.Contains(u.Path, "//") {
		return "", false
	}
	host := strings.ToLower(u.Host)
	if !hostPort(host) {
		return "", false
	}
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + host, true
}

// hostPort reports whether a text is a host name or an IP address (IPv6 in brackets), with or
// without a port.
func hostPort(text string) bool {
	host, port := text, ""
	at := strings.LastIndexByte(text, ':')
	if at > strings.LastIndexByte(text, ']') {
		host, port = text[:at], text[at+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && strings.HasSuffix(inner, "]") && a.Is6() && a.Zone() == ""
	}
	return hostname(host)
}

// hostname reports whether a text is a valid host name or an IPv4 address. A text of digits and
// dots must be an IPv4 address.
func hostname(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	if strings.Trim(text, "0123456789.") == "" {
		_, err := netip.ParseAddr(text)
		return err == nil
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}
