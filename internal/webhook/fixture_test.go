package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock moves only by advance.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*timer]struct{}
}

type timer struct {
	at time.Time
	fn func()
}

func newClock() *clock {
	return &clock{now: time.UnixMilli(1_767_225_600_000), timers: map[*timer]struct{}{}}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) AfterFunc(d time.Duration, fn func()) func() {
	if d <= 0 {
		fn()
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.now.Add(d), fn}
	c.timers[t] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*timer
	for t := range c.timers {
		if !t.at.After(c.now) {
			due = append(due, t)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(due, func(a, b *timer) int { return a.at.Compare(b.at) })
	for _, t := range due {
		t.fn()
	}
}

// got is one request to a receiver.
type got struct {
	id     string
	text   string // of the message
	header http.Header
	body   []byte
}

// receiver is the server of a webhook. Its handler may be changed at any time.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	all     []got
	handler http.HandlerFunc
}

// receiver starts a receiver, which a node of the fixture reaches in memory.
func (fx *fixture) receiver() *receiver {
	r := &receiver{}
	r.Server = fx.network.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var e struct {
			Message struct{ Content string }
		}
		_ = json.Unmarshal(body, &e) // events of other types have none
		r.mu.Lock()
		r.all = append(r.all, got{req.Header.Get("webhook-id"), e.Message.Content, req.Header, body})
		handler := r.handler
		r.mu.Unlock()
		if handler != nil {
			handler(rw, req)
		}
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	fx.Cleanup(r.Close)
	return r
}

func (r *receiver) respond(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler = h
}

func (r *receiver) got() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func status(code int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
}

// keys encrypts the URLs and secrets of all tests.
var keys = seal.New(seal.NewKey())

// fixture is an org with a bot ann, which sends, and bots with webhooks.
type fixture struct {
	*testing.T
	store   *sqlstore.Store
	clock   *clock
	network *nettest.Network // of the receivers
	org     string
	ann     string // id
	texts   int
}

func newFixture(t *testing.T) *fixture {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: filepath.Join(t.TempDir(), "b2b.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return newFixtureOn(t, st)
}

func newFixtureOn(t *testing.T, st *sqlstore.Store) *fixture {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	fx := &fixture{T: t, store: st, clock: newClock(), network: &nettest.Network{}}
	return fx.createOrg("org", "ann")
}

// addOrg returns a fixture of another org in the same store.
func (fx *fixture) addOrg(org, ann string) *fixture {
	n := &fixture{T: fx.T, store: fx.store, clock: fx.clock, network: fx.network}
	return n.createOrg(org, ann)
}

// createOrg creates the org with ann.
func (fx *fixture) createOrg(org, ann string) *fixture {
	fx.org, fx.ann = org, ann
	fx.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: org, Name: org, SecretHash: "h", Status: store.OrgActive})
	})
	fx.bot(ann, "", "")
	return fx
}

func (fx *fixture) change(org string, fn func(context.Context, store.Tx) error) {
	fx.Helper()
	ctx := context.Background()
	if err := fx.store.Update(ctx, org, func(tx store.Tx) error { return fn(ctx, tx) }); err != nil {
		fx.Fatal(err)
	}
}

// bot creates a bot, a webhook unless url is empty, and a channel with ann.
func (fx *fixture) bot(id, url, secret string) {
	fx.Helper()
	fx.change(fx.org, func(ctx context.Context, tx store.Tx) error {
		b := &store.Bot{ID: id, OrgID: fx.org, Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive}
		if secret != "" {
			b.SealedSecret = new(keys.Seal(seal.Webhook(id), secret))
		}
		if url != "" {
			b.SealedURL = new(keys.Seal(seal.WebhookURL(id), url))
		}
		err := tx.CreateBot(ctx, b)
		if id != fx.ann {
			err = errors.Join(err, tx.CreateChannel(ctx, &store.Channel{ID: "channel-" + id, OrgID: fx.org, Type: store.ChannelDirect}, fx.ann, id))
		}
		if url != "" {
			err = errors.Join(err, tx.StartWebhook(ctx, id), fx.append(ctx, tx, store.Event{Audience: store.AudienceOrg}, &b2bv1.Event{
				Event: &b2bv1.Event_BotRegistered{BotRegistered: &b2bv1.BotRegisteredEvent{Bot: &b2bv1.RegisteredBot{Id: id, Name: id}}},
			}))
		}
		return err
	})
}

func (fx *fixture) append(ctx context.Context, tx store.Tx, to store.Event, e *b2bv1.Event) error {
	payload, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	to.Payload, to.At = payload, fx.clock.Now().UnixMilli()
	to.Type = string(e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().Get(0)).Name())
	_, err = tx.Append(ctx, to)
	return err
}

// emit appends an event.
func (fx *fixture) emit(to store.Event, e *b2bv1.Event) {
	fx.Helper()
	fx.change(fx.org, func(ctx context.Context, tx store.Tx) error { return fx.append(ctx, tx, to, e) })
}

