package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// fixture is the services on a new store, with a resolver that a test controls.
type fixture struct {
	*testing.T
	call.Services
	store  *sqlstore.Store
	auth   *auth.Authenticator
	keys   *seal.Keyring
	lookup func(host string) ([]netip.Addr, error)
}

func (d *fixture) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return d.lookup(host)
}

func newFixture(t *testing.T) *fixture {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	d := &fixture{T: t, store: st, keys: seal.New(seal.NewKey()), auth: auth.New(auth.Config{Store: store.NarrowViews(st, func(r store.Reader) auth.Reader { return r }, func(tx store.Tx) auth.Tx { return tx }), Log: log, Now: time.Now, AdminSecret: "secret"})}
	d.lookup = func(host string) ([]netip.Addr, error) {
		t.Errorf("%s was looked up", host)
		return nil, errors.New("not asked for")
	}
	d.Services = New(Deps{
		Store: narrowed(st), Throttle: throttle(st), Files: openFiles(t), Access: d.auth, Log: log, Now: time.Now, Keys: d.keys, Webhooks: webhookurl.Policy{Resolver: d},
		Config: Config{AdminSecret: "secret", MaxMessage: 65536, Version: "1.2.3"},
	})
	t.Cleanup(func() {
		if err := errors.Join(d.auth.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func throttle(s store.Store) *auth.Throttle {
	return &auth.Throttle{Store: store.Narrow(s, func(tx store.Tx) auth.ThrottleTx { return tx }), Now: time.Now}
}

// deps returns the dependencies of the services of a fixture.
func (d *fixture) deps() Deps {
	return Deps{
		Store: narrowed(d.store), Throttle: throttle(d.store), Files: openFiles(d.T), Access: d.auth, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Webhooks: webhookurl.Policy{Resolver: d}, Config: Config{AdminSecret: "secret", MaxMessage: 65536, Version: "1.2.3"},
	}
}

// as returns the context of a call with these credentials, as the pipeline makes it.
func (d *fixture) as(c call.Credentials) context.Context {
	d.Helper()
	info := &call.Info{Credentials: c, Caller: &call.Caller{}, Via: "rest", RemoteIP: "192.0.2.1"}
	if c.Bearer != "" || c.SessionID != "" {
		caller, err := d.auth.Authenticate(d.Context(), c)
		if err != nil {
			d.Fatal(err)
		}
		info.Caller = caller
	}
	return call.WithInfo(d.Context(), info)
}

func (d *fixture) super() context.Context {
	return call.WithInfo(d.Context(), &call.Info{Caller: &call.Caller{Kind: call.SuperAdmin}})
}

func (d *fixture) nobody() context.Context { return d.as(call.Credentials{}) }

// must returns the result of a call that does not fail in a test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (d *fixture) refused(err error, want b2bv1.ErrorCode) {
	d.Helper()
	var e *call.Error
	if !errors.As(err, &e) || e.Code != want {
		d.Errorf("got %v, want %v", err, want)
	}
}

func (d *fixture) org() *b2bv1.CreateOrgResponse {
	return must(d.PlatformService.CreateOrg(d.super(), &b2bv1.CreateOrgRequest{Name: new("org")}))
}

func (d *fixture) bot(org *b2bv1.CreateOrgResponse, name string) *b2bv1.RegisterBotResponse {
	return must(d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{OrgId: &org.Id, OrgSecret: &org.OrgSecret, Name: &name}))
}

// login opens a session and returns its cookie.
func (d *fixture) login(req *b2bv1.LoginRequest) call.Credentials {
	ctx := d.nobody()
	must(d.AuthService.Login(ctx, req))
	return call.Credentials{SessionID: call.From(ctx).Cookie.Value}
}

// admin opens a session of an org admin.
func (d *fixture) admin(org *b2bv1.CreateOrgResponse) call.Credentials {
	return d.login(orgLogin(org.Id, org.OrgSecret))
}

func orgLogin(org, secret string) *b2bv1.LoginRequest {
	return &b2bv1.LoginRequest{Type: b2bv1.LoginType_LOGIN_TYPE_ORG_ADMIN.Enum(), OrgId: &org, OrgSecret: &secret}
}

func (d *fixture) live(c call.Credentials) bool {
	return must(d.auth.Session(d.Context(), c.SessionID)) != nil
}

func bearer(token string) call.Credentials { return call.Credentials{Bearer: token} }

// A repeated request returns the same response, also when it contains a secret. The stored response
// is sealed.
func TestRepeatedResponsesWithSecrets(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	create := &b2bv1.CreateOrgRequest{Name: new("org"), RequestId: new("r1")}
	org := must(d.PlatformService.CreateOrg(d.super(), create))
	if again := must(d.PlatformService.CreateOrg(d.super(), create)); !proto.Equal(org, again) {
		t.Errorf("again: %v, first: %v", again, org)
	}
	_, err := d.PlatformService.CreateOrg(d.super(), &b2bv1.CreateOrgRequest{Name: new("other"), RequestId: new("r1")})
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED)

	admin := d.as(bearer(d.bot(org, "admin").Token))
	ticket := must(d.OrgService.CreateOrgTicket(admin, &b2bv1.CreateOrgTicketRequest{RequestId: new("r1")}))
	register := &b2bv1.RegisterBotRequest{OrgId: &org.Id, Ticket: &ticket.Ticket, Name: new("worker"), RequestId: new("r1")}
	first := must(d.AuthService.RegisterBot(d.nobody(), register))
	for range 2 { // although the ticket is used up
		if again := must(d.AuthService.RegisterBot(d.nobody(), register)); !proto.Equal(first, again) {
			t.Errorf("again: %v, first: %v", again, first)
		}
	}
	other := proto.CloneOf(register)
	other.Name = new("second")
	_, err = d.AuthService.RegisterBot(d.nobody(), other)
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_TICKET_CONSUMED)

	key, _, err := idempotencyKey(d.nobody(), register)
	if err != nil {
		t.Fatal(err)
	}
	record := must(d.store.Idempotency(t.Context(), org.Id, key, "r1"))
	if bytes.Contains(record.Response, []byte(first.Token)) {
		t.Error("the stored response contains the token in plain text")
	}
	if n := must(d.store.CountBots(t.Context(), org.Id)); n != 2 {
		t.Errorf("%d bots, want 2", n)
	}
}

