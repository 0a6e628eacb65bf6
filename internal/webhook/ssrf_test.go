package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

// dns is the resolver of these tests. For a name with results separated by "then" each look-up
// returns the next one (DNS rebinding).
type dns struct {
	mu    sync.Mutex
	names map[string]string
	asked map[string]int
}

func (d *dns) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	results, ok := d.names[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	turns := strings.Split(results, " then ")
	turn := turns[min(d.asked[host], len(turns)-1)]
	d.asked[host]++
	var addrs []netip.Addr
	for a := range strings.FieldsSeq(turn) {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

const public = "93.184.216.34"

func newDNS() *dns {
	return &dns{asked: map[string]int{}, names: map[string]string{
		"hooks.example":         public,
		"localhost":             "127.0.0.1 ::1",
		"local.example":         "127.0.0.1",
		"ten.example":           "10.0.0.1",
		"metadata.example":      "169.254.169.254",
		"metadata6.example":     "fd00:ec2::254",
		"loop6.example":         "::1",
		"mapped.example":        "::ffff:127.0.0.1",
		"nat64.example":         "64:ff9b::7f00:1",
		"sixtofour.example":     "2002:7f00:1::",
		"teredo.example":        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"any.example":           "0.0.0.0",
		"any6.example":          "::",
		"a-then-b.example":      public + " 10.0.0.1",
		"b-then-a.example":      "10.0.0.1 " + public,
		"aaaa.example":          public + " ::1",
		"a.example":             "2606:4700::1111 127.0.0.1",
		"rebind.example":        public + " then 127.0.0.1",
		"rebind6.example":       "2606:4700::1111 then ::1",
		"rebindmix.example":     public + " then " + public + " 127.0.0.1",
		"rebindmapped.example":  public + " then ::ffff:127.0.0.1",
		"xn--bcher-kva.example": "127.0.0.1",
	}}
}

// inside are URLs that lead into the operator's network; %s is the port of a server that must not
// be reached. Some are refused by the parser, others by the look-up.
const inside = `
http://127.0.0.1%s/ http://127.0.0.2%s/ http://127.255.255.254%s/ http://127.1%s/ http://127.0.1%s/ http://0%s/ http://0.0.0.0%s/
http://0x7f000001%s/ http://0x7f.0.0.1%s/ http://0x7F.0x0.0x0.0x1%s/ http://2130706433%s/ http://017700000001%s/ http://0177.0.0.1%s/ http://0177.0.0.01%s/
http://00000177.1%s/ http://127.0.0.1.%s/ http://localhost%s/ http://LOCALHOST%s/ http://localhost.%s/ http://local.example%s/ http://LOCAL.example.%s/
http://[::1]%s/ http://[0:0:0:0:0:0:0:1]%s/ http://[::]%s/ http://[::ffff:127.0.0.1]%s/ http://[::ffff:7f00:1]%s/ http://[0:0:0:0:0:ffff:127.0.0.1]%s/
http://[::127.0.0.1]%s/ http://[64:ff9b::127.0.0.1]%s/ http://[64:ff9b:1::1]%s/ http://[2002:7f00:1::]%s/ http://[2001::1]%s/ http://[fe80::1]%s/
http://[fe80::1%%25eth0]%s/ http://[::1%%25lo]%s/ http://[fc00::1]%s/ http://[fd00:ec2::254]%s/ http://[ff02::1]%s/ http://[2001:db8::1]%s/ http://[fec0::1]%s/
http://10.0.0.1%s/ http://10.255.255.255%s/ http://172.16.0.1%s/ http://172.31.255.255%s/ http://192.168.0.1%s/ http://169.254.169.254%s/latest/meta-data/
http://100.64.0.1%s/ http://100.100.100.200%s/ http://192.0.0.1%s/ http://192.0.2.1%s/ http://198.18.0.1%s/ http://198.51.100.1%s/ http://203.0.113.1%s/
http://224.0.0.1%s/ http://239.1.2.3%s/ http://240.0.0.1%s/ http://255.255.255.255%s/ http://192.88.99.1%s/
http://ten.example%s/ http://metadata.example%s/ http://metadata6.example%s/ http://loop6.example%s/ http://mapped.example%s/ http://nat64.example%s/
http://sixtofour.example%s/ http://teredo.example%s/ http://any.example%s/ http://any6.example%s/
http://a-then-b.example%s/ http://b-then-a.example%s/ http://aaaa.example%s/ http://a.example%s/
http://hooks.example@127.0.0.1%s/ http://hooks.example:pass@127.0.0.1%s/ http://127.0.0.1%s@localhost/ http://hooks.example%%40127.0.0.1%s/
http://hooks.example\@127.0.0.1%s/ http://127.0.0.1\@hooks.example%s/ http://hooks.example#@127.0.0.1%s/x http:\\127.0.0.1%s/ http:/127.0.0.1%s/ http:127.0.0.1%s/
http://%%31%%32%%37.0.0.1%s/ http://127。0。0。1%s/ http://①②⑦.⓪.⓪.①%s/ http://ｌｏｃａｌｈｏｓｔ%s/ http://loc%%61lhost%s/ http://bücher.example%s/ http://xn--bcher-kva.example%s/
http://[::1]x%s/ http://[127.0.0.1]%s/ http://127.0.0.1%%00.hooks.example%s/ http://127.0.0.1%%09%s/ //127.0.0.1%s/
gopher://127.0.0.1%s/ file:///etc/passwd?%s dict://127.0.0.1%s/ unix:///var/run/docker.sock?%s javascript:alert(1)//%s
`

// secretServer returns the port of a server inside, and a function that counts its requests.
func secretServer(t *testing.T) (port string, reached func() int) {
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + u.Port(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// post makes an attempt.
func post(t *testing.T, p webhookurl.Policy, target string) result {
	t.Helper()
	conn := newSender(p, "test", 3*time.Second).connection(target, newSigner("hush"))
	defer conn.close()
	return conn.send(t.Context(), "id", []byte("{}"), time.Now(), tracecontext.Context{})
}

// TestNothingInsideIsReached: every URL of inside is refused at registration and at the connection.
// As a control, an operator can allow some of them, which are then reached.
func TestNothingInsideIsReached(t *testing.T) {
	t.Parallel()
	port, reached := secretServer(t)
	targets := 0
	for text := range strings.FieldsSeq(inside) {
		text := fmt.Sprintf(text, port)
		targets++
		for _, scheme := range []string{"http:", "https:"} {
			target := text
			if scheme == "https:" {
				var http bool
				if target, http = strings.CutPrefix(text, "http:"); !http {
					continue
				}
				target = "https:" + target
			}
			policy := webhookurl.Policy{Resolver: newDNS(), Plain: true} // as in developer mode
			if strings.Contains(target, "#@") {                          // hooks.example is the host
				policy.Resolver.(*dns).names["hooks.example"] = "10.1.1.1"
			}
			var refusal webhookurl.Refusal
			if err := policy.Check(t.Context(), target); !errors.As(err, &refusal) {
				t.Errorf("%s can be registered: %v", target, err)
			}
			policy.Resolver = newDNS()
			if strings.Contains(target, "#@") {
				policy.Resolver.(*dns).names["hooks.example"] = "10.1.1.1"
			}
			res := post(t, policy, target)
			if res.reason == "" || !res.blocked && !strings.Contains(res.reason, "cannot be found") {
				t.Errorf("%s was not refused: %+v", target, res)
			}
		}
	}
	if targets < 90 {
		t.Errorf("the corpus has %d targets", targets)
	}
	if n := reached(); n != 0 {
		t.Errorf("the server inside was reached %d times", n)
	}
	t.Logf("%d targets", targets)
	controls := 0
	for text := range strings.FieldsSeq("http://127.0.0.1%s/ http://local.example%s/ http://LOCAL.example.%s/ http://mapped.example%s/ http://[::ffff:127.0.0.1]%s/ http://xn--bcher-kva.example%s/ http://localhost%s/") {
		target := fmt.Sprintf(text, port)
		allow, err := webhookurl.ParseAllow("127.0.0.0/8, ::1")
		if err != nil {
			t.Fatal(err)
		}
		policy := webhookurl.Policy{Resolver: newDNS(), Allow: allow}
		if err := policy.Check(t.Context(), target); err != nil {
			t.Errorf("control: %s: %v", target, err)
		}
		if res := post(t, policy, target); res.reason != "" {
			t.Errorf("control: %s: %+v", target, res)
		}
		controls++
	}
	if n := reached(); n != controls {
		t.Errorf("%d of %d controls arrived", n, controls)
	}
}

// B2B-HOOK-031: a name that was public at registration and resolves to an address inside later is
// refused at the connection.
func TestRebinding(t *testing.T) {
	t.Parallel()
	port, reached := secretServer(t)
	for _, name := range []string{"rebind.example", "rebind6.example", "rebindmix.example", "rebindmapped.example"} {
		for _, scheme := range []string{"http", "https"} {
			policy := webhookurl.Policy{Resolver: newDNS(), Plain: true}
			target := scheme + "://" + name + port + "/"
			if err := policy.Check(t.Context(), target); err != nil {
				t.Errorf("%s: %v", target, err)
			}
			if res := post(t, policy, target); !res.blocked || !strings.Contains(res.reason, "not public") {
				t.Errorf("%s: %+v", target, res)
			}
		}
	}
	if n := reached(); n != 0 {
		t.Errorf("the server inside was reached %d times", n)
	}
	// The address that is dialled is that of the one look-up: there is no second one.
	names := newDNS()
	names.names["twice.example"] = "127.0.0.1 then 10.0.0.1"
	if res := post(t, webhookurl.Policy{Resolver: names, Allow: here(t)}, "http://twice.example"+port); res.reason != "" {
		t.Errorf("control: %+v", res)
	}
	if names.asked["twice.example"] != 1 || reached() != 1 {
		t.Errorf("looked up %d times, reached %d", names.asked["twice.example"], reached())
	}
}

// TestPermitAtTheSocket: Permit decides about any address, also one that no look-up returned.
func TestPermitAtTheSocket(t *testing.T) {
	t.Parallel()
	allow, err := webhookurl.ParseAllow("hooks.internal, 10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	p := webhookurl.Policy{Allow: allow}
	for _, c := range []struct {
		scheme, host, addr string
		want               error
	}{
		{"https", "x.example", public, nil},
		{"http", "x.example", public, webhookurl.BadScheme},
		{"https", "x.example", "127.0.0.1", webhookurl.NotPublic},
		{"http", "x.example", "10.1.1.1", nil},
		{"http", "hooks.internal", "192.168.1.1", nil},
		{"http", "other.internal", "192.168.1.1", webhookurl.NotPublic},
	} {
		if got := p.Permit(c.scheme, c.host, netip.MustParseAddr(c.addr)); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%v: %v", c, got)
		}
	}
}

// TestProxiesAndCertificates: proxies of the environment are not used, and certificates are
// verified.
func TestProxiesAndCertificates(t *testing.T) {
	port, reached := secretServer(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1"+port)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1"+port)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request over an untrusted certificate") }))
	defer secure.Close()
	secure.Config.ErrorLog = nil
	policy := webhookurl.Policy{Resolver: newDNS(), Allow: here(t), Plain: true}
	if res := post(t, policy, secure.URL); res.reason == "" || res.blocked {
		t.Errorf("an untrusted certificate: %+v", res)
	}
	secure.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	conn := connectionTo(t, secure, 3*time.Second)
	defer conn.close()
	if res := conn.posts(t, ""); res.reason != "" {
		t.Errorf("control: a trusted certificate: %+v", res)
	}
	if n := reached(); n != 0 {
		t.Errorf("the proxy was used %d times", n)
	}
}
