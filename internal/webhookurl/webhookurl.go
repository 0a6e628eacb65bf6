// Package webhookurl decides which URLs a webhook may have.
//
// The server posts to URLs that untrusted bots choose, from inside the operator's network. So a
// webhook must lead to the public internet: https, and only public addresses of its host. A
// Resolver looks up the host; this package opens no connection. The addresses of a name can
// change after the check, so a dialer must call Addresses and Permit again for the address that
// it dials. The operator may list targets that are private ([Allow]); these may use http.
package webhookurl

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Resolver looks up the addresses of a host. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Refusal is the reason why a URL cannot be a webhook. Its text continues a sentence that starts
// with the name of the field.
type Refusal string

// Error returns the text.
func (r Refusal) Error() string { return string(r) }

// The reasons.
const (
	Malformed  Refusal = "must be an absolute URL with a host"
	BadScheme  Refusal = "must begin with https://"
	BadHost    Refusal = "must name its host in ASCII letters, digits, hyphens and dots (xn--… for others)"
	WithUser   Refusal = "must not carry a user or a password"
	Unresolved Refusal = "names a host that cannot be found"
	NotPublic  Refusal = "leads to an address that is not public"
)

// Policy is where webhooks may lead. The zero value permits https to public addresses.
type Policy struct {
	Resolver Resolver
	Plain    bool  // permits http to public addresses
	Allow    Allow // targets that may be private, and use http
}

// Check refuses a text that is no URL, a scheme that the policy does not permit, and a host
// without addresses or with one that is not public (B2B-REG-007, B2B-HOOK-030). The error is a
// Refusal, or that of ctx.
func (p Policy) Check(ctx context.Context, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return Malformed
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !p.Plain && p.Allow.empty()) {
		return BadScheme
	}
	host := u.Hostname()
	switch {
	case host == "" || strings.ContainsAny(host, " \x00%"):
		return Malformed
	case u.User != nil:
		return WithUser
	}
	_, err = p.Addresses(ctx, u.Scheme, host)
	return err
}

// Addresses returns the addresses of a host. It refuses the host when one of them is not
// permitted, because such a name may be an attack. The error is a Refusal, or that of ctx.
func (p Policy) Addresses(ctx context.Context, scheme, host string) ([]netip.Addr, error) {
	addrs, err := p.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := p.Permit(scheme, host, a); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// Permit decides about one address of a host. A dialer calls it for the address that it dials.
func (p Policy) Permit(scheme, host string, a netip.Addr) error {
	switch {
	case p.Allow.addr(a) || p.Allow.host(host):
		return nil
	case !Public(a):
		return NotPublic
	case scheme != "https" && !p.Plain:
		return BadScheme
	}
	return nil
}

func (p Policy) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	switch {
	case !hostname(host):
		return nil, BadHost
	case numeric(host):
		return nil, NotPublic
	}
	addrs, err := p.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, errors.Join(Unresolved, ctx.Err())
	}
	if len(addrs) == 0 {
		return nil, Unresolved
	}
	return addrs, nil
}

// numeric reports whether a host is another spelling of an IPv4 address (2130706433, 0x7f.1,
// 127.1) that some resolvers accept. Its last label is then a number, which no name has.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// Public reports whether an address belongs to the public internet. An IPv6 address that embeds
// an IPv4 address is as public as that one.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is4() {
		return !within(a, special4())
	}
	if !netip.MustParsePrefix("2000::/3").Contains(a) {
		b := a.As16()
		nat64 := netip.MustParsePrefix("64:ff9b::/96").Contains(a)
		return nat64 && Public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return !within(a, special6())
}

func within(a netip.Addr, ranges []string) bool {
	for _, r := range ranges {
		if netip.MustParsePrefix(r).Contains(a) {
			return true
		}
	}
	return false
}

// special4 lists the IPv4 ranges that are not public (IANA's registry of special-purpose
// addresses).
func special4() []string {
	return []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	}
}

// special6 lists the ranges within 2000::/3, the allocated part of IPv6, that are not public. It
// has tunnels, because their targets are not known.
func special6() []string {
	return []string{"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"}
}
