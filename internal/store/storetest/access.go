package storetest

import (
	"errors"

	"sync"
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
)

var inviteTests = []test{
	{"create, list, delete", func(s *suite) {
		var want []string
		for i := range 4 {
			c := &store.InviteCode{ID: s.id("inv"), CodeHash: s.id("hash"), Sealed: ptr("sealed"), Label: ptr(awkward), MaxUses: int64(i), ExpiresAt: 50, CreatedAt: 3}
			s.update("", func(tx store.Tx) error { return tx.CreateInviteCode(s.ctx, c) })
			want = append([]string{c.ID}, want...)
		}
		id := func(c store.InviteCode) string { return c.ID }
		first := must(s.InviteCodes(s.ctx, nil, 3))(s)
		rest := must(s.InviteCodes(s.ctx, &store.PageKey{At: 3, ID: first[2].ID}, 3))(s)
		same(s, "pages", append(keys(first, id), keys(rest, id)...), want)
		equal(s, "label", *first[0].Label, awkward)
		s.update("", func(tx store.Tx) error { return tx.DeleteInviteCode(s.ctx, want[0]) })
		s.refused("", store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteInviteCode(s.ctx, want[0]) })
		s.refused("", store.ConflictInviteCode, func(tx store.Tx) error {
			return tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: "again", CodeHash: first[1].CodeHash})
		})
	}},
	{"redeem", func(s *suite) {
		add := func(hash string, uses, expires int64) {
			s.update("", func(tx store.Tx) error {
				return tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: s.id("inv"), CodeHash: hash, MaxUses: uses, ExpiresAt: expires})
			})
		}
		add("twice", 2, 0)
		add("unlimited", 0, 100)
		redeem := func(hash string, now int64) (c *store.InviteCode, err error) {
			err = s.Update(s.ctx, "", func(tx store.Tx) (err error) { c, err = tx.RedeemInviteCode(s.ctx, hash, now); return err })
			return c, err
		}
		equal(s, "first use", must(redeem("twice", 1))(s).UseCount, 1)
		equal(s, "second use", must(redeem("twice", 1))(s).UseCount, 2)
		missing(redeem("twice", 1))(s)
		must(redeem("unlimited", 99))(s)
		missing(redeem("unlimited", 100))(s)
		missing(redeem("unknown", 1))(s)
	}},
	{"redeem in parallel", func(s *suite) {
		s.update("", func(tx store.Tx) error {
			return tx.CreateInviteCode(s.ctx, &store.InviteCode{ID: "i", CodeHash: "h", MaxUses: 5})
		})
		var won atomic.Int64
		parallel(64, func(int) {
			err := s.Update(s.ctx, "", func(tx store.Tx) error { _, err := tx.RedeemInviteCode(s.ctx, "h", 1); return err })
			if err == nil {
				won.Add(1)
			}
		})
		equal(s, "uses", won.Load(), 5)
	}},
}

