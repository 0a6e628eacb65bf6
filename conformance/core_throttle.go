package conformance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// newAddress gives a request a new address, if the server trusts X-Forwarded-For. Failed logins are
// counted by address, and those of one check must not lock the logins of others.
func newAddress() Option {
	return Header("X-Forwarded-For", randomAddress())
}

// throttleChecks returns the checks of the limit of failed logins.
func throttleChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-048"}, "after five failed logins, further ones are locked even with the right secret", loginLock},
		{[]string{"B2B-AUTH-048"}, "of many concurrent guesses only five get 401", concurrentGuesses},
		{[]string{"B2B-AUTH-049"}, "an address is locked after twenty failed logins of any kind", addressLock},
	}
}

func loginLock(t *T) {
	o := t.Org()
	human := J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}
	wrong := J{"type": "org_admin", "org_id": o.ID, "org_secret": "wrong"}
	unknown := J{"type": "bot", "token": "bot_" + strings.Repeat("1", 48)}
	here := newAddress()
	login := func(body J, opts ...Option) *Response { return t.Do("POST", "/api/auth/login", nil, body, opts...) }
	for range 4 {
		login(wrong, here).Refused(401, "INVALID_CREDENTIALS")
	}
	login(human, here).Status(200) // resets the count
	for range 5 {
		login(wrong, here).Refused(401, "INVALID_CREDENTIALS")
		login(unknown, here).Refused(401, "INVALID_TOKEN")
	}
	for range 2 {
		login(human, here).locked(15 * 60)
		login(wrong, here).locked(15 * 60)
		login(unknown, here).locked(15 * 60)
	}
	login(J{"type": "org_admin", "org_id": o.ID}, here).Refused(400, "VALIDATION_ERROR")
	login(J{"type": "bot", "token": o.Admin.Token}, here).Status(200)
	if !o.trustsForwarded() {
		return // all requests of this suite have the same address
	}
	login(human, newAddress()).Status(200)
	there := newAddress()
	for range 3 {
		login(J{"type": "super_admin", "admin_secret": "wrong"}, there).Refused(401, "INVALID_CREDENTIALS")
	}
	login(J{"type": "super_admin", "admin_secret": t.AdminSecret()}, there).locked(30 * 60)
	login(human, there).Status(200)
}

func concurrentGuesses(t *T) {
	o := t.Org()
	if !o.trustsForwarded() {
		return // it would lock the logins of this suite
	}
	here := newAddress()
	guess := func(body J, rejected *atomic.Int32) {
		switch r := t.Do("POST", "/api/auth/login", nil, body, here); r.StatusCode() {
		case 401:
			rejected.Add(1)
		default:
			r.locked(15 * 60)
		}
	}
	var secrets, tokens atomic.Int32
	t.Concurrently(16, func(i int) {
		for n := range 4 {
			guess(J{"type": "org_admin", "org_id": o.ID, "org_secret": fmt.Sprintf("%d of %d", n, i)}, &secrets)
			guess(J{"type": "bot", "token": "bot_" + strings.Repeat("1", 48)}, &tokens)
		}
	})
	if secrets.Load() != 5 || tokens.Load() != 5 {
		t.Errorf("of 64 concurrent guesses %d of the secret and %d of a token got 401, want 5", secrets.Load(), tokens.Load())
	}
	t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, here).locked(15 * 60)
	t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, newAddress()).Status(200)
}

func addressLock(t *T) {
	o := t.Org()
	if !o.trustsForwarded() {
		return // it would lock the logins of this suite
	}
	here := newAddress()
	right := J{"type": "bot", "token": o.Admin.Token}
	for i := range 20 {
		guess := J{"type": "bot", "token": fmt.Sprintf("bot_%048x", i)}
		t.Do("POST", "/api/auth/login", nil, guess, here).Refused(401, "INVALID_TOKEN")
		if i == 18 {
			t.Do("POST", "/api/auth/login", nil, right, here).Status(200) // does not reset the count of the address
		}
	}
	t.Do("POST", "/api/auth/login", nil, right, here).locked(15 * 60)
	t.Do("GET", "/api/me", o.Admin, nil, here).Status(200)
	t.Do("POST", "/api/auth/login", nil, right, newAddress()).Status(200)
}

// trustsForwarded reports whether the server trusts X-Forwarded-For of this suite.
func (o *Org) trustsForwarded() bool {
	there := newAddress()
	h := http.Header{}
	there(h)
	o.t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, there).Status(200)
	return o.Audit("auth.login").Str("0.detail.ip") == h.Get("X-Forwarded-For")
}

// locked asserts status 429 with a retry time of at most 60 seconds less than the given lock time.
func (r *Response) locked(seconds int) *Response {
	r.Refused(429, "RATE_LIMITED").Shape("", "retry_after:i")
	header, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || header > seconds || header < seconds-60 {
		return r.errorf("Retry-After is %q, want %d seconds", r.Header.Get("Retry-After"), seconds)
	}
	return r.Equal("retry_after", header)
}
