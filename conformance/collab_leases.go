package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

const leaseShape = "id:s name:s mode:=exclusive|shared holder:o note:s? fence:i acquired_at:i expires_at:i"

// leaseChecks returns the checks of leases on named things.
func leaseChecks() []Check {
	return []Check{
		{[]string{"B2B-LEASE-001"}, "a bot takes a lease on a name", takenLeases},
		{[]string{"B2B-LEASE-002"}, "the name of a lease is a path or a pattern", leaseNames},
		{[]string{"B2B-LEASE-003", "B2B-LEASE-004", "B2B-LEASE-005"}, "leases that overlap exclude each other unless both are shared", overlappingLeases},
		{[]string{"B2B-LEASE-006", "B2B-LEASE-014"}, "who waits longest gets a lease first", leaseQueue},
		{[]string{"B2B-LEASE-006", "B2B-LEASE-009", "B2B-LEASE-016"}, "a lease that expires goes to a bot that waits", expiringLease},
		{[]string{"B2B-LEASE-007"}, "a wait ends with its id, and can be continued at its place", continuedWait},
		{[]string{"B2B-LEASE-008"}, "a repeated request gets the same lease", repeatedLease},
		{[]string{"B2B-LEASE-009", "B2B-LEASE-010", "B2B-LEASE-011"}, "a lease is renewed and released by its holder, and revoked by admins", endedLeases},
		{[]string{"B2B-LEASE-012"}, "leases are listed by name, holder and overlap", listedLeases},
		{[]string{"B2B-LEASE-013"}, "the leases of a deleted bot end", leaseOfDeletedBot},
		{[]string{"B2B-LEASE-015", "B2B-EVT-041", "B2B-EVT-033", "B2B-WS-033"}, "events about leases are delivered to who names their types", leaseEvents},
		{[]string{"B2B-LEASE-004", "B2B-LEASE-006"}, "of many bots that want a lease one holds it at a time", contendedLease},
	}
}

// lease asks for a lease.
func (t *T) lease(by Caller, name string, more J) *Response {
	return t.Do("POST", "/api/leases", by, with(J{"name": name}, more))
}

func takenLeases(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	r := t.lease(bot, "repo/src/main.go", J{"note": "refactoring"}).Status(201).Shape("", leaseShape).Shape("holder", "id:s name:s")
	t.has(r, J{"name": "repo/src/main.go", "mode": "exclusive", "note": "refactoring", "holder": J{"id": bot.ID, "name": bot.Name}})
	if r.Num("expires_at")-r.Num("acquired_at") != 60_000 {
		t.Errorf("%s: the lease is not for 60 seconds", r)
	}
	r = t.lease(bot, "repo/docs/**", J{"mode": "shared", "ttl_seconds": 3600}).Status(201).Shape("", leaseShape)
	t.has(r, J{"mode": "shared", "note": nil})
	if r.Num("expires_at")-r.Num("acquired_at") != 3_600_000 {
		t.Errorf("%s: the lease is not for an hour", r)
	}
	for _, body := range []any{
		nil, J{}, J{"name": nil}, J{"name": 5}, J{"name": "x", "mode": "both"}, J{"name": "x", "ttl_seconds": 0}, J{"name": "x", "ttl_seconds": 86401},
		J{"name": "x", "ttl_seconds": "60"}, J{"name": "x", "wait_seconds": -1}, J{"name": "x", "wait_seconds": 61}, J{"name": "x", "wait_seconds": 1e12}, J{"name": "x", "note": J{}},
	} {
		t.Do("POST", "/api/leases", bot, body).Refused(400, "VALIDATION_ERROR")
	}
	t.lease(bot, "x", J{"ttl_seconds": 86400, "wait_seconds": 60}).Status(201)
	t.lease(bot.Scoped("read", "message"), "y", nil).Refused(403, "INSUFFICIENT_SCOPE")
	t.lease(o.Human(), "y", nil).Refused(403, "FORBIDDEN")
	t.lease(bot.Scoped("thread"), "y", nil).Status(201)
}