// parallel runs fn n times at once and waits.
func parallel(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

func (s *suite) ticket(org string, edit ...func(*store.OrgTicket)) *store.OrgTicket {
	s.Helper()
	k := &store.OrgTicket{ID: s.id("ticket"), OrgID: org, Sealed: ptr("sealed"), CreatedAt: 4}
	k.IDHash, k.CodeHash = ptr("id hash of "+k.ID), ptr("hash of "+k.ID)
	for _, e := range edit {
		e(k)
	}
	s.update(org, func(tx store.Tx) error { return tx.CreateTicket(s.ctx, k) })
	return k
}

var ticketTests = []test{
	{"find by id or code", func(s *suite) {
		org := s.org()
		k := s.ticket(org, func(k *store.OrgTicket) { k.CreatedBy = ptr("somebody"); k.Reusable = true; k.SkipApproval = true })
		same(s, "by id", must(s.Ticket(s.ctx, *k.IDHash))(s), k)
		same(s, "by code", must(s.Ticket(s.ctx, *k.CodeHash))(s), k)
		missing(s.Ticket(s.ctx, k.ID))(s) // the id of the row opens nothing
		missing(s.Ticket(s.ctx, ""))(s)
		old := s.ticket(org, func(k *store.OrgTicket) { k.CodeHash = nil })
		same(s, "without code", must(s.Ticket(s.ctx, *old.IDHash))(s), old)
		s.refused(org, store.ConflictTicketCode, func(tx store.Tx) error {
			return tx.CreateTicket(s.ctx, &store.OrgTicket{ID: "x", OrgID: org, CodeHash: k.CodeHash})
		})
	}},
	{"list", func(s *suite) {
		org, other := s.org(), s.org()
		s.ticket(other)
		s.ticket(org, func(k *store.OrgTicket) { k.ExpiresAt = 100 }) // expired at now
		s.ticket(org, func(k *store.OrgTicket) { k.Consumed = true })
		a := s.ticket(org)
		b := s.ticket(org, func(k *store.OrgTicket) { k.ExpiresAt = 101 })
		c := s.ticket(org, func(k *store.OrgTicket) { k.CreatedAt = 3 })
		id := func(k store.OrgTicket) string { return k.ID }
		first := must(s.Tickets(s.ctx, org, 100, nil, 2))(s)
		same(s, "first page", keys(first, id), []string{b.ID, a.ID})
		rest := must(s.Tickets(s.ctx, org, 100, &store.PageKey{At: 4, ID: a.ID}, 2))(s)
		same(s, "second page", keys(rest, id), []string{c.ID})
	}},
	{"delete", func(s *suite) {
		org, other := s.org(), s.org()
		a, b := s.ticket(org), s.ticket(org, func(k *store.OrgTicket) { k.Consumed = true })
		s.refused(other, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.DeleteTicket(s.ctx, other, *a.IDHash, a.ID); return err })
		s.update(org, func(tx store.Tx) error {
			k, err := tx.DeleteTicket(s.ctx, org, *b.CodeHash, "x")
			if err == nil {
				same(s, "deleted", k, b)
			}
			return err
		})
		missing(s.Ticket(s.ctx, *b.IDHash))(s)
		must(s.Ticket(s.ctx, *a.IDHash))(s)
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteTicket(s.ctx, org, "x", a.ID); return err })
		missing(s.Ticket(s.ctx, *a.IDHash))(s)
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.DeleteTicket(s.ctx, org, "x", a.ID); return err })
	}},
	{"delete unconsumed", func(s *suite) {
		org, other := s.org(), s.org()
		s.ticket(org)
		s.ticket(org, func(k *store.OrgTicket) { k.Reusable = true })
		used := s.ticket(org, func(k *store.OrgTicket) { k.Consumed = true })
		kept := s.ticket(other)
		s.update(org, func(tx store.Tx) error {
			n, err := tx.DeleteUnconsumedTickets(s.ctx, org)
			equal(s, "deleted", n, 2)
			return err
		})
		must(s.Ticket(s.ctx, *used.IDHash))(s)
		must(s.Ticket(s.ctx, *kept.IDHash))(s)
	}},
	{"a single-use ticket is spent once by 64 callers", func(s *suite) {
		org := s.org()
		single, reusable := s.ticket(org), s.ticket(org, func(k *store.OrgTicket) { k.Reusable = true })
		var won atomic.Int64
		parallel(64, func(i int) {
			var first bool
			err := s.Update(s.ctx, org, func(tx store.Tx) (err error) {
				first, err = tx.ConsumeTicket(s.ctx, single.ID)
				if err == nil && first {
					err = tx.CreateBot(s.ctx, s.newBot(org, "winner"))
				}
				return err
			})
			if err != nil {
				s.Errorf("consume: %v", err)
			}
			if first {
				won.Add(1)
			}
		})
		equal(s, "winners", won.Load(), 1)
		equal(s, "consumed", must(s.Ticket(s.ctx, *single.IDHash))(s).Consumed, true)
		for _, id := range []string{reusable.ID, "unknown"} {
			s.update(org, func(tx store.Tx) error {
				first, err := tx.ConsumeTicket(s.ctx, id)
				equal(s, "consumed "+id, first, false)
				return err
			})
		}
		equal(s, "reusable consumed", must(s.Ticket(s.ctx, *reusable.IDHash))(s).Consumed, false)
	}},
}

func (s *suite) session(role string, org, bot *string, created, expires int64) *store.Session {
	s.Helper()
	k := &store.Session{Hash: s.id("session"), Role: role, OrgID: org, BotID: bot, OwnerName: ptr(awkward), Scopes: ptr(`["full"]`), CreatedAt: created, ExpiresAt: expires}
	k.Ref = "ref of " + k.Hash
	in := ""
	if org != nil {
		in = *org
	}
	s.update(in, func(tx store.Tx) error { return tx.CreateSession(s.ctx, k) })
	return k
}

