package conformance

import (
	"crypto/rand"
	"fmt"
	"net/http"
)

// randomAddress returns a random private address.
func randomAddress() string {
	var b [3]byte
	rand.Read(b[:]) // never fails, by its contract
	return fmt.Sprintf("10.%d.%d.%d", b[0], b[1], b[2])
}

// forwarded sets the lines of X-Forwarded-For.
func forwarded(lines ...string) Option {
	return func(h http.Header) { h["X-Forwarded-For"] = lines }
}

// forwardedChecks returns the checks of the address of a caller behind a proxy. They are skipped if
// the server does not trust this suite as a proxy.
func forwardedChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-041", "B2B-HTTP-040", "B2B-HTTP-019"}, "the address of a caller is found in X-Forwarded-For in any notation", func(t *T) {
			o := t.Org()
			if !o.trustsForwarded() {
				return
			}
			for _, write := range []func(a string) ([]string, string){
				func(a string) ([]string, string) { return []string{a}, a },
				func(a string) ([]string, string) { return []string{"6.6.6.6, " + a}, a },
				func(a string) ([]string, string) { return []string{"6.6.6.6", a}, a },
				func(a string) ([]string, string) { return []string{"6.6.6.6, 7.7.7.7", "8.8.8.8,  " + a}, a },
				func(a string) ([]string, string) { return []string{a + ":61234"}, a },
				func(a string) ([]string, string) { return []string{a + ", ,"}, a },
				func(a string) ([]string, string) { return []string{a, ""}, a },
				func(a string) ([]string, string) { return []string{"unknown, " + a}, a },
				func(a string) ([]string, string) { return []string{"::ffff:" + a}, a },
				func(string) ([]string, string) { return []string{"[2001:db8::7]:443"}, "2001:db8::7" },
				func(string) ([]string, string) { return []string{"6.6.6.6, [2001:db8::8]"}, "2001:db8::8" },
				func(string) ([]string, string) { return []string{"fe80::9%eth0"}, "fe80::9" },
			} {
				lines, want := write(randomAddress())
				t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, forwarded(lines...)).Status(200)
				if got := o.Audit("auth.login").Str("0.detail.ip"); got != want {
					t.Errorf("X-Forwarded-For %q gives the address %s, want %s", lines, got, want)
				}
			}
		}},
		{[]string{"B2B-AUTH-080", "B2B-HTTP-041"}, "failed logins with a forged X-Forwarded-For do not lock the address of the operator", func(t *T) {
			if !t.Org().trustsForwarded() {
				return // all requests of this suite have the same address
			}
			operator, guesser := randomAddress(), randomAddress()
			login := func(secret string, lines ...string) *Response {
				return t.Do("POST", "/api/auth/login", nil, J{"type": "super_admin", "admin_secret": secret}, forwarded(lines...))
			}
			for _, lines := range [][]string{
				{operator + ", " + guesser}, {operator, guesser}, {operator, guesser + ":1"}, {operator + "," + guesser + ","},
			} {
				r := login("wrong", lines...)
				if r.StatusCode() == 401 {
					r.Refused(401, "INVALID_CREDENTIALS")
				} else {
					r.locked(30 * 60)
				}
			}
			login(t.AdminSecret(), guesser).locked(30 * 60)
			login(t.AdminSecret(), operator).Status(200)
		}},
	}
}