func TestSessionsEvictTheOldest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t)
		org := d.org()
		one, two := d.bot(org, "one"), d.bot(org, "two")
		botLogin := func(b *b2bv1.RegisterBotResponse) *b2bv1.LoginRequest {
			return &b2bv1.LoginRequest{Type: b2bv1.LoginType_LOGIN_TYPE_BOT.Enum(), Token: &b.Token}
		}
		neighbour := d.login(botLogin(two))
		for name, tt := range map[string]struct {
			req  *b2bv1.LoginRequest
			most int
		}{
			"bot owner":   {botLogin(one), 5},
			"org admin":   {orgLogin(org.Id, org.OrgSecret), 5},
			"super admin": {&b2bv1.LoginRequest{Type: b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN.Enum(), AdminSecret: new("secret")}, 3},
		} {
			var all []call.Credentials
			for range tt.most + 2 {
				c := d.login(tt.req)
				d.as(c) // so that it is cached
				all = append(all, c)
				time.Sleep(2 * time.Millisecond) // sessions are ordered by the millisecond
			}
			for i, c := range all {
				if d.live(c) != (i >= 2) {
					t.Errorf("%s: session %d of %d is live: %v", name, i+1, len(all), d.live(c))
				}
			}
		}
		if !d.live(neighbour) {
			t.Error("another bot's session was ended")
		}
	})
}

// The address of a webhook is looked up only for callers with a valid credential, outside of the
// transaction, and not again for a repeated request.
func TestWebhookLookups(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org := d.org()
	req := &b2bv1.RegisterBotRequest{
		OrgId: &org.Id, OrgSecret: new("wrong"), Name: new("hooked"), WebhookUrl: new("https://hooks.example/x"),
	}
	_, err := d.AuthService.RegisterBot(d.nobody(), req)
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_CREDENTIALS)
	req.RequestId = new("r1")
	_, err = d.AuthService.RegisterBot(d.nobody(), req)
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_CREDENTIALS)

	admin := d.as(bearer(d.bot(org, "admin").Token))
	ticket := must(d.OrgService.CreateOrgTicket(admin, &b2bv1.CreateOrgTicketRequest{}))
	req.OrgSecret, req.Ticket = nil, &ticket.Ticket
	for _, address := range []string{"10.0.0.1", ""} {
		d.lookup = func(string) ([]netip.Addr, error) {
			if address == "" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr(address)}, nil
		}
		_, err = d.AuthService.RegisterBot(d.nobody(), req)
		d.refused(err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
	}
	d.lookup = func(string) ([]netip.Addr, error) {
		// The org can be changed meanwhile.
		must(d.OrgService.CreateOrgTicket(admin, &b2bv1.CreateOrgTicketRequest{}))
		return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
	}
	first := must(d.AuthService.RegisterBot(d.nobody(), req))
	d.lookup = nil // would panic
	if again := must(d.AuthService.RegisterBot(d.nobody(), req)); !proto.Equal(first, again) {
		t.Errorf("again: %v, first: %v", again, first)
	}
	bot := must(d.store.Bot(t.Context(), org.Id, first.BotId))
	if bot.SealedURL == nil {
		t.Fatal("there is no webhook")
	}
	if url, err := d.keys.Open(seal.WebhookURL(bot.ID), *bot.SealedURL); err != nil || url != "https://hooks.example/x" {
		t.Errorf("the webhook is %q, %v", url, err)
	}
}