var sessionTests = []test{
	{"create, read, slide, delete", func(s *suite) {
		org := s.org()
		k := s.session(store.RoleBotOwner, &org, ptr("bot"), 1, 100)
		same(s, "by hash", must(s.SessionByHash(s.ctx, k.Hash))(s), k)
		same(s, "by ref", must(s.SessionByRef(s.ctx, org, k.Ref))(s), k)
		missing(s.SessionByRef(s.ctx, "other", k.Ref))(s)
		missing(s.SessionByHash(s.ctx, "other"))(s)
		s.refused(org, store.ConflictSession, func(tx store.Tx) error { return tx.CreateSession(s.ctx, k) })
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.ExtendSession(s.ctx, k.Hash, 200), tx.ExtendSession(s.ctx, "gone", 200))
		})
		k.ExpiresAt = 200
		same(s, "extended", must(s.SessionByHash(s.ctx, k.Hash))(s), k)
		s.update(org, func(tx store.Tx) error {
			gone, err := tx.DeleteSession(s.ctx, k.Hash)
			same(s, "deleted", gone, k)
			return err
		})
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.DeleteSession(s.ctx, k.Hash); return err })
	}},
	{"list of an organisation", func(s *suite) {
		org, other := s.org(), s.org()
		a := s.session(store.RoleOrgAdmin, &org, nil, 1, 100)
		b := s.session(store.RoleBotOwner, &org, ptr("bot"), 2, 100)
		c := s.session(store.RoleBotOwner, &org, ptr("bot"), 2, 100)
		s.session(store.RoleBotOwner, &org, ptr("bot"), 3, 50) // expired
		s.session(store.RoleOrgAdmin, &other, nil, 4, 100)
		s.session(store.RoleSuperAdmin, nil, nil, 5, 100)
		hash := func(k store.Session) string { return k.Hash }
		same(s, "all", keys(must(s.Sessions(s.ctx, org, 50, 10, 0))(s), hash), []string{c.Hash, b.Hash, a.Hash})
		same(s, "second page", keys(must(s.Sessions(s.ctx, org, 50, 2, 2))(s), hash), []string{a.Hash})
	}},
	{"scopes", func(s *suite) {
		org, other := s.org(), s.org()
		a1 := s.session(store.RoleOrgAdmin, &org, nil, 2, 100)
		a2 := s.session(store.RoleOrgAdmin, &org, nil, 1, 100)
		b := s.session(store.RoleBotOwner, &org, ptr("bot"), 1, 100)
		s.session(store.RoleOrgAdmin, &other, nil, 1, 100)
		root := s.session(store.RoleSuperAdmin, nil, nil, 1, 100)
		hash := func(k store.Session) string { return k.Hash }
		admins := store.SessionScope{Role: store.RoleOrgAdmin, OrgID: org}
		same(s, "admins", keys(must(s.SessionsOf(s.ctx, admins, 50, 10))(s), hash), []string{a2.Hash, a1.Hash})
		same(s, "expired", keys(must(s.SessionsOf(s.ctx, admins, 100, 10))(s), hash), []string{})
		same(s, "bot", keys(must(s.SessionsOf(s.ctx, store.SessionScope{Role: store.RoleBotOwner, BotID: "bot"}, 50, 10))(s), hash), []string{b.Hash})
		same(s, "super", keys(must(s.SessionsOf(s.ctx, store.SessionScope{Role: store.RoleSuperAdmin}, 50, 10))(s), hash), []string{root.Hash})
		s.update(org, func(tx store.Tx) error {
			gone, err := tx.DeleteSessionsOf(s.ctx, admins)
			equal(s, "deleted", len(gone), 2)
			return err
		})
		must(s.SessionByHash(s.ctx, b.Hash))(s)
		s.update(org, func(tx store.Tx) error {
			gone, err := tx.DeleteOrgSessions(s.ctx, org)
			equal(s, "deleted", len(gone), 1)
			return err
		})
		equal(s, "others", len(must(s.Sessions(s.ctx, other, 50, 10, 0))(s)), 1)
	}},
	{"other admin secrets", func(s *suite) {
		org := s.org()
		old, ours, admin := s.session(store.RoleSuperAdmin, nil, nil, 1, 100), s.id("session"), s.session(store.RoleOrgAdmin, &org, nil, 1, 100)
		s.update("", func(tx store.Tx) error {
			return errorsOf(
				tx.CreateSession(s.ctx, &store.Session{Hash: ours, Ref: "r", Role: store.RoleSuperAdmin, SecretFingerprint: ptr("now"), ExpiresAt: 100}),
				tx.CreateSession(s.ctx, &store.Session{Hash: ours + "2", Ref: "r", Role: store.RoleSuperAdmin, SecretFingerprint: ptr("then"), ExpiresAt: 100}))
		})
		s.update("", func(tx store.Tx) error {
			n, err := tx.DeleteSessionsOfOtherSecrets(s.ctx, "now")
			equal(s, "ended", n, 2)
			return err
		})
		missing(s.SessionByHash(s.ctx, old.Hash))(s)
		same(s, "fingerprint", must(s.SessionByHash(s.ctx, ours))(s).SecretFingerprint, ptr("now"))
		must(s.SessionByHash(s.ctx, admin.Hash))(s)
	}},
	{"purge", func(s *suite) {
		org := s.org()
		for range 3 {
			s.session(store.RoleOrgAdmin, &org, nil, 1, 100)
		}
		kept := s.session(store.RoleOrgAdmin, &org, nil, 1, 101)
		s.inSteps(func(tx store.Tx, limit int) (int64, error) { return tx.PurgeSessions(s.ctx, 100, limit) })
		must(s.SessionByHash(s.ctx, kept.Hash))(s)
	}},
}