func leaseNames(t *T) {
	bot := t.Org().Bot("worker")
	for _, name := range []string{"a", "a/b.c/d e", "*", "**", "a/**/b*c", "ü/表", "x/" + strings.Repeat("s/", 30) + "s", strings.Repeat("n", 512), "p" + strings.Repeat("*p", 8)} {
		t.has(t.lease(bot, name, J{"mode": "shared"}).Status(201), J{"name": name})
	}
	for _, name := range []string{"", "/a", "a/", "a//b", ".", "a/../b", "a**", "a/b**/c", `a\b`, "a\nb", "a/\U0010FFFF", "x/" + strings.Repeat("s/", 31) + "s", strings.Repeat("n", 513), "q" + strings.Repeat("*q", 9)} {
		t.lease(bot, name, J{"mode": "shared"}).Refused(400, "VALIDATION_ERROR")
	}
}

func overlappingLeases(t *T) {
	o, other := t.Org(), t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	held := t.lease(ann, "repo/src/**", nil).Status(201)
	for _, name := range []string{"repo/src/**", "repo/src", "repo/src/a/b.go", "repo/*", "**/main.go", "**"} {
		for _, by := range []Caller{ann, bob} {
			r := t.lease(by, name, nil).Refused(409, "LEASE_HELD")
			t.has(r, J{
				"lease_id": held.Str("id"), "name": "repo/src/**", "holder_id": ann.ID, "holder_name": ann.Name, "expires_at": held.Num("expires_at"), "waiting_ahead": 0,
			})
			if hint, _ := r.find("hint"); hint == nil {
				t.Errorf("%s: has no hint", r)
			}
		}
		t.lease(bob, name, J{"mode": "shared"}).Refused(409, "LEASE_HELD")
	}
	for _, name := range []string{"repo/srcs", "repo", "repo/*/x", "docs/src/a"} {
		want := 201
		if name == "repo/*/x" { // src/x
			want = 409
		}
		t.lease(bob, name, nil).Status(want)
	}
	t.lease(other.Bot("worker"), "repo/src/**", nil).Status(201)

	t.lease(ann, "wiki/*", J{"mode": "shared"}).Status(201)
	t.lease(bob, "wiki/home", J{"mode": "shared"}).Status(201)
	t.lease(bob, "wiki/home", nil).Refused(409, "LEASE_HELD")
	t.lease(bob, "wiki/home/page", nil).Status(201)
}

func leaseQueue(t *T) {
	o := t.Org()
	holder := o.Bot("holder")
	held := t.lease(holder, "q", nil).Status(201)
	last := held.Num("fence")
	var waits []func()
	var mu sync.Mutex
	var order []string
	for i, name := range []string{"first", "second", "third"} {
		bot := o.Bot(name)
		waits = append(waits, t.background(func() {
			r := t.lease(bot, "q", J{"wait_seconds": 30}).Status(201)
			mu.Lock()
			order = append(order, name)
			if r.Num("fence") <= last {
				t.Errorf("%s: the fence does not rise after %v", r, last)
			}
			last = r.Num("fence")
			mu.Unlock()
			t.Do("DELETE", "/api/leases/"+r.Str("id"), bot, nil).OK().Equal("released", true)
		}))
		t.eventually(soon, "the call does not wait", func() bool {
			r := t.lease(holder, "q", nil).Refused(409, "LEASE_HELD")
			return r.Num("waiting_ahead") == float64(i+1)
		})
	}
	t.Do("DELETE", "/api/leases/"+held.Str("id"), holder, nil).OK()
	for _, wait := range waits {
		wait()
	}
	if want := []string{"first", "second", "third"}; !slices.Equal(order, want) {
		t.Errorf("granted in the order %v, want %v", order, want)
	}
	t.lease(holder, "q", nil).Status(201)
}

