package forwarded

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxProxies is the largest number of proxies that can be configured.
const maxProxies = 32

// Trust is the set of trusted proxies (B2B-HTTP-040). The zero value trusts none.
type Trust struct {
	proxies int
	ranges  []netip.Prefix
}

// Parse parses a number of proxies ("1"), or their addresses and ranges ("10.0.0.0/8, ::1"),
// separated by commas or blanks. "off", "none", "no", "false" and "" stand for no proxy.
func Parse(text string) (Trust, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "off", "none", "no", "false":
		return Trust{}, nil
	case "on", "yes", "true", "*", "all":
		return Trust{}, fmt.Errorf("does not name the proxies: give their number or their addresses")
	}
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n > maxProxies {
			return Trust{}, fmt.Errorf("the number of proxies must be 0 to %d", maxProxies)
		}
		return Trust{proxies: n}, nil
	}
	var t Trust
	for _, entry := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		p, err := parseRange(entry)
		if err != nil {
			return Trust{}, err
		}
		t.ranges = append(t.ranges, p)
	}
	if len(t.ranges) == 0 {
		return Trust{}, fmt.Errorf("names no proxy")
	}
	return t, nil
}

func parseRange(entry string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither a number of proxies nor an address nor an address range", entry)
	}
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	if p.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("%q contains every address: any client could forge its address", entry)
	}
	return p.Masked(), nil
}

// None reports whether no proxy is trusted.
func (t Trust) None() bool { return t.proxies == 0 && len(t.ranges) == 0 }

// String returns the trusted proxies in the form that Parse reads.
func (t Trust) String() string {
	if len(t.ranges) == 0 {
		return strconv.Itoa(t.proxies)
	}
	texts := make([]string, len(t.ranges))
	for i, p := range t.ranges {
		if texts[i] = p.String(); p.IsSingleIP() {
			texts[i] = p.Addr().String()
		}
	}
	return strings.Join(texts, ", ")
}

// Counted reports whether any peer is trusted, because a number of proxies was given.
func (t Trust) Counted() bool { return t.proxies > 0 }

func (t Trust) contains(a netip.Addr) bool {
	for _, p := range t.ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
