package conformance

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
)

// readScope is the list of scopes of a token that may only read.
var readScope = []string{"read"}

// mintToken asks for a scoped token.
func mintToken(t *T, by Caller, body any) *Response { return t.Do("POST", "/api/me/tokens", by, body) }

// tokenChecks returns the checks of scoped tokens.
func tokenChecks() []Check {
	return []Check{
		{[]string{"B2B-TOK-001"}, "a scoped token has scopes, a label and an expiry", newTokens},
		{[]string{"B2B-TOK-002"}, "the scopes, label and expiry of a token are validated", func(t *T) {
			o := t.Org()
			for _, body := range []any{
				J{}, nil, J{"scopes": []string{}}, J{"scopes": "read"}, J{"scopes": nil}, J{"scopes": J{}}, J{"scopes": []string{"root"}}, J{"scopes": []string{"read", ""}},
				J{"scopes": []any{1}}, J{"scopes": []any{nil}}, J{"scopes": []string{"READ"}}, J{"scopes": readScope, "label": 5}, J{"scopes": readScope, "label": J{}},
				J{"scopes": readScope, "expires_in": 0}, J{"scopes": readScope, "expires_in": -1}, J{"scopes": readScope, "expires_in": "60"}, J{"scopes": readScope, "expires_in": nil},
			} {
				mintToken(t, o.Admin, body).Refused(400, "VALIDATION_ERROR")
			}
			t.Get("/api/me/tokens", o.Admin).OK().Len("", 0)
			mintToken(t, o.Admin, J{"scopes": readScope}).Status(200)
		}},
		{[]string{"B2B-TOK-003"}, "tokens are listed newest first, without their secret", tokenList},
		{[]string{"B2B-TOK-004", "B2B-AUTH-047"}, "a revoked token is invalid at once", tokenRevocation},
		{[]string{"B2B-AUTH-060"}, "revoking a scoped token ends the tokens and sessions made with it", tokenRevocationDescends},
		{[]string{"B2B-AUTH-060"}, "tokens and sessions made with a scoped token expire no later than it", tokenExpiryDescends},
		{[]string{"B2B-TOK-006"}, "tokens and org secrets end with a checksum", func(t *T) {
			o := t.Org()
			for _, secret := range []string{o.Secret, string(o.Admin.Token), string(o.Bot("worker").Scoped("read")), string(o.Admin.Scoped("full"))} {
				body := secret[:len(secret)-8]
				if sum := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))); secret[len(body):] != sum {
					t.Errorf("a secret of %d characters does not end with the CRC-32 of its other characters", len(secret))
				}
			}
			typo := []byte(o.Admin.Token)
			typo[10] ^= 1
			t.Get("/api/me", Token(typo)).Refused(401, "INVALID_TOKEN")
		}},
		{[]string{"B2B-AUTH-053"}, "tokens, secrets, tickets and refs have the specified format", secretFormats},
		{[]string{"B2B-TOK-005"}, "the scope full allows managing tokens", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			for _, c := range []Caller{bot.Scoped("full"), bot.Login()} {
				id := mintToken(t, c, J{"scopes": []string{"full"}}).OK().Str("id")
				t.Get("/api/me/tokens", c).OK().Find("", "id", id)
				t.Do("DELETE", "/api/me/tokens/"+id, c, nil).Status(200)
			}
			mintToken(t, bot.Scoped("read", "thread", "message", "profile"), J{"scopes": readScope}).Refused(403, "INSUFFICIENT_SCOPE")
		}},
	}
}

