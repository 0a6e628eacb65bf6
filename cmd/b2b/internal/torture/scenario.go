package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Servers are the nodes of one installation. Any may be down.
type Servers interface {
	// Pick returns a random node: its name and its current or last URL.
	Pick(r *rand.Rand) (name, url string)
	// First returns a node that is killed only if it is the only one.
	First() (name, url string)
}

// Plan is the size of a Scenario.
type Plan struct {
	Seed        uint64
	AdminSecret string
	Bots        int
	Threads     int // to begin with, at most 60
	Pairs       int // of bots that talk, to begin with, at most 40
	Writers     int
	Changes     int  // acknowledged ones; each makes an event or more
	Steady      bool // one subscriber never disconnects; needs a server that is not killed
}

// answerTime is how long a call may take before it counts as lost.
const answerTime = 10 * time.Second

// Scenario is an org and what happens in it.
type Scenario struct {
	Plan
	Org         string
	Subscribers []*Subscriber

	servers Servers
	net     *network
	bots    []*bot
	human   opening // the session of an org admin
	end     string  // the bot name in the final event
	secret  string
	started string // a cursor before everything that writers do

	done    atomic.Int64 // changes that were acknowledged
	texts   atomic.Int64
	last    atomic.Int64 // seq of the end, once it is known
	mu      sync.Mutex
	cursors map[int64]string
	threads []*thread
	pairs   [][2]int
	sent    []*sent
}

type bot struct {
	id   string
	who  opening
	name string
}

// thread is a thread from the point of view of writers; members is what they believe.
type thread struct {
	id      string
	members map[int]bool
}

// Setup makes the org, its bots, threads and channels.
func Setup(ctx context.Context, plan Plan, servers Servers) (*Scenario, error) {
	w, err := found(ctx, plan, servers)
	if err != nil {
		return nil, err
	}
	if w.human, err = w.login(ctx, map[string]any{"type": "org_admin", "org_id": w.Org, "org_secret": w.secret}); err != nil {
		return nil, err
	}
	if err := w.createThreads(ctx); err != nil {
		return nil, err
	}
	return w, w.begin(ctx)
}

// found makes the org and its bots.
func found(ctx context.Context, plan Plan, servers Servers) (*Scenario, error) {
	w := &Scenario{Plan: plan, servers: servers, net: newNetwork(), cursors: map[int64]string{}, end: fmt.Sprintf("the-end-%x", plan.Seed)}
	operator, err := w.login(ctx, map[string]any{"type": "super_admin", "admin_secret": plan.AdminSecret})
	if err != nil {
		return nil, err
	}
	org, err := w.must(ctx, operator, http.MethodPost, "/api/orgs", map[string]any{"name": "torture"})
	if err != nil {
		return nil, err
	}
	w.Org, w.secret = org["id"].(string), org["org_secret"].(string)
	return w, w.registerBots(ctx)
}

// registerBots registers the bots, the first of which is an admin, and raises the limits.
func (w *Scenario) registerBots(ctx context.Context) error {
	for i := range w.Bots {
		who := opening{net: w.net}
		name := fmt.Sprintf("bot-%d", i)
		b, err := w.must(ctx, who, http.MethodPost, "/api/auth/register", map[string]any{"org_id": w.Org, "org_secret": w.secret, "name": name})
		if err != nil {
			return err
		}
		who.token = b["token"].(string)
		w.bots = append(w.bots, &bot{id: b["bot_id"].(string), who: who, name: name})
	}
	_, err := w.must(ctx, w.bots[0].who, http.MethodPatch, "/api/org/settings", map[string]any{
		"messages_per_minute_per_bot": 1_000_000_000, "threads_per_hour_per_bot": 1_000_000_000,
	})
	return err
}

// createThreads makes the initial threads and channels.
func (w *Scenario) createThreads(ctx context.Context) error {
	r := w.rand(0)
	for range w.Threads {
		c := w.createThread(r)
		answer, err := w.must(ctx, c.who, c.method, c.path, c.body)
		if err != nil {
			return err
		}
		c.done(answer)
	}
	for i := range w.Pairs {
		a, b := i%w.Bots, (i*7+1+i/w.Bots)%w.Bots
		if a == b {
			b = (a + 1) % w.Bots
		}
		w.pairs = append(w.pairs, [2]int{a, b})
		if _, err := w.must(ctx, w.bots[a].who, http.MethodPost, "/api/send", map[string]any{"to": w.bots[b].id, "content": w.text("first")}); err != nil {
			return err
		}
	}
	return nil
}

