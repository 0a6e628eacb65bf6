// Package webhookurl decides where a webhook may point.
//
// The server posts to addresses that strangers name, from inside the operator's
// network. So a webhook must lead to the public internet: https, and every address
// of its host in a public range. The name is looked up through a Resolver; this
// package opens no connection. An address can change after the check, so whoever
// dials asks Addresses and Permit again, about the address it dials. The operator may
// list targets that are private ([Allow]); they may also be plain http.
package webhookurl

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Resolver looks the addresses of a host up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Refusal is why an address cannot be a webhook. Its text continues a sentence that
// starts with the name of the field.
type Refusal string

// Error is the text.
func (r Refusal) Error() string { return string(r) }

// The refusals.
const (
	Malformed  Refusal = "must be an absolute URL with a host"
	BadScheme  Refusal = "must begin with https://"
	BadHost    Refusal = "must name its host in ASCII letters, digits, hyphens and dots (xn--… for others)"
	WithUser   Refusal = "must not carry a user or a password"
	Unresolved Refusal = "names a host that cannot be found"
	NotPublic  Refusal = "leads to an address that is not public"
)

// Policy is what an operator lets webhooks lead to. The zero value: https to public
// addresses.
type Policy struct {
	Resolver Resolver
	Plain    bool  // http to public addresses, too
	Allow    Allow // may be private, and http
}

// Check refuses an address that is no URL, is not https (or http where the policy lets it), or
// whose host has no address, or one that is not public (B2B-REG-007, B2B-HOOK-030: all its
// addresses and all special ranges count). The error is a Refusal, or that of ctx.
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

// Addresses looks up where a host leads, and refuses all of it when one of its addresses
// may not be dialled: who answers a public address today and a private one tomorrow is
// not trusted with the rest. The error is a Refusal, or that of ctx.
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

// Permit decides about one address of a host: the last word, when it is dialled.
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

// numeric tells the other spellings of IPv4 addresses (2130706433, 0x7f.1, 127.1)
// that some resolvers accept: their last label is a number, which no name's is.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// Public tells whether an address is one of the public internet. Addresses that
// carry an IPv4 address inside are as public as that one.
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

// special4 lists the ranges of IPv4 that are not the public internet (IANA's
// registry of special-purpose addresses).
func special4() []string {
	return []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	}
}

// special6 is the same for the part of IPv6 that is handed out (2000::/3), tunnels
// included: what they lead to cannot be told.
func special6() []string {
	return []string{"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"}
}
