package service

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// traced is a store that records its use: the reads by name, and the writes of each transaction.
type traced struct {
	*sqlstore.Store
	did []string
}

func (s *traced) note(what string) { s.did = append(s.did, what) }

func (s *traced) Org(ctx context.Context, id string) (*store.Org, error) {
	s.note("read org")
	return s.Store.Org(ctx, id)
}

func (s *traced) Ticket(ctx context.Context, hash string) (*store.OrgTicket, error) {
	s.note("read ticket")
	return s.Store.Ticket(ctx, hash)
}

func (s *traced) LoginFailures(ctx context.Context, keys []string) ([]store.LoginFailures, error) {
	s.note("read failures")
	return s.Store.LoginFailures(ctx, keys)
}

func (s *traced) BotByTokenHash(ctx context.Context, hash string) (*store.Bot, error) {
	s.note("read bot")
	return s.Store.BotByTokenHash(ctx, hash)
}

func (s *traced) TokenByHash(ctx context.Context, hash string) (*store.Token, error) {
	s.note("read token")
	return s.Store.TokenByHash(ctx, hash)
}

func (s *traced) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	var did []string
	err := s.Store.Update(ctx, org, func(tx store.Tx) error {
		t := &tracedTx{Tx: tx}
		defer func() { did = t.did }()
		return fn(t)
	})
	end := "commit"
	if err != nil {
		end = "rollback"
	}
	s.did = append(append(append(s.did, "begin"), did...), end)
	return err
}

// tracedTx records each write alike, since each writes one row.
type tracedTx struct {
	store.Tx
	did []string
}

func (t *tracedTx) note(what string) { t.did = append(t.did, what) }

func (t *tracedTx) Org(ctx context.Context, id string) (*store.Org, error) {
	t.note("read org")
	return t.Tx.Org(ctx, id)
}

func (t *tracedTx) Ticket(ctx context.Context, hash string) (*store.OrgTicket, error) {
	t.note("read ticket")
	return t.Tx.Ticket(ctx, hash)
}

func (t *tracedTx) LoginFailures(ctx context.Context, keys []string) ([]store.LoginFailures, error) {
	t.note("read failures")
	return t.Tx.LoginFailures(ctx, keys)
}

func (t *tracedTx) PutLoginFailures(ctx context.Context, f *store.LoginFailures) error {
	t.note("write a row")
	return t.Tx.PutLoginFailures(ctx, f)
}

func (t *tracedTx) InsertAudit(ctx context.Context, e *store.AuditEntry) error {
	t.note("write a row")
	return t.Tx.InsertAudit(ctx, e)
}

func (t *tracedTx) RedeemInviteCode(ctx context.Context, hash string, now int64) (*store.InviteCode, error) {
	t.note("redeem")
	return t.Tx.RedeemInviteCode(ctx, hash, now)
}