// begin finds the position from which all subscribe.
func (w *Scenario) begin(ctx context.Context) error {
	var err error
	if w.started, err = w.now(ctx); err != nil {
		return err
	}
	names, query := map[string]bool{}, url.Values{}
	for _, t := range w.threads {
		names[t.id] = true
		query.Add("thread_ids", t.id)
	}
	channels, err := w.channels(ctx)
	if err != nil {
		return err
	}
	for _, id := range channels {
		names[id] = true
		query.Add("channel_ids", id)
	}
	for key, ids := range query {
		query[key] = []string{strings.Join(ids, ",")}
	}
	if w.Steady {
		w.subscriber("an org admin who stays", Viewer{Names: names}, w.human).Steady = true
		w.Subscribers[0].who.query = query
	}
	for i, b := range w.bots {
		v := Viewer{Bot: b.id, Admin: i == 0}
		w.subscriber(b.name, v, b.who)
		if i%5 == 0 {
			w.subscriber(b.name+" again", v, b.who)
		}
	}
	return nil
}

// now returns the position at the end of the log.
func (w *Scenario) now(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	o := w.human
	_, o.url = w.servers.First()
	s, err := openEvents(ctx, o)
	if err != nil {
		return "", err
	}
	defer s.close()
	for {
		it, err := s.next(ctx)
		if err != nil || it.cursor != "" {
			return it.cursor, err
		}
	}
}

func (w *Scenario) subscriber(name string, v Viewer, who opening) *Subscriber {
	s := &Subscriber{Name: name, Viewer: v, who: who, scenario: w, cursor: w.started, rng: w.rand(1000 + uint64(len(w.Subscribers)))}
	w.Subscribers = append(w.Subscribers, s)
	return s
}

// channels returns the ids of the channels that the bots use.
func (w *Scenario) channels(ctx context.Context) ([]string, error) {
	var ids []string
	for _, pair := range w.pairs {
		var list []struct{ ID string }
		o := w.bots[pair[0]].who
		_, o.url = w.servers.First()
		if _, err := call(ctx, o, http.MethodGet, "/api/bots/"+w.bots[pair[0]].id+"/channels", nil, &list); err != nil {
			return nil, err
		}
		for _, c := range list {
			ids = append(ids, c.ID)
		}
	}
	return unique(ids), nil
}

func unique(ids []string) (out []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// rand returns the random numbers of one actor.
func (w *Scenario) rand(actor uint64) *rand.Rand { return rand.New(rand.NewPCG(w.Seed, actor)) }

// Listen runs the subscribers until all have received the final event or failed, or ctx ends.
func (w *Scenario) Listen(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range w.Subscribers {
		all.Go(func() { s.run(ctx) })
	}
	all.Wait()
}

// Done returns the number of acknowledged changes.
func (w *Scenario) Done() int { return int(w.done.Load()) }

// End makes the final event.
func (w *Scenario) End(ctx context.Context) error {
	err := outlast(ctx, func() error {
		_, err := w.must(ctx, w.bots[0].who, http.MethodPatch, "/api/me/name", map[string]any{"name": w.end, "request_id": "end"})
		return err
	})
	if err != nil {
		return err
	}
	var cursor string
	err = outlast(ctx, func() (err error) {
		cursor, err = w.now(ctx)
		return err
	})
	if err != nil {
		return err
	}
	seq, err := w.seqOf(cursor)
	w.last.Store(seq)
	return err
}

// outlast repeats do until it succeeds or is refused, or ctx ends: servers may still use
// connections that were cut.
func outlast(ctx context.Context, do func() error) error {
	for {
		err := do()
		var refused *refusedError
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		sleep(ctx, pause)
	}
}

// Close closes the connections.
func (w *Scenario) Close() { w.net.close() }

// must makes a call that has to succeed, on the first node.
func (w *Scenario) must(ctx context.Context, o opening, method, path string, body any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	_, o.url = w.servers.First()
	status, answer, err := send(ctx, o, method, path, body)
	if err == nil && (status < 200 || status > 299) {
		err = statusError(method+" "+path, status, answer)
	}
	return answer, err
}

func (w *Scenario) login(ctx context.Context, body map[string]any) (opening, error) {
	o := opening{net: w.net}
	_, o.url = w.servers.First()
	var answer map[string]any
	res, err := call(ctx, o, http.MethodPost, "/api/auth/login", body, &answer)
	if err != nil {
		return o, err
	}
	if len(res.Cookies()) == 0 {
		return o, errors.New("log in: no cookie")
	}
	o.cookie = res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
	return o, nil
}
