package call

import (
	"net/http/httptest"
	"testing"

	"github.com/b2b-protocol/b2b/internal/forwarded"
)

// TestCrossSite uses the headers that browsers and other clients send with a cookie: Chrome,
// Firefox and Safari (since 16.4) send fetch metadata, and Origin with every method that changes
// something (B2B-AUTH-030).
func TestCrossSite(t *testing.T) {
	t.Parallel()
	const here, there, sister = "https://b2b.example", "https://evil.example", "https://www.b2b.example"
	metadata := func(site, mode, dest string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}
	}
	onePeer, err := forwarded.Parse("1")
	if err != nil {
		t.Fatal(err)
	}
	with := func(headers []string, more ...string) []string { return append(headers, more...) }
	for _, c := range []struct {
		name    string
		headers []string
		refused bool
	}{
		{"fetch from our page", with(metadata("same-origin", "cors", "empty"), "Origin", here), false},
		{"form of our page", with(metadata("same-origin", "navigate", "document"), "Origin", here, "Sec-Fetch-User", "?1"), false},
		{"form of our page that hides its referrer", with(metadata("same-origin", "navigate", "document"), "Origin", "null"), false},
		{"form sent again by reload", metadata("none", "navigate", "document"), false},
		{"fetch from another site", with(metadata("cross-site", "cors", "empty"), "Origin", there), true},
		{"fetch without CORS from another site", with(metadata("cross-site", "no-cors", "empty"), "Origin", there), true},
		{"form of another site", with(metadata("cross-site", "navigate", "document"), "Origin", there, "Sec-Fetch-User", "?1"), true},
		{"form of another site that hides its referrer", with(metadata("cross-site", "navigate", "document"), "Origin", "null"), true},
		{"form in a sandboxed frame", with(metadata("cross-site", "navigate", "iframe"), "Origin", "null"), true},
		{"form of a data: page", with(metadata("cross-site", "navigate", "document"), "Origin", "null"), true},
		{"fetch from a sister host", with(metadata("same-site", "cors", "empty"), "Origin", sister), true},
		{"form of a sister host", with(metadata("same-site", "navigate", "document"), "Origin", sister), true},
		{"beacon of another site", with(metadata("cross-site", "no-cors", "empty"), "Origin", there, "Content-Type", "text/plain"), true},
		{"an extension", with(metadata("cross-site", "cors", "empty"), "Origin", "chrome-extension://abcdef"), true},
		{"old browser, our page", []string{"Origin", here}, false},
		{"old browser, our page on another port", []string{"Origin", "http://b2b.example:3000"}, false}, // B2B-AUTH-030 compares hosts alone
		{"old browser, our page in capitals", []string{"Origin", "https://B2B.Example"}, false},
		{"old browser, another site", []string{"Origin", there}, true},
		{"old browser, another site, our address as referrer", []string{"Origin", there, "Referer", here + "/"}, true},
		{"old browser, sandboxed frame", []string{"Origin", "null"}, true},
		{"old browser, a name that begins like ours", []string{"Origin", here + ".evil.example"}, true},
		{"old browser, a name that ends like ours", []string{"Origin", "https://notb2b.example"}, true},
		{"old browser, our name as user", []string{"Origin", "https://b2b.example@evil.example"}, true},
		{"no address", []string{"Origin", "%%"}, true},
		{"curl with a cookie jar", []string{"User-Agent", "curl/8.5.0"}, false},
		{"curl with a bearer, too", []string{"Authorization", "Bearer x"}, false},
		{"another site with a bearer", []string{"Authorization", "Bearer x", "Origin", there}, true},
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET", "HEAD"} {
			for _, edge := range []Edge{{}, {Domain: "b2b.example"}, {Proxies: onePeer}} {
				r := httptest.NewRequest(method, here+"/api/org/settings", nil)
				r.Header.Set("Cookie", SessionCookie+"=s")
				if edge.Domain != "" || !edge.Proxies.None() {
					r.Host = "10.0.0.7:4800" // as a proxy sees the node
				}
				if !edge.Proxies.None() {
					r.Header.Set("X-Forwarded-Host", "b2b.example")
				}
				for i := 0; i < len(c.headers); i += 2 {
					r.Header.Set(c.headers[i], c.headers[i+1])
				}
				want := c.refused && method != "GET" && method != "HEAD"
				if got := edge.Info(r, "rest").Credentials.CrossSite; got != want {
					t.Errorf("%s: %s with %+v is cross-site: %v, want %v", c.name, method, edge, got, want)
				}
			}
		}
	}
}

// TestCrossSiteNeedsACookie: a request without a cookie uses no session, so it is never
// cross-site.
func TestCrossSiteNeedsACookie(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "https://b2b.example/api/send", nil)
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Authorization", "Bearer x")
	if (Edge{}).Info(r, "rest").Credentials.CrossSite {
		t.Error("a request with a bearer alone is cross-site")
	}
}
