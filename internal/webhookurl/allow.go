package webhookurl

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Allow is the operator's list of targets that may be private: ranges of addresses, and hosts.
// The zero value allows none.
type Allow struct {
	ranges []netip.Prefix
	hosts  map[string]bool
}

// ParseAllow reads a list: addresses (10.1.2.3), ranges (10.0.0.0/8, fd00::/8) and host
// names (hooks.internal), separated by commas. A name allows all addresses of that host, and no
// subdomains.
func ParseAllow(text string) (Allow, error) {
	a := Allow{hosts: map[string]bool{}}
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			a.ranges = append(a.ranges, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		if strings.Contains(entry, "/") {
			p, err := netip.ParsePrefix(entry)
			if err != nil {
				return Allow{}, fmt.Errorf("%q is not a range of addresses such as 10.0.0.0/8", entry)
			}
			if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
				p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
			}
			if p.Bits() == 0 {
				return Allow{}, fmt.Errorf("%q is every address, so bots could reach all of your network: list the targets", entry)
			}
			a.ranges = append(a.ranges, p.Masked())
			continue
		}
		if !hostname(entry) || numeric(entry) {
			return Allow{}, fmt.Errorf("%q is neither an address, a range of addresses nor a host name", entry)
		}
		a.hosts[fold(entry)] = true
	}
	return a, nil
}

// String returns the list, ranges first.
func (a Allow) String() string {
	var entries []string
	for _, r := range a.ranges {
		entries = append(entries, r.String())
	}
	return strings.Join(append(entries, slices.Sorted(maps.Keys(a.hosts))...), ",")
}

func (a Allow) empty() bool { return len(a.ranges)+len(a.hosts) == 0 }

func (a Allow) host(name string) bool { return a.hosts[fold(name)] }

func (a Allow) addr(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	for _, r := range a.ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

// fold returns the form of a host name that is compared.
func fold(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// hostname reports whether a name has only the characters of DNS names.
func hostname(host string) bool {
	for _, c := range []byte(host) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return host != "" && len(host) <= 254
}
