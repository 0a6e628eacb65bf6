package conformance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// elsewhere lets a request come from an address that nobody had before, as far as the server believes a proxy before it: failed
// logins are counted by address, and those of a check must not lock the others out.
func elsewhere() Option {
	return Header("X-Forwarded-For", somewhere())
}

// throttleChecks covers how many logins may fail.
func throttleChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-048"}, "the sixth failure of a login finds it locked, right or wrong", func(t *T) {
			o := t.Org()
			human := J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}
			wrong := J{"type": "org_admin", "org_id": o.ID, "org_secret": "wrong"}
			unknown := J{"type": "bot", "token": "bot_" + strings.Repeat("1", 48)}
			here := elsewhere()
			login := func(body J, opts ...Option) *Response { return t.Do("POST", "/api/auth/login", nil, body, opts...) }
			for range 4 {
				login(wrong, here).Refused(401, "INVALID_CREDENTIALS")
			}
			login(human, here).Status(200) // which forgets them
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
			if !o.believed() {
				return // to the server all of this suite has one address
			}
			login(human, elsewhere()).Status(200)
			there := elsewhere()
			for range 3 {
				login(J{"type": "super_admin", "admin_secret": "wrong"}, there).Refused(401, "INVALID_CREDENTIALS")
			}
			login(J{"type": "super_admin", "admin_secret": t.AdminSecret()}, there).locked(30 * 60)
			login(human, there).Status(200)
		}},
		{[]string{"B2B-AUTH-048"}, "a flood of guesses is told five times that it is wrong", func(t *T) {
			o := t.Org()
			if !o.believed() {
				return // it would lock this suite out
			}
			here := elsewhere()
			guess := func(body J, told *atomic.Int32) {
				switch r := t.Do("POST", "/api/auth/login", nil, body, here); r.StatusCode() {
				case 401:
					told.Add(1)
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
				t.Errorf("of 64 guesses at once %d of the secret and %d of a token were told 401, want 5", secrets.Load(), tokens.Load())
			}
			t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, here).locked(15 * 60)
			t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, elsewhere()).Status(200)
		}},
		{[]string{"B2B-AUTH-049"}, "an address is locked after twenty failures of any kind", func(t *T) {
			o := t.Org()
			if !o.believed() {
				return // it would lock this suite out
			}
			here := elsewhere()
			right := J{"type": "bot", "token": o.Admin.Token}
			for i := range 20 {
				guess := J{"type": "bot", "token": fmt.Sprintf("bot_%048x", i)}
				t.Do("POST", "/api/auth/login", nil, guess, here).Refused(401, "INVALID_TOKEN")
				if i == 18 {
					t.Do("POST", "/api/auth/login", nil, right, here).Status(200) // which forgets nothing of the address
				}
			}
			t.Do("POST", "/api/auth/login", nil, right, here).locked(15 * 60)
			t.Do("GET", "/api/me", o.Admin, nil, here).Status(200)
			t.Do("POST", "/api/auth/login", nil, right, elsewhere()).Status(200)
		}},
	}
}

// believed reports whether the server believes what X-Forwarded-For says.
func (o *Org) believed() bool {
	there := elsewhere()
	h := http.Header{}
	there(h)
	o.t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, there).Status(200)
	return o.Audit("auth.login").Str("0.detail.ip") == h.Get("X-Forwarded-For")
}

// locked asserts a 429 whose wait is nearly the whole lock of so many seconds.
func (r *Response) locked(seconds int) *Response {
	r.Refused(429, "RATE_LIMITED").Shape("", "retry_after:i")
	header, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || header > seconds || header < seconds-60 {
		return r.errorf("Retry-After is %q, want %d seconds", r.Header.Get("Retry-After"), seconds)
	}
	return r.Equal("retry_after", header)
}
