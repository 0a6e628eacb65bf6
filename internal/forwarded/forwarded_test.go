package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func trust(t testing.TB, text string) Trust {
	t.Helper()
	out, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// B2B-HTTP-040, 041: the configuration of trusted proxies.
func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "0", "0": "0", "0 ": "0", "\t0\n": "0", "false": "0", "OFF": "0", "no": "0", "none": "0",
		"1": "1", " 2 ": "2", "032": "32", "1.2.3.4": "1.2.3.4", "10.1.2.3/8": "10.0.0.0/8", "::1": "::1", "[::1]": "::1",
		"fd00::1/8, 10.0.0.0/8": "fd00::/8, 10.0.0.0/8", "127.0.0.1 ::1": "127.0.0.1, ::1", "10.0.0.1,,10.0.0.2,": "10.0.0.1, 10.0.0.2",
		"::ffff:10.0.0.1": "10.0.0.1", "::ffff:10.0.0.0/104": "10.0.0.0/8",
	} {
		got, err := Parse(text)
		if err != nil || got.String() != want || got.None() != (want == "0") {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"-1", "33", "1.5", "1,10.0.0.0/8", "true", "on", "yes", "*", "many", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/-1",
		"fe80::1%eth0", "nginx", "10.0.0.1:80", ",", "99999999999999999999",
	} {
		if got, err := Parse(text); err == nil || !got.None() {
			t.Errorf("%q is accepted as %v", text, got)
		}
	}
}

