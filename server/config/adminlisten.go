package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const exampleAdminListen = "127.0.0.1:4801"

// adminListen reads the address of the admin listener; "" is none. A text without a host is
// refused, so that nobody listens on all addresses by accident.
func (r *reader) adminListen(names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(strings.ToLower(s.value))
	if err != nil || host == "" {
		r.problem(s, "must be an address or a host name of this machine and a port", exampleAdminListen)
		return ""
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostname(host) {
		r.problem(s, "must begin with an address or a host name of this machine", exampleAdminListen)
		return ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		r.problem(s, "must end with a port from 0 to 65535", exampleAdminListen)
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// adminToken reads the token of the admin listener.
func (r *reader) adminToken(name string) string {
	token := r.secret(name)
	switch why := weak(token); {
	case why != "":
		r.problem(setting{name, "***"}, why+": make one with openssl rand -hex 32", "")
	case strings.ContainsAny(token, " \t\r\n"):
		r.problem(setting{name, "***"}, "must have no blanks, since it is sent in a header", "")
	}
	return token
}

// adminProblems returns what is wrong with the admin listener beside other settings.
func (c Config) adminProblems() (ps Problems) {
	add := func(name, why string) { ps = append(ps, Problem{Name: name, Unset: true, Why: why}) }
	if c.AdminListenToken != "" && c.AdminListenToken == c.AdminSecret {
		add("B2B_ADMIN_LISTEN_TOKEN", "is the admin secret: whoever watches the server would be super admin. Give it a text of its own")
	}
	if c.AdminListen == "" {
		return ps
	}
	host, port, err := net.SplitHostPort(c.AdminListen)
	if err != nil || host == "" {
		add("B2B_ADMIN_LISTEN", "must be an address of this machine and a port, such as "+exampleAdminListen)
		return ps
	}
	if port != "0" && port == strconv.Itoa(c.Port) && (host == c.Host || everyAddress(host) || everyAddress(c.Host)) {
		add("B2B_ADMIN_LISTEN", "has the port of the server itself ("+c.Addr()+"): it needs one of its own, such as "+exampleAdminListen)
	}
	return ps
}

// everyAddress reports whether a host means all addresses of this machine.
func everyAddress(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsUnspecified()
}

// adminWarnings returns what an operator should know of the admin listener.
func (c Config) adminWarnings() (out []string) {
	host, _, _ := net.SplitHostPort(c.AdminListen) // it was checked
	switch {
	case c.AdminListen == "" && c.AdminListenToken != "":
		out = append(out, "B2B_ADMIN_LISTEN_TOKEN is not used: B2B_ADMIN_LISTEN is not set")
	case c.AdminListen == "" || isLoopback(host):
	case c.AdminListenToken == "":
		out = append(out, "the admin listener "+c.AdminListen+" is reachable by other machines: whoever reaches it reads the metrics, and profiles are not served. "+
			"Set B2B_ADMIN_LISTEN_TOKEN, or listen on 127.0.0.1, or let a firewall admit the monitoring alone")
	default:
		out = append(out, "the admin listener "+c.AdminListen+" is reachable by other machines, and its token travels unencrypted: let a firewall admit the monitoring alone, or put a proxy with TLS before it")
	}
	return out
}

// isLoopback reports whether a host is this machine alone.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}