func newTokens(t *T) {
	o := t.Org()
	all := []string{"full", "read", "thread", "message", "profile", "admin"}
	for _, c := range []struct {
		body, want J
		lifetime   time.Duration // 0 means never
	}{
		{J{"scopes": readScope}, J{"scopes": readScope, "label": nil}, 0},
		{J{"scopes": all, "label": "dashboard", "expires_in": 3600000}, J{"scopes": all, "label": "dashboard"}, time.Hour},
		{J{"scopes": []string{"read", "read"}, "label": nil, "expires_in": 60000.5}, J{"scopes": []string{"read", "read"}, "label": nil}, time.Minute},
		{J{"scopes": readScope, "label": ""}, J{"label": ""}, 0},
	} {
		r := mintToken(t, o.Admin, c.body).OK().Shape("", strings.Replace(tokenShape, "expires_at:n?", "expires_at:*", 1)+" token:s").Equal("last_used_at", nil)
		t.has(r, c.want)
		if token := r.Str("token"); len(token) != 55 || !strings.HasPrefix(token, "scoped_") {
			t.Errorf("%s: token is not scoped_ followed by 48 hex digits", r)
		}
		if c.lifetime == 0 {
			r.Equal("expires_at", nil)
		} else {
			r.expires("expires_at", c.lifetime, r.Num("created_at"))
		}
		t.Get("/api/org", Token(r.Str("token"))).Status(200)
	}
	short := Token(mintToken(t, o.Admin, J{"scopes": readScope, "expires_in": 3000}).OK().Str("token"))
	t.Get("/api/me", short).Status(200)
	t.Sleep(3100 * time.Millisecond)
	t.Get("/api/me", short).Refused(401, "TOKEN_EXPIRED")
}

func tokenList(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	mintToken(t, bot, J{"scopes": readScope}).Status(200)
	var want []string
	for _, label := range []string{"one", "two", "three"} {
		want = slices.Insert(want, 0, mintToken(t, o.Admin, J{"scopes": readScope, "label": label, "expires_in": 3600000}).OK().Str("id"))
		t.Sleep(5 * time.Millisecond)
	}
	r := t.Get("/api/me/tokens", o.Admin).OK()
	if got := r.Pluck("", "id"); !slices.Equal(got, want) {
		t.Errorf("%s: ids %v, want %v", r, got, want)
	}
	for i := range r.List("") {
		r.Shape(string(rune('0'+i)), strings.Replace(tokenShape, "expires_at:n?", "expires_at:n", 1)+" !token !token_hash")
	}
	r.Equal("0.label", "three").Equal("0.scopes", readScope)
}

func tokenRevocation(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	mine, theirs := mintToken(t, o.Admin, J{"scopes": readScope}).OK(), mintToken(t, bot, J{"scopes": readScope}).OK()
	t.Get("/api/me", Token(mine.Str("token"))).Status(200)
	for _, id := range []string{unusedID, theirs.Str("id"), "nonsense"} {
		t.Do("DELETE", "/api/me/tokens/"+id, o.Admin, nil).Refused(404, "NOT_FOUND")
	}
	t.Do("DELETE", "/api/me/tokens/"+mine.Str("id"), o.Admin, nil).Status(200).Equal("ok", true)
	t.Do("DELETE", "/api/me/tokens/"+mine.Str("id"), o.Admin, nil).Refused(404, "NOT_FOUND")
	t.Get("/api/me", Token(mine.Str("token"))).Refused(401, "INVALID_TOKEN")
	t.Get("/api/me", Token(theirs.Str("token"))).Status(200)
	t.Get("/api/me/tokens", o.Admin).OK().Len("", 0)
}

func tokenRevocationDescends(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	full := J{"scopes": []string{"full"}}
	made := func(c Caller, body J) *Response { return mintToken(t, c, body).OK() }
	session := func(token string) *Session { return t.Login(J{"type": "bot", "token": token}) }
	root := made(bot, full)
	child := made(Token(root.Str("token")), full)
	inside := made(session(root.Str("token")), J{"scopes": readScope}) // through a session
	grandchild := made(Token(child.Str("token")), J{"scopes": []string{"read", "profile"}})
	mine := made(bot.Login(), J{"scopes": readScope}) // through a session of the primary token
	over := []Caller{
		Token(child.Str("token")), Token(inside.Str("token")), Token(grandchild.Str("token")), session(root.Str("token")), session(grandchild.Str("token")),
	}
	stay := []Caller{bot, Token(mine.Str("token")), session(mine.Str("token"))}
	for _, c := range append(over, stay...) {
		t.Get("/api/me", c).Status(200)
	}
	t.Do("DELETE", "/api/me/tokens/"+root.Str("id"), bot, nil).OK()
	for _, c := range over {
		t.Get("/api/me", c).Status(401)
	}
	for _, c := range stay {
		t.Get("/api/me", c).Status(200)
	}
	if got := t.Get("/api/me/tokens", bot).OK().Pluck("", "id"); !slices.Equal(got, []string{mine.Str("id")}) {
		t.Errorf("the remaining tokens are %v, want %s", got, mine.Str("id"))
	}
}