func expiringLease(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	s := t.stream("bob", bob, []string{"types", "lease_released"})
	held := t.lease(ann, "e", J{"ttl_seconds": 2}).Status(201)
	t.lease(ann, "unwanted", J{"ttl_seconds": 1}).Status(201)
	r := t.lease(bob, "e", J{"wait_seconds": 30}).Status(201)
	if r.Num("acquired_at") < held.Num("expires_at") {
		t.Errorf("%s: begins before the end of %s", r, held)
	}
	t.Do("POST", "/api/leases/"+held.Str("id")+"/renew", ann, J{}).Refused(409, "LEASE_LOST")
	t.Get("/api/leases/"+held.Str("id"), ann).Refused(404, "NOT_FOUND")
	ended := map[string]bool{}
	for range 2 {
		fr := s.next("lease_released")
		s.is(fr, J{"reason": "expired"})
		if _, has := fr.JSON["by"]; has {
			t.Errorf("an expired lease was ended by somebody: %s", fr.Raw)
		}
		ended[fr.str("lease.name")] = true
	}
	if !ended["e"] || !ended["unwanted"] {
		t.Errorf("ended: %v", ended)
	}
}

func continuedWait(t *T) {
	o := t.Org()
	ann, bob, cyd := o.Bot("ann"), o.Bot("bob"), o.Bot("cyd")
	held := t.lease(ann, "c", nil).Status(201)
	wait := t.lease(bob, "c", J{"wait_seconds": 1}).Refused(409, "LEASE_HELD").Str("wait_id")
	t.lease(bob, "d", J{"wait_seconds": 1, "wait_id": wait}).Refused(400, "VALIDATION_ERROR")
	t.lease(bob, "c", J{"wait_seconds": 1, "wait_id": wait, "mode": "shared"}).Refused(400, "VALIDATION_ERROR")
	granted := t.background(func() { t.lease(cyd, "c", J{"wait_seconds": 30}).Status(201) })
	t.eventually(soon, "the calls do not wait", func() bool {
		return t.lease(ann, "c", nil).Refused(409, "LEASE_HELD").Num("waiting_ahead") == 2
	})
	t.Do("DELETE", "/api/leases/"+held.Str("id"), ann, nil).OK()
	got := t.lease(bob, "c", J{"wait_seconds": 10, "wait_id": wait}).Status(201)
	again := t.lease(bob, "c", J{"wait_seconds": 10, "wait_id": wait}).Status(201)
	if got.Str("id") != again.Str("id") {
		t.Errorf("%s, then %s", got, again)
	}
	t.Do("DELETE", "/api/leases/"+got.Str("id"), bob, nil).OK()
	granted()
	t.lease(bob, "free", J{"wait_seconds": 1, "wait_id": "unknown"}).Status(201)
}

func repeatedLease(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	held := t.lease(ann, "r", J{"request_id": "one"}).Status(201)
	if again := t.lease(ann, "r", J{"request_id": "one"}).Status(201); again.Str("id") != held.Str("id") || again.Num("fence") != held.Num("fence") {
		t.Errorf("%s, then %s", held, again)
	}
	t.lease(ann, "s", J{"request_id": "one"}).Refused(409, "IDEMPOTENCY_KEY_REUSED")
	t.lease(ann, "r", J{"request_id": "two"}).Refused(409, "LEASE_HELD")
	var ids [2]string
	both := t.background(func() {
		t.Concurrently(len(ids), func(i int) {
			ids[i] = t.lease(bob, "r", J{"wait_seconds": 30, "request_id": "three"}).Status(201).Str("id")
		})
	})
	t.eventually(soon, "the calls do not wait", func() bool {
		return t.lease(ann, "r", nil).Refused(409, "LEASE_HELD").Num("waiting_ahead") == 1
	})
	t.Do("DELETE", "/api/leases/"+held.Str("id"), ann, nil).OK()
	both()
	if ids[0] != ids[1] || ids[0] == held.Str("id") {
		t.Errorf("one request got %s and %s", ids[0], ids[1])
	}
}