// TestRefusalsDoTheSameWork: requests with the same refusal make the same reads, and the same
// transactions with as many rows, so that their time does not reveal the reason (B2B-AUTH-071).
func TestRefusalsDoTheSameWork(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	here, other := d.org(), d.org()
	d.bot(here, "ann")
	suspended := d.org()
	must(d.PlatformService.UpdateOrg(d.super(), &b2bv1.UpdateOrgRequest{OrgId: suspended.Id, Status: b2bv1.OrgStatus_ORG_STATUS_SUSPENDED.Enum()}))
	ticket := must(d.OrgService.CreateOrgTicket(d.as(d.admin(other)), &b2bv1.CreateOrgTicketRequest{})).Ticket
	code := *must(d.PlatformService.CreateInviteCode(d.super(), &b2bv1.CreateInviteCodeRequest{MaxUses: new(int32(1))})).InviteCode.Code
	redeem := func(s call.Services, ctx context.Context, code string) error {
		_, err := s.PlatformService.RedeemInviteCode(ctx, &b2bv1.RedeemInviteCodeRequest{InviteCode: &code, Name: new("new")})
		return err
	}
	if err := redeem(d.Services, d.nobody(), code); err != nil {
		t.Fatal(err)
	}
	const unknown = "0198c1de-7a3b-7c11-9f00-5d1e0a6b2c3f"
	type try = func(call.Services, context.Context) error
	login := func(org string) try {
		return func(s call.Services, ctx context.Context) error {
			_, err := s.AuthService.Login(ctx, orgLogin(org, "wrong"))
			return err
		}
	}
	register := func(org, secret, ticket, id string) try {
		return func(s call.Services, ctx context.Context) error {
			req := &b2bv1.RegisterBotRequest{OrgId: &org, Name: new("ann")}
			for text, into := range map[string]**string{secret: &req.OrgSecret, ticket: &req.Ticket, id: &req.RequestId} {
				if text != "" {
					*into = &text
				}
			}
			_, err := s.AuthService.RegisterBot(ctx, req)
			return err
		}
	}
	for i, c := range []struct {
		what  string
		tries []try // the last one is for something that does not exist
	}{
		{"login to an org", []try{login(here.Id), login(suspended.Id), login(unknown)}},
		{"registration with a secret", []try{
			register(here.Id, "wrong", "", ""), register(suspended.Id, "wrong", "", ""), register(unknown, "wrong", "", ""),
		}},
		{"registration with a secret, to be repeated", []try{
			register(here.Id, "wrong", "", "r1"), register(unknown, "wrong", "", "r1"),
		}},
		{"registration with a ticket", []try{
			register(here.Id, "", ticket, ""), register(here.Id, "", "tkt_0000000000000000", ""), register(unknown, "", "tkt_0000000000000000", ""),
		}},
		{"an invite code", []try{
			func(s call.Services, ctx context.Context) error { return redeem(s, ctx, code) },
			func(s call.Services, ctx context.Context) error { return redeem(s, ctx, "hxa_0000000000000000") },
		}},
	} {
		var traces, refusals []string
		for n, try := range c.tries {
			s := &traced{Store: d.store}
			deps := d.deps()
			deps.Store, deps.Throttle = narrowed(s), throttle(s)
			ctx := call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{}, Via: "rest", RemoteIP: fmt.Sprintf("192.0.%d.%d", i, n)})
			err := try(New(deps), ctx)
			if _, refused := call.AsError(err); !refused {
				t.Fatalf("%s, %d: %v, want a refusal", c.what, n, err)
			}
			traces, refusals = append(traces, strings.Join(s.did, ", ")), append(refusals, err.Error())
		}
		if len(slices.Compact(slices.Clone(refusals))) != 1 || len(slices.Compact(slices.Clone(traces))) != 1 {
			t.Errorf("%s differs:\n%s\n%s", c.what, strings.Join(traces, "\n"), strings.Join(refusals, "\n"))
		}
		if !strings.Contains(traces[0], "begin") && !strings.Contains(traces[0], "read") {
			t.Errorf("%s: nothing was recorded", c.what)
		}
	}
}

// TestSecretsAreHashedWithoutAnOrg: a secret is hashed also for an org that does not exist
// (B2B-AUTH-071). The test measures the time with a secret that takes milliseconds to hash.
func TestSecretsAreHashedWithoutAnOrg(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org, long := d.org(), strings.Repeat("x", 8<<20)
	check := func(id string) func() {
		return func() {
			if _, err := secretOrg(t.Context(), d.store, id, long); err == nil {
				t.Fatal("a wrong secret was accepted")
			}
		}
	}
	steps := []func(){func() { auth.Hash(long) }, check(org.Id), check("unknown")}
	least := []time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for range 10 { // in turn, so that a busy machine slows all of them
		for i, step := range steps {
			start := time.Now()
			step()
			least[i] = min(least[i], time.Since(start))
		}
	}
	hash, there, nobody := least[0], least[1], least[2]
	if there < hash/3 || nobody < hash/3 {
		t.Errorf("a wrong secret of an org takes %v, of an unknown one %v, and one hash %v", there, nobody, hash)
	}
}