// say sends messages between ann and a bot, and returns their texts: "1", "2", …
func (fx *fixture) say(sender, bot string, n int) (texts []string) {
	fx.Helper()
	channel := "channel-" + bot
	fx.change(fx.org, func(ctx context.Context, tx store.Tx) error {
		texts = nil
		for i := range n {
			text := fmt.Sprint(fx.texts + i + 1)
			texts = append(texts, text)
			err := fx.append(ctx, tx, store.Event{Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &sender}, &b2bv1.Event{
				Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{
					ChannelId: channel, SenderName: sender, Message: &b2bv1.ChannelMessage{Id: "m" + text, ChannelId: channel, SenderId: sender, Content: text},
				}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	fx.texts += n
	return texts
}

// setup is what a test may change of a node.
type setup struct {
	Config
	lease  time.Duration
	single bool
}

// narrowed returns the part of a store that a dispatcher needs.
func narrowed(s store.Store) Store {
	return store.Narrow(s, func(tx store.Tx) Tx { return tx })
}

// node runs a dispatcher until stop is called, or the test ends.
func (fx *fixture) node(name string, edit ...func(*setup)) (d *Dispatcher, stop func()) {
	fx.Helper()
	hub := eventlog.New(eventlog.Config{Store: fx.store, Logger: slog.New(slog.DiscardHandler)})
	c := setup{lease: time.Hour, Config: Config{ // the clock moves in large steps
		Store: narrowed(fx.store), Keys: keys, Log: hub, Version: "test", Clock: fx.clock, Logger: slog.New(slog.DiscardHandler),
		Policy: webhookurl.Policy{Resolver: noNames{}, Allow: here(fx)},
	}}
	for _, e := range edit {
		e(&c)
	}
	c.Node = node.New(node.Config{Store: store.Narrow(fx.store, func(tx store.Tx) node.Tx { return tx }), ID: name, Single: c.single, Lease: c.lease, Now: c.Clock.Now, Log: c.Logger})
	if err := c.Node.Start(context.Background()); err != nil {
		fx.Fatal(err)
	}
	d = New(c.Config)
	d.sender.dialers["http"] = func(ctx context.Context, to *url.URL) (net.Conn, error) {
		return fx.network.DialContext(ctx, "tcp", to.Host)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			fx.Errorf("run: %v", err)
		}
	})
	running.Go(func() {
		for ctx.Err() == nil {
			if err := c.Node.Renew(ctx); err != nil && ctx.Err() == nil {
				fx.Errorf("renew: %v", err)
			}
			next := make(chan struct{})
			stop := c.Clock.AfterFunc(c.lease/6, func() { close(next) })
			select {
			case <-next:
			case <-ctx.Done():
			}
			stop()
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := c.Node.End(context.Background()); err != nil {
			fx.Errorf("end: %v", err)
		}
		hub.Close()
	})
	fx.Cleanup(stop)
	return d, stop
}

// here allows webhooks to lead to this machine.
func here(t testing.TB) webhookurl.Allow {
	t.Helper()
	allow, err := webhookurl.ParseAllow("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return allow
}

// noNames is a resolver without names.
type noNames struct{}

func (noNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}

// await waits until a condition holds. It advances the clock by step after each check.
func (fx *fixture) await(what string, step time.Duration, holds func() bool) {
	fx.Helper()
	waittest.Until(fx, what, func() bool {
		if holds() {
			return true
		}
		if step > 0 {
			fx.clock.advance(step)
		}
		return false
	})
}

// receives waits until a receiver has got n requests.
func (fx *fixture) receives(r *receiver, n int) []got {
	fx.Helper()
	fx.await(fmt.Sprintf("%d requests", n), 0, func() bool { return len(r.got()) >= n })
	return r.got()
}

func (fx *fixture) health(bot string) *store.WebhookStatus {
	fx.Helper()
	s, err := fx.store.WebhookStatus(context.Background(), bot)
	if err != nil {
		fx.Fatal(err)
	}
	return s
}

func (fx *fixture) dead(bot string) []store.WebhookDelivery {
	fx.Helper()
	rows, err := fx.store.DeadLetters(context.Background(), "org", bot, nil, 5000)
	if err != nil {
		fx.Fatal(err)
	}
	return rows
}

func (fx *fixture) waiting(bot string) []store.WebhookDelivery {
	fx.Helper()
	rows, err := fx.store.WaitingDeliveries(context.Background(), bot, 5000)
	if err != nil {
		fx.Fatal(err)
	}
	return rows
}

func texts(all []got) (out []string) {
	for _, g := range all {
		out = append(out, g.text)
	}
	return out
}

// wantSameIDs checks that every text was delivered, and each text under one id.
func (fx *fixture) wantSameIDs(all []got, want []string) {
	fx.Helper()
	ids, seen := map[string]string{}, map[string]string{}
	for _, g := range all {
		if id, ok := ids[g.text]; ok && id != g.id {
			fx.Errorf("%s was delivered as %s and as %s", g.text, id, g.id)
		}
		if text, ok := seen[g.id]; ok && text != g.text {
			fx.Errorf("%s names both %s and %s", g.id, text, g.text)
		}
		ids[g.text], seen[g.id] = g.id, g.text
	}
	for _, text := range want {
		if ids[text] == "" {
			fx.Errorf("%s was lost", text)
		}
	}
}

// changed returns the event that the access of a bot changed.
func changed(bot string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{BotId: &bot}}}
}