func endedLeases(t *T) {
	o, other := t.Org(), t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	held := t.lease(ann, "x", J{"ttl_seconds": 100}).Status(201)
	path := "/api/leases/" + held.Str("id")
	r := t.Do("POST", path+"/renew", ann, J{"ttl_seconds": 200}).OK().Shape("", leaseShape)
	if r.Num("expires_at")-held.Num("expires_at") < 99_000 || r.Num("fence") != held.Num("fence") {
		t.Errorf("%s, renewed %s", held, r)
	}
	if again := t.Do("POST", path+"/renew", ann, nil).OK(); again.Num("expires_at") < r.Num("expires_at") {
		t.Errorf("%s, renewed %s", r, again)
	}
	t.Do("POST", path+"/renew", ann, J{"ttl_seconds": 0}).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", path+"/renew", bob, nil).Refused(403, "FORBIDDEN")
	t.Do("DELETE", path, bob, nil).Refused(403, "FORBIDDEN")
	for _, stranger := range []Caller{other.Bot("worker"), other.Admin} {
		t.Do("POST", path+"/renew", stranger, nil).Refused(409, "LEASE_LOST")
		t.Do("DELETE", path, stranger, nil).Refused(409, "LEASE_LOST")
		t.Get(path, stranger).Refused(404, "NOT_FOUND")
	}
	t.Do("DELETE", path, ann.Scoped("read"), nil).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("DELETE", path, ann, nil).OK().Equal("released", true)
	t.Do("DELETE", path, ann, nil).Refused(409, "LEASE_LOST")
	t.Do("POST", path+"/renew", ann, nil).Refused(409, "LEASE_LOST")
	for _, admin := range []Caller{o.Admin, o.Human()} {
		id := t.lease(ann, "x", nil).Status(201).Str("id")
		t.Do("DELETE", "/api/leases/"+id, admin, nil).OK().Equal("released", true)
		t.Get(query("/api/audit", "action", "lease.revoke", "target_id", id), o.Human()).OK().Len("", 1)
	}
}

func listedLeases(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	for _, l := range []struct {
		by   Caller
		name string
	}{{ann, "a"}, {bob, "a/b"}, {ann, "a/b/**"}, {bob, "ab"}, {ann, "z*"}} {
		t.lease(l.by, l.name, J{"mode": "shared"}).Status(201)
	}
	reader := ann.Scoped("read")
	list := func(keyValues ...string) []string {
		return t.Get(query("/api/leases", keyValues...), reader).OK().Shape("", "items:a has_more:b !cursor").Pluck("items", "name")
	}
	for _, c := range []struct {
		query []string
		want  []string
	}{
		{nil, []string{"a", "a/b", "a/b/**", "ab", "z*"}},
		{[]string{"prefix", "a/"}, []string{"a/b", "a/b/**"}},
		{[]string{"bot", "bob"}, []string{"a/b", "ab"}},
		{[]string{"bot", ann.ID, "prefix", "a"}, []string{"a", "a/b/**"}},
		{[]string{"name", "a/b"}, []string{"a/b", "a/b/**"}},
		{[]string{"name", "*"}, []string{"a", "ab", "z*"}},
		{[]string{"name", "zoo", "bot", "ann"}, []string{"z*"}},
		{[]string{"name", "none"}, nil},
	} {
		if got := list(c.query...); !slices.Equal(got, c.want) {
			t.Errorf("%v lists %v, want %v", c.query, got, c.want)
		}
	}
	t.Get("/api/leases?name=a//b", ann).Refused(400, "VALIDATION_ERROR")
	t.Get("/api/leases?bot=nobody", ann).Refused(404, "NOT_FOUND")
	t.Get("/api/leases?cursor=none", ann).Refused(400, "VALIDATION_ERROR")
	t.Get("/api/leases", ann.Scoped("message")).Refused(403, "INSUFFICIENT_SCOPE")
	t.Get("/api/leases", t.Org().Human()).OK().Len("items", 0)
	var paged []string
	cursor := ""
	for {
		r := t.Get(query("/api/leases", "limit", "2", "cursor", cursor), o.Human()).OK()
		paged = append(paged, r.Pluck("items", "name")...)
		for _, id := range r.Pluck("items", "id") {
			t.has(t.Get("/api/leases/"+id, o.Human()).OK().Shape("", leaseShape), J{"id": id})
		}
		if !r.Bool("has_more") {
			break
		}
		cursor = r.Str("cursor")
	}
	if want := list(); !slices.Equal(paged, want) {
		t.Errorf("pages of two list %v, want %v", paged, want)
	}
}