func tokenExpiryDescends(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	begun := time.Now()
	mintToken(t, bot, J{"scopes": []string{"full"}}).OK()
	t.Login(J{"type": "bot", "token": string(bot.Token)})
	// A server this fast has made all that must be made before the token expires.
	seconds := max(3, int(10*time.Since(begun)/time.Second))
	parent := mintToken(t, bot, J{"scopes": []string{"full"}, "expires_in": seconds * 1000}).OK()
	ends := parent.Num("expires_at")
	by := Token(parent.Str("token"))
	owner := t.Login(J{"type": "bot", "token": parent.Str("token")})
	if at := owner.Login.Num("session.expires_at"); at > ends {
		t.Errorf("the session expires %v ms after its token", at-ends)
	}
	if age := fmt.Sprintf("Max-Age=%d;", seconds); !strings.Contains(owner.Login.Header.Get("Set-Cookie"), age) {
		t.Errorf("the cookie is %q, want %s", owner.Login.Header.Get("Set-Cookie"), age)
	}
	var over []Caller
	for _, c := range []Caller{by, owner} {
		for _, body := range []J{{"scopes": readScope}, {"scopes": readScope, "expires_in": 3600000}} {
			r := mintToken(t, c, body).OK().Equal("expires_at", ends)
			over = append(over, Token(r.Str("token")))
		}
	}
	if at := mintToken(t, by, J{"scopes": readScope, "expires_in": 1}).OK().Num("expires_at"); at > ends {
		t.Errorf("a token of one millisecond expires %v ms after its parent", at-ends)
	}
	whole := mintToken(t, by, J{"scopes": []string{"full"}}).OK()
	last := mintToken(t, Token(whole.Str("token")), J{"scopes": readScope}).OK().Equal("expires_at", ends) // as the parent of its parent
	mintToken(t, bot, J{"scopes": readScope}).OK().Equal("expires_at", nil)
	t.Get("/api/me", owner).Status(200)
	for t.Get("/api/me", by).StatusCode() == 200 {
		t.Sleep(50 * time.Millisecond)
	}
	for _, c := range append(over, by, Token(whole.Str("token")), Token(last.Str("token"))) {
		t.Get("/api/me", c).Refused(401, "TOKEN_EXPIRED")
	}
	t.Get("/api/me", owner).Refused(401, "AUTH_REQUIRED")
	mintToken(t, by, J{"scopes": readScope}).Refused(401, "TOKEN_EXPIRED")
	mintToken(t, owner, J{"scopes": readScope}).Refused(401, "AUTH_REQUIRED")
}

func secretFormats(t *T) {
	o := t.Org()
	owner := o.Admin.Login()
	code := t.Do("POST", "/api/platform/invite-codes", t.Super(), J{"max_uses": 1}).Status(201)
	t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("id"), t.Super(), nil).Status(204)
	for what, c := range map[string]struct {
		made, prefix string
		hex          int
	}{
		"primary token": {string(o.Admin.Token), "bot_", 48}, "scoped token": {string(o.Admin.Scoped("read")), "scoped_", 48}, "org secret": {o.Secret, "", 48},
		"org ticket": {o.Ticket(J{}), "tkt_", 16}, "invite code": {code.Str("code"), "hxa_", 16}, "session": {owner.Cookie, "", 64},
		"ref": {t.Get("/api/org/sessions", owner).OK().Str("items.0.ref"), "", 16}, "connection ticket": {t.wsTicket(o.Admin), "", 48},
	} {
		if text, ok := strings.CutPrefix(c.made, c.prefix); !ok || len(text) != c.hex || strings.Trim(text, "0123456789abcdef") != "" {
			t.Errorf("the %s is not %q followed by %d lower-case hex digits", what, c.prefix, c.hex)
		}
	}
}