// B2B-HTTP-040: the address of a client.
func TestAddr(t *testing.T) {
	t.Parallel()
	const peer = "10.0.0.9:4711"
	for _, c := range []struct {
		name, trust, peer string
		lines             []string
		want              string
		ignored           bool
	}{
		{"no header", "1", peer, nil, "10.0.0.9", false},
		{"one proxy", "1", peer, []string{"6.6.6.6, 192.0.2.7"}, "192.0.2.7", false},
		{"two proxies", "2", peer, []string{"6.6.6.6, 192.0.2.7, 10.0.0.2"}, "192.0.2.7", false},
		{"fewer entries than proxies", "3", peer, []string{"192.0.2.7, 10.0.0.2"}, "192.0.2.7", false},
		{"a second line is behind the first", "1", peer, []string{"6.6.6.6", "192.0.2.7"}, "192.0.2.7", false},
		{"lines and lists", "2", peer, []string{"6.6.6.6, 7.7.7.7", "192.0.2.7, 10.0.0.2"}, "192.0.2.7", false},
		{"an empty last line", "1", peer, []string{"192.0.2.7", "", " "}, "192.0.2.7", false},
		{"trailing commas", "1", peer, []string{"192.0.2.7,, ,"}, "192.0.2.7", false},
		{"a port", "1", peer, []string{"192.0.2.7:61234"}, "192.0.2.7", false},
		{"IPv6", "1", peer, []string{"2001:db8::7"}, "2001:db8::7", false},
		{"IPv6 in brackets", "1", peer, []string{"[2001:db8::7]"}, "2001:db8::7", false},
		{"IPv6 and a port", "1", peer, []string{"[2001:db8::7]:443"}, "2001:db8::7", false},
		{"IPv6 in capitals", "1", peer, []string{"2001:DB8::7"}, "2001:db8::7", false},
		{"a zone", "1", peer, []string{"fe80::7%eth0"}, "fe80::7", false},
		{"a zone, brackets and a port", "1", peer, []string{"[fe80::7%25eth0]:80"}, "fe80::7", false},
		{"IPv4 as IPv6", "1", peer, []string{"::ffff:192.0.2.7"}, "192.0.2.7", false},
		{"junk", "1", peer, []string{"unknown"}, "10.0.0.9", false},
		{"junk where the client should be", "2", peer, []string{"_hidden, 10.0.0.2"}, "10.0.0.2", false},
		{"IPv4 in brackets", "1", peer, []string{"[192.0.2.7]:80"}, "10.0.0.9", false},
		{"a bracket that is not closed", "1", peer, []string{"[2001:db8::7"}, "10.0.0.9", false},
		{"no port", "1", peer, []string{"192.0.2.7:"}, "10.0.0.9", false},
		{"no number as a port", "1", peer, []string{"192.0.2.7:http"}, "10.0.0.9", false},
		{"a port that is too large", "1", peer, []string{"192.0.2.7:65536"}, "10.0.0.9", false},
		{"more behind the bracket", "1", peer, []string{"[2001:db8::7]x"}, "10.0.0.9", false},

		{"no proxy is trusted", "0", peer, []string{"192.0.2.7"}, "10.0.0.9", true},
		{"no proxy is trusted, IPv6", "0", "[2001:db8::9%eth0]:1", []string{"192.0.2.7"}, "2001:db8::9", true},
		{"another peer", "10.0.0.1, 10.1.0.0/16", peer, []string{"192.0.2.7"}, "10.0.0.9", true},
		{"a known peer", "10.0.0.9", peer, []string{"6.6.6.6, 192.0.2.7"}, "192.0.2.7", false},
		{"a known range", "10.0.0.0/8", peer, []string{"6.6.6.6, 192.0.2.7, 10.0.0.2:80"}, "192.0.2.7", false},
		{"proxies alone", "10.0.0.0/8", peer, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", false},
		{"a known peer over IPv6", "10.0.0.0/8", "[::ffff:10.0.0.9]:1", []string{"192.0.2.7"}, "192.0.2.7", false},
		{"junk behind a known proxy", "10.0.0.0/8", peer, []string{"192.0.2.7, unknown, 10.0.0.2"}, "10.0.0.2", false},
		{"a known proxy adds no entry", "10.0.0.9", peer, []string{" , "}, "10.0.0.9", false},
		{"no port of the connection", "10.0.0.9", "10.0.0.9", []string{"192.0.2.7"}, "192.0.2.7", false},
		{"no address of the connection", "10.0.0.9", "@", []string{"192.0.2.7"}, "@", true},
	} {
		h := http.Header{}
		if c.lines != nil {
			h["X-Forwarded-For"] = c.lines
		}
		if got := trust(t, c.trust).Sender(c.peer, h); got.Addr != c.want || got.Ignored != c.ignored {
			t.Errorf("%s: %q of %s, trusting %s: %+v, want %s, ignored %v", c.name, c.lines, c.peer, c.trust, got, c.want, c.ignored)
		}
	}
}

// B2B-AUTH-081: a client that came through an untrusted proxy is counted apart from a client that
// connects from the address of the proxy.
func TestRelayed(t *testing.T) {
	t.Parallel()
	const peer = "127.0.0.1:4711"
	for _, c := range []struct {
		trust, header, value string
		want                 bool
	}{
		{"0", "", "", false},
		{"127.0.0.1", "", "", false},
		{"0", "User-Agent", "Forwarded", false},
		{"0", "X-Forwarded-For", "192.0.2.7", true},
		{"0", "X-Forwarded-For", "", true},
		{"0", "X-Forwarded-Proto", "https", true},
		{"0", "Forwarded", "for=192.0.2.7", true},
		{"0", "Via", "1.1 proxy", true},
		{"0", "X-Real-Ip", "192.0.2.7", true},
		{"0", "Cf-Connecting-Ip", "192.0.2.7", true},
		{"127.0.0.1", "X-Forwarded-For", "192.0.2.7", false},
		{"127.0.0.1", "X-Forwarded-For", "unknown", true},
		{"1", "X-Forwarded-For", "unix:", true},
		{"1", "X-Forwarded-For", "192.0.2.7", false},
	} {
		h := http.Header{}
		if c.header != "" {
			h[c.header] = []string{c.value}
		}
		if got := trust(t, c.trust).Sender(peer, h); got.Relayed != c.want {
			t.Errorf("%s: %q, trusting %s: relayed %v, want %v", c.header, c.value, c.trust, got.Relayed, c.want)
		}
	}
}

// B2B-HTTP-041: host and scheme are those that the nearest proxy wrote.
func TestHostAndProto(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		trust         string
		hosts, protos []string
		host, proto   string
	}{
		{"1", []string{"b2b.example"}, []string{"https"}, "b2b.example", "https"},
		{"1", []string{"evil.example, b2b.example:8443"}, []string{"http", "HTTPS"}, "b2b.example:8443", "https"},
		{"2", []string{"evil.example", "b2b.example,"}, []string{"https,"}, "b2b.example", "https"},
		{"10.0.0.0/8", []string{"[2001:db8::1]:443"}, []string{"wss"}, "[2001:db8::1]:443", "https"},
		{"1", []string{"[::1]"}, []string{"ws"}, "[::1]", "http"},
		{"0", []string{"b2b.example"}, []string{"https"}, "", ""},
		{"10.0.0.1", []string{"b2b.example"}, []string{"https"}, "", ""},
		{"1", []string{"b2b.example/path"}, []string{"javascript"}, "", ""},
		{"1", []string{"a b"}, []string{"https://"}, "", ""},
		{"1", []string{"b2b.example:x"}, []string{""}, "", ""},
		{"1", []string{"user@b2b.example"}, nil, "", ""},
		{"1", []string{":80"}, nil, "", ""},
		{"1", []string{"[::1]x"}, nil, "", ""},
		{"1", []string{"[1.2.3.4]"}, nil, "", ""},
		{"1", []string{"b2b.example\" onclick=\""}, nil, "", ""},
	} {
		h := http.Header{"X-Forwarded-Host": c.hosts, "X-Forwarded-Proto": c.protos}
		got := trust(t, c.trust).Sender("10.0.0.9:1", h)
		if got.Host != c.host || got.Proto != c.proto || got.Addr != "10.0.0.9" {
			t.Errorf("%q %q, trusting %s: %+v", c.hosts, c.protos, c.trust, got)
		}
	}
}

// FuzzSender checks that a client which writes the beginning of the header has no influence, and
// that the result is an address if the connection has one.
func FuzzSender(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "[::1]:80, x", ",,", "fe80::1%a", "unknown", "10.0.0.1, 10.0.0.2", "1.2.3.4:5\n6.7.8.9"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, sent string, own bool) {
		lines := strings.Split(sent, "\n")
		const peer, client = "10.0.0.9:1", "192.0.2.7"
		proxied := append(lines, client)
		if !own {
			proxied = append(lines[:len(lines)-1:len(lines)-1], lines[len(lines)-1]+", "+client)
		}
		for _, text := range []string{"1", "10.0.0.0/8"} {
			if got := trust(t, text).Sender(peer, http.Header{"X-Forwarded-For": proxied}); got.Addr != client {
				t.Errorf("%q, trusting %s: %+v", proxied, text, got)
			}
			got := trust(t, text).Sender(peer, http.Header{"X-Forwarded-For": lines, "X-Forwarded-Host": lines, "X-Forwarded-Proto": lines})
			if a, err := netip.ParseAddr(got.Addr); err != nil || a.Zone() != "" || strings.ContainsAny(got.Host, " /\"<>@,") {
				t.Errorf("%q, trusting %s: %+v", lines, text, got)
			}
		}
	})
}