// When a credential becomes valid between the look-up and the transaction, the webhook is checked
// before it is stored.
func TestWebhookOfACredentialThatBecomesValid(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org := d.org()
	s := d.AuthService.(*authService)
	turned := false
	turn := narrowed(&turning{Store: d.store, turn: func() {
		if !turned {
			turned = true
			must(struct{}{}, d.store.Update(t.Context(), org.Id, func(tx store.Tx) error {
				return tx.SetOrgSecret(t.Context(), org.Id, auth.Hash("new"))
			}))
		}
	}})
	s.core = &core{Deps: s.Deps, db: turn, started: s.started}
	lookups := 0
	d.lookup = func(string) ([]netip.Addr, error) {
		lookups++
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}
	_, err := d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{
		OrgId: &org.Id, OrgSecret: new("new"), Name: new("hooked"), WebhookUrl: new("https://hooks.example/x"), RequestId: new("r1"),
	})
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR)
	if lookups != 1 {
		t.Errorf("%d look-ups, want 1", lookups)
	}
}

// turning is a store that runs a change of the test before the first change of a service.
type turning struct {
	*sqlstore.Store
	turn func()
}

func (s *turning) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	s.turn()
	return s.Store.Update(ctx, org, fn)
}

// The deletion of a bot emits events to its threads, then to the org, then for the caches.
func TestEventsOfADeletion(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org := d.org()
	gone, other := d.bot(org, "gone"), d.bot(org, "other")
	me := d.as(bearer(gone.Token))
	shared := must(d.ThreadService.CreateThread(me, &b2bv1.CreateThreadRequest{
		Topic: new("shared"), Participants: &b2bv1.StringList{Values: []string{"other"}},
	}))
	alone := must(d.ThreadService.CreateThread(me, &b2bv1.CreateThreadRequest{Topic: new("alone")}))
	top := must(d.store.LogTop(t.Context(), org.Id))
	must(d.BotService.DeleteMe(me, &b2bv1.DeleteMeRequest{}))

	got := map[string]int{}
	rows := must(d.store.ReadLog(t.Context(), org.Id, top.Seq, 100))
	for _, row := range rows {
		e := new(b2bv1.Event)
		must(struct{}{}, proto.Unmarshal(row.Payload, e))
		got[row.Type]++
		if left := e.GetThreadParticipant(); left != nil &&
			(left.Action != b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT || left.BotName != "gone" || left.By != gone.BotId || left.Label != nil) {
			t.Errorf("events: %v", left)
		}
		if closed := e.GetThreadStatusChanged(); closed != nil &&
			(closed.ThreadId != alone.Thread.Id || closed.To != b2bv1.ThreadStatus_THREAD_STATUS_CLOSED) {
			t.Errorf("events: %v", closed)
		}
	}
	want := map[string]int{"thread_participant": 2, "thread_status_changed": 1, "bot_offline": 1, "access_changed": 1}
	if !maps.Equal(got, want) || rows[len(rows)-2].Type != "bot_offline" {
		t.Errorf("events: %v, want %v", got, want)
	}
	after := must(d.store.Thread(t.Context(), org.Id, shared.Thread.Id))
	if after.Revision != shared.Thread.Revision+1 || after.Status != "active" {
		t.Errorf("the shared thread is now %+v", after)
	}
	_, err := d.auth.Authenticate(t.Context(), bearer(gone.Token))
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN)
	d.as(bearer(other.Token))
}

// A single-use ticket registers one bot, also when several use it at once.
func TestTicketIsUsedOnce(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org := d.org()
	admin := d.as(bearer(d.bot(org, "admin").Token))
	ticket := must(d.OrgService.CreateOrgTicket(admin, &b2bv1.CreateOrgTicketRequest{}))
	var in atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			_, err := d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{
				OrgId: &org.Id, Ticket: &ticket.Ticket, Name: new(fmt.Sprintf("bot%d", i)),
			})
			if err == nil {
				in.Add(1)
			} else {
				d.refused(err, b2bv1.ErrorCode_ERROR_CODE_TICKET_CONSUMED)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d bots were registered, want 1", in.Load())
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		seconds *float64
		want    int64
	}{
		{nil, 1000 + 60_000}, {new(-1.0), 1000 + 60_000}, {new(0.0), 0}, {new(0.5), 1500}, {new(2.0), 3000},
		{new(1e300), lastTime}, {new(math.Inf(1)), lastTime}, {new(math.NaN()), 1000 + 60_000},
	} {
		if got := expiry(1000, tt.seconds, time.Minute); got != tt.want {
			t.Errorf("expiry(%v) = %d, want %d", tt.seconds, got, tt.want)
		}
	}
}
