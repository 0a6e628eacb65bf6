package webhookurl

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// names is a resolver of a fixed table.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	texts, ok := n[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	var addrs []netip.Addr
	for _, t := range texts {
		addrs = append(addrs, netip.MustParseAddr(t))
	}
	return addrs, nil
}

func TestCheck(t *testing.T) {
	t.Parallel()
	dns := names{
		"hooks.example":  {"93.184.216.34"},
		"both.example":   {"93.184.216.34", "2606:2800:220:1::1"},
		"second.example": {"93.184.216.34", "10.0.0.1"},
		"inside.example": {"::ffff:192.168.1.1"},
		"empty.example":  {},
		"localhost":      {"127.0.0.1", "::1"},
		"127.1":          {"93.184.216.34"},
	}
	for _, tt := range []struct {
		url   string
		plain bool
		want  error
	}{
		{"https://hooks.example/x?y=1", false, nil},
		{"https://hooks.example:8443", false, nil},
		{"HTTPS://both.example", false, nil},
		{"http://hooks.example", true, nil},
		{"https://1.1.1.1/", false, nil},
		{"https://[2606:4700::1111]/", false, nil},
		{"http://hooks.example", false, BadScheme},
		{"ftp://hooks.example", true, BadScheme},
		{"hooks.example/x", true, BadScheme},
		{"//hooks.example", true, BadScheme},
		{"https:hooks.example", false, Malformed},
		{"https://", false, Malformed},
		{"https:///x", false, Malformed},
		{"https://a b", false, Malformed},
		{"https://%00/", false, Malformed},
		{"https://[::1%25eth0]/", false, Malformed},
		{"https://[::1", false, Malformed},
		{"not a url", false, BadScheme},
		{"https://nowhere.example", false, Unresolved},
		{"https://empty.example", false, Unresolved},
		{"https://second.example", false, NotPublic},
		{"https://inside.example", false, NotPublic},
		{"https://localhost", false, NotPublic},
		{"http://localhost:4800", true, NotPublic},
		{"https://127.0.0.1", false, NotPublic},
		{"https://127.1", false, NotPublic},
		{"https://2130706433", false, NotPublic},
		{"https://0x7f000001", false, NotPublic},
		{"https://0x7f.0.0.0x1", false, NotPublic},
		{"https://0177.0.0.1", false, NotPublic},
		{"https://[::1]", false, NotPublic},
		{"https://user:pass@10.1.2.3", false, WithUser},
	} {
		if got := (Policy{Resolver: dns, Plain: tt.plain}).Check(t.Context(), tt.url); !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
			t.Errorf("Check(%q, plain %v) = %v, want %v", tt.url, tt.plain, got, tt.want)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	dns := names{
		"hooks.internal":  {"10.9.9.9"},
		"HOOKS.internal.": {"10.9.9.9"},
		"other.internal":  {"10.9.9.9"},
		"lan.example":     {"192.168.7.7"},
		"mixed.example":   {"192.168.7.7", "192.168.8.8"},
		"hooks.example":   {"93.184.216.34"},
	}
	allow, err := ParseAllow(" hooks.internal, 192.168.7.0/24,127.0.0.1 ,fd00::/8,")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url  string
		want error
	}{
		{"http://hooks.internal/x", nil},
		{"https://HOOKS.internal./x", nil},
		{"http://lan.example", nil},
		{"http://127.0.0.1:9000", nil},
		{"http://[::ffff:127.0.0.1]:9000", nil},
		{"http://[fd12::1]", nil},
		{"https://hooks.example", nil},
		{"http://hooks.example", BadScheme},
		{"http://other.internal", NotPublic},
		{"http://mixed.example", NotPublic},
		{"http://127.0.0.2", NotPublic},
		{"http://[::1]", NotPublic},
		{"ftp://hooks.internal", BadScheme},
	} {
		if got := (Policy{Resolver: dns, Allow: allow}).Check(t.Context(), tt.url); !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
			t.Errorf("Check(%q) = %v, want %v", tt.url, got, tt.want)
		}
	}
	for _, bad := range []string{"0.0.0.0/0", "10.0.0.1,::/0", "::ffff:0.0.0.0/96", "10.0.0.0/40", "a b", "http://x", "127.1", "fe80::1%eth0", "*.example", "ünder.example"} {
		if _, err := ParseAllow(bad); err == nil {
			t.Errorf("ParseAllow(%q) must fail", bad)
		}
	}
}

func TestCheckReturnsContextError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Policy{Resolver: names{}}).Check(ctx, "https://nowhere.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error of the context", err)
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	const refused = `0.0.0.0 0.1.2.3 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254
		172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9
		224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
		:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 fc00::1 fd12::1 fe80::1 fe80::1%eth0
		fec0::1 febf::1 ff02::1 2001::1 2001:db8::1 2002:7f00:1::1 3fff::1 4000::1`
	for text := range strings.FieldsSeq(refused) {
		if Public(netip.MustParseAddr(text)) {
			t.Errorf("%s must not be public", text)
		}
	}
	const accepted = `1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.0.1 172.15.255.255
		172.32.0.1 192.0.1.1 192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 223.255.255.255
		::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1`
	for text := range strings.FieldsSeq(accepted) {
		if !Public(netip.MustParseAddr(text)) {
			t.Errorf("%s must be public", text)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address must not be public")
	}
}