func leaseOfDeletedBot(t *T) {
	o := t.Org()
	ann, bob := o.Bot("ann"), o.Bot("bob")
	s := t.stream("bob", bob, []string{"types", "lease_released,lease_acquired"})
	t.lease(ann, "x", nil).Status(201)
	granted := t.background(func() { t.lease(bob, "x", J{"wait_seconds": 30}).Status(201) })
	t.eventually(soon, "the calls do not wait", func() bool {
		return t.lease(bob, "x", nil).Refused(409, "LEASE_HELD").Num("waiting_ahead") == 1
	})
	t.Do("DELETE", "/api/bots/"+ann.ID, o.Admin, nil).Status(200)
	granted()
	s.next("lease_acquired")
	s.is(s.next("lease_released"), J{"reason": "holder_deleted", "by": o.Admin.ID})
	s.next("lease_acquired")
}

func leaseEvents(t *T) {
	s := newLiveFixture(t)
	named := t.stream("named", s.Bob, []string{"types", "lease_acquired,lease_released,bot_renamed"})
	all := t.open("all", s.Bob, "types", "*,lease_released")
	only := t.open("only", s.Bob, "types", "lease_acquired,bot_renamed")
	person := t.stream("person", s.Human(), []string{"types", "*,lease_acquired,lease_released"})
	plain := []*Feed{t.open("plain", s.Bob).Feed, t.stream("plain stream", s.Bob, nil).Feed, t.stream("star", s.Bob, []string{"types", "*"}).Feed}
	held := t.lease(s.Ann, "x", J{"note": "n"}).Status(201)
	t.Do("DELETE", "/api/leases/"+held.Str("id"), s.Ann, nil).OK()
	again := t.lease(s.Ann, "x", nil).Status(201)
	t.Do("DELETE", "/api/leases/"+again.Str("id"), s.Admin, nil).OK()
	mark := s.mark()
	frames := named.expect(mark, "lease_acquired", "lease_released", "lease_acquired", "lease_released")
	named.is(frames[1], J{"reason": "released", "by": s.Ann.ID})
	named.is(frames[3], J{"reason": "revoked", "by": s.Admin.ID})
	t.has(named.asResponse(frames[0]).Shape("lease", leaseShape), J{"lease.id": held.Str("id"), "lease.note": "n", "lease.fence": held.Num("fence")})
	person.expect(mark, "lease_acquired", "lease_released", "lease_acquired", "lease_released")
	all.expect(mark, "lease_released", "lease_released")
	only.expect(mark, "lease_acquired", "lease_acquired")
	for _, f := range plain {
		f.expect(mark)
	}
	t.dial("unknown", "ticket", t.wsTicket(s.Bob), "types", "no_such_type").closes(4009, "VALIDATION_ERROR")
	t.Get("/api/events?types=no_such_type", s.Bob).Refused(400, "VALIDATION_ERROR")
}

func contendedLease(t *T) {
	o := t.Org()
	const bots, rounds = 6, 4
	s := t.stream("admin", o.Admin, []string{"types", "lease_acquired,lease_released"})
	workers := make([]*Bot, bots)
	for i := range workers {
		workers[i] = o.Bot(fmt.Sprint("w", i))
	}
	names := []string{"one", "*", "one/**", "**"}
	t.Concurrently(bots, func(i int) {
		for round := range rounds {
			r := t.lease(workers[i], names[(i+round)%len(names)], J{"wait_seconds": 60}).Status(201)
			t.Do("DELETE", "/api/leases/"+r.Str("id"), workers[i], nil).OK()
		}
	})
	held, fence := 0, float64(0)
	for range 2 * bots * rounds {
		_, fr := s.seek("an event of a lease", func(fr Frame) bool { return fr.kind() == "lease_acquired" || fr.kind() == "lease_released" })
		if fr.kind() == "lease_released" {
			held--
			continue
		}
		// "one" and "one/**" overlap, and all others do: at any time one lease is held.
		if held++; held > 1 {
			t.Errorf("%d leases at the same time", held)
		}
		f := s.asResponse(fr).Num("lease.fence")
		if f <= fence {
			t.Errorf("fence %v after %v", f, fence)
		}
		fence = f
	}
}