var tokenTests = []test{
	{"create, list, delete", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		k := &store.Token{ID: "t1", BotID: a, TokenHash: "h1", Scopes: `["read","read"]`, Label: ptr(awkward), ExpiresAt: ptr(int64(50)), CreatedAt: 1}
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.CreateToken(s.ctx, k),
				tx.CreateToken(s.ctx, &store.Token{ID: "t2", BotID: a, TokenHash: "h2", Scopes: "[]", CreatedAt: 1}),
				tx.CreateToken(s.ctx, &store.Token{ID: "t3", BotID: b, TokenHash: "h3", Scopes: "[]", CreatedAt: 1}))
		})
		same(s, "by hash", must(s.TokenByHash(s.ctx, "h1"))(s), k)
		missing(s.TokenByHash(s.ctx, "h9"))(s)
		id := func(k store.Token) string { return k.ID }
		same(s, "list", keys(must(s.Tokens(s.ctx, a, nil, 10))(s), id), []string{"t2", "t1"})
		same(s, "limited", keys(must(s.Tokens(s.ctx, a, nil, 1))(s), id), []string{"t2"})
		first := must(s.Tokens(s.ctx, a, nil, 1))(s)[0]
		same(s, "behind the first", keys(must(s.Tokens(s.ctx, a, &store.PageKey{At: first.CreatedAt, ID: first.ID}, 10))(s), id), []string{"t1"})
		s.refused(org, store.ConflictToken, func(tx store.Tx) error {
			return tx.CreateToken(s.ctx, &store.Token{ID: "t4", BotID: a, TokenHash: "h1", Scopes: "[]"})
		})
		s.refused(org, store.ErrNotFound, func(tx store.Tx) error { _, err := tx.DeleteToken(s.ctx, b, "t1"); return err })
		s.update(org, func(tx store.Tx) error { _, err := tx.DeleteToken(s.ctx, a, "t2"); return err })
		missing(s.TokenByHash(s.ctx, "h2"))(s)
	}},
	{"families", func(s *suite) {
		org := s.org()
		a, b := s.bot(org, "a"), s.bot(org, "b")
		parents := map[string]*string{"root": nil, "child": ptr("root"), "sister": ptr("root"), "grandchild": ptr("child"), "other": nil, "others": ptr("other")}
		opened := map[string]*store.Session{}
		s.update(org, func(tx store.Tx) error {
			for id, parent := range parents {
				if err := tx.CreateToken(s.ctx, &store.Token{ID: id, BotID: a, TokenHash: "h " + id, ParentID: parent, Scopes: "[]"}); err != nil {
					return err
				}
			}
			return tx.CreateToken(s.ctx, &store.Token{ID: "foreign", BotID: b, TokenHash: "h foreign", Scopes: "[]"})
		})
		for id := range parents {
			k := &store.Session{Hash: "s " + id, Ref: "r", Role: store.RoleBotOwner, OrgID: &org, BotID: &a, TokenID: &id, IsScopedToken: true, ExpiresAt: 9}
			opened[id] = k
			s.update(org, func(tx store.Tx) error { return tx.CreateSession(s.ctx, k) })
		}
		primary := s.session(store.RoleBotOwner, &org, &a, 1, 100)
		same(s, "by id", must(s.TokenByID(s.ctx, a, "grandchild"))(s).ParentID, ptr("child"))
		same(s, "of a session", must(s.SessionByHash(s.ctx, "s child"))(s), opened["child"])
		missing(s.TokenByID(s.ctx, b, "child"))(s)
		delete := func(bot, id string) (gone store.Descendants, err error) {
			s.update(org, func(tx store.Tx) error { gone, err = tx.DeleteToken(s.ctx, bot, id); return nil })
			return gone, err
		}
		if _, err := delete(b, "root"); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("another bot's token: %v", err)
		}
		equal(s, "sessions behind a refusal", len(must(s.Sessions(s.ctx, org, 1, 10, 0))(s)), 7)
		gone, err := delete(a, "child")
		equal(s, "child", gone, store.Descendants{Tokens: 1, Sessions: 2})
		gone, err2 := delete(a, "root")
		equal(s, "root", gone, store.Descendants{Tokens: 1, Sessions: 2})
		if err := errors.Join(err, err2); err != nil {
			s.Error(err)
		}
		id := func(k store.Token) string { return k.ID }
		same(s, "left", keys(must(s.Tokens(s.ctx, a, nil, 10))(s), id), []string{"others", "other"})
		must(s.TokenByID(s.ctx, b, "foreign"))(s)
		must(s.SessionByHash(s.ctx, primary.Hash))(s)
		must(s.SessionByHash(s.ctx, "s others"))(s)
		equal(s, "sessions left", len(must(s.Sessions(s.ctx, org, 1, 10, 0))(s)), 3)
	}},
	{"touch and purge", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		s.update(org, func(tx store.Tx) error {
			return errorsOf(tx.CreateToken(s.ctx, &store.Token{ID: "t1", BotID: a, TokenHash: "h1", Scopes: "[]", ExpiresAt: ptr(int64(50))}),
				tx.CreateToken(s.ctx, &store.Token{ID: "t3", BotID: a, TokenHash: "h3", Scopes: "[]", ExpiresAt: ptr(int64(49))}),
				tx.CreateToken(s.ctx, &store.Token{ID: "t4", BotID: a, TokenHash: "h4", Scopes: "[]", ExpiresAt: ptr(int64(48))}),
				tx.CreateToken(s.ctx, &store.Token{ID: "t2", BotID: a, TokenHash: "h2", Scopes: "[]"}))
		})
		s.update("", func(tx store.Tx) error { return tx.TouchTokens(s.ctx, map[string]int64{"t1": 7, "t2": 8, "gone": 9}) })
		s.update("", func(tx store.Tx) error { return tx.TouchTokens(s.ctx, map[string]int64{"t1": 6}) })
		equal(s, "t1", *must(s.TokenByHash(s.ctx, "h1"))(s).LastUsedAt, 7)
		s.inSteps(func(tx store.Tx, limit int) (int64, error) { return tx.PurgeTokens(s.ctx, 50, limit) })
		missing(s.TokenByHash(s.ctx, "h1"))(s)
		must(s.TokenByHash(s.ctx, "h2"))(s)
	}},
	{"webhook status", func(s *suite) {
		org := s.org()
		a := s.bot(org, "a")
		same(s, "none", must(s.WebhookStatus(s.ctx, a))(s), &store.WebhookStatus{BotID: a})
		for n := range int64(2) {
			w := &store.WebhookStatus{BotID: a, LastFailure: ptr(n), ConsecutiveFailures: 10 + n, Degraded: true}
			s.update(org, func(tx store.Tx) error { return tx.PutWebhookStatus(s.ctx, w) })
			same(s, "status", must(s.WebhookStatus(s.ctx, a))(s), w)
		}
	}},
}
