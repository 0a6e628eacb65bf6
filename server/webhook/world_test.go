package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is moved.
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

func (c *clock) pass(d time.Duration) {
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

// got is one request that a receiver got.
type got struct {
	id     string
	text   string // of the message
	header http.Header
	body   []byte
}

// receiver is where a webhook leads. Its answer may be changed at any time.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer http.HandlerFunc
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
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
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

func (r *receiver) got() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// keys is what the secrets of all tests are sealed under.
var keys = seal.New(seal.NewKey())

// world is an org with a bot that talks, ann, and bots that have webhooks.
type world struct {
	*testing.T
	store store.Store
	clock *clock
	org   string
	ann   string // her id
	texts int
}

func newWorld(t *testing.T) *world {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: filepath.Join(t.TempDir(), "b2b.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return worldOn(t, st)
}

func worldOn(t *testing.T, st store.Store) *world {
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, store: st, clock: newClock()}
	return w.found("org", "ann")
}

// neighbour is the world of another org on the same store.
func (w *world) neighbour(org, ann string) *world {
	n := &world{T: w.T, store: w.store, clock: w.clock}
	return n.found(org, ann)
}

// found makes the org.
func (w *world) found(org, ann string) *world {
	w.org, w.ann = org, ann
	w.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: org, Name: org, SecretHash: "h", Status: store.OrgActive})
	})
	w.bot(ann, "", "")
	return w
}

func (w *world) change(org string, fn func(context.Context, store.Tx) error) {
	w.Helper()
	ctx := context.Background()
	if err := w.store.Update(ctx, org, func(tx store.Tx) error { return fn(ctx, tx) }); err != nil {
		w.Fatal(err)
	}
}

// bot adds a bot with a webhook, unless url is empty, and a channel with ann.
func (w *world) bot(id, url, secret string) {
	w.Helper()
	w.change(w.org, func(ctx context.Context, tx store.Tx) error {
		b := &store.Bot{ID: id, OrgID: w.org, Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive}
		if secret != "" {
			b.SealedSecret = new(keys.Seal(seal.Webhook(id), secret))
		}
		if url != "" {
			b.SealedURL = new(keys.Seal(seal.WebhookURL(id), url))
		}
		err := tx.CreateBot(ctx, b)
		if id != w.ann {
			err = errors.Join(err, tx.CreateChannel(ctx, &store.Channel{ID: "channel-" + id, OrgID: w.org, Type: store.ChannelDirect}, w.ann, id))
		}
		if url != "" {
			err = errors.Join(err, tx.StartWebhook(ctx, id), w.append(ctx, tx, store.Event{Audience: store.AudienceOrg}, &b2bv1.Event{
				Event: &b2bv1.Event_BotRegistered{BotRegistered: &b2bv1.BotRegisteredEvent{Bot: &b2bv1.RegisteredBot{Id: id, Name: id}}},
			}))
		}
		return err
	})
}

func (w *world) append(ctx context.Context, tx store.Tx, to store.Event, e *b2bv1.Event) error {
	payload, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	to.Payload, to.At = payload, w.clock.Now().UnixMilli()
	to.Type = string(e.ProtoReflect().WhichOneof(e.ProtoReflect().Descriptor().Oneofs().Get(0)).Name())
	_, err = tx.Append(ctx, to)
	return err
}

// emit appends an event.
func (w *world) emit(to store.Event, e *b2bv1.Event) {
	w.Helper()
	w.change(w.org, func(ctx context.Context, tx store.Tx) error { return w.append(ctx, tx, to, e) })
}

// say sends messages between ann and a bot, and gives their texts: "1", "2", …
func (w *world) say(sender, bot string, n int) (texts []string) {
	w.Helper()
	channel := "channel-" + bot
	w.change(w.org, func(ctx context.Context, tx store.Tx) error {
		texts = nil
		for i := range n {
			text := fmt.Sprint(w.texts + i + 1)
			texts = append(texts, text)
			err := w.append(ctx, tx, store.Event{Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &sender}, &b2bv1.Event{
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
	w.texts += n
	return texts
}

// node runs a dispatcher until stop is called, or the test ends.
func (w *world) node(name string, edit ...func(*Config)) (d *Dispatcher, stop func()) {
	w.Helper()
	hub := eventlog.New(eventlog.Config{Store: w.store, Logger: slog.New(slog.DiscardHandler)})
	c := Config{
		Store: w.store, Keys: keys, Log: hub, Node: name, Version: "test", Clock: w.clock, Logger: slog.New(slog.DiscardHandler),
		Policy: webhookurl.Policy{Resolver: nobody{}, Allow: here(w)}, Lease: time.Hour, // the clock jumps
	}
	for _, e := range edit {
		e(&c)
	}
	d = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(ctx); err != nil {
			w.Errorf("run: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		hub.Close()
	})
	w.Cleanup(stop)
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

// nobody is a resolver that knows no names.
type nobody struct{}

func (nobody) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, errors.New("no such host")
}

// await waits until something holds. With a step, the clock moves on meanwhile.
func (w *world) await(what string, step time.Duration, holds func() bool) {
	w.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("timed out: %s", what)
		}
		if step > 0 {
			w.clock.pass(step)
		}
	}
}

// gets waits until a receiver has got as many requests.
func (w *world) gets(r *receiver, n int) []got {
	w.Helper()
	w.await(fmt.Sprintf("%d requests", n), 0, func() bool { return len(r.got()) >= n })
	return r.got()
}

func (w *world) health(bot string) *store.WebhookStatus {
	w.Helper()
	s, err := w.store.WebhookStatus(context.Background(), bot)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) dead(bot string) []store.WebhookDelivery {
	w.Helper()
	rows, err := w.store.DeadLetters(context.Background(), "org", bot, nil, 5000)
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

func (w *world) waiting(bot string) []store.WebhookDelivery {
	w.Helper()
	rows, err := w.store.WaitingDeliveries(context.Background(), bot, 5000)
	if err != nil {
		w.Fatal(err)
	}
	return rows
}

func texts(all []got) (out []string) {
	for _, g := range all {
		out = append(out, g.text)
	}
	return out
}

// once checks that every text came, in each request under the id that it had first.
func (w *world) once(all []got, want []string) {
	w.Helper()
	ids, seen := map[string]string{}, map[string]string{}
	for _, g := range all {
		if id, ok := ids[g.text]; ok && id != g.id {
			w.Errorf("%s was delivered as %s and as %s", g.text, id, g.id)
		}
		if text, ok := seen[g.id]; ok && text != g.text {
			w.Errorf("%s names both %s and %s", g.id, text, g.text)
		}
		ids[g.text], seen[g.id] = g.id, g.text
	}
	for _, text := range want {
		if ids[text] == "" {
			w.Errorf("%s was lost", text)
		}
	}
}

// changed is what tells that the access of a bot changed.
func changed(bot string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{BotId: &bot}}}
}
