package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var (
	// ErrClosed ends a subscription after Close of it or of its hub.
	ErrClosed = errors.New("eventlog: closed")
	// ErrAccess ends the subscriptions of a bot that was deleted or is not active, and of an
	// org that was deleted or is suspended. Events that were visible before come first.
	ErrAccess = errors.New("eventlog: the viewer has lost access")
)

// Store is what the hub and catch-up read.
type Store interface {
	Reader
	LogTops(ctx context.Context, orgs []string) (map[string]store.LogTop, error)
	ReadRanges(ctx context.Context, org string, ranges []store.LogRange, limit int) ([]store.RangeEvent, error)
	LogWindow(ctx context.Context, org string, at int64) (parts []store.LogPart, indexed int64, err error)
	LogHeads(ctx context.Context, q store.HeadQuery) (*store.LogHeads, error)
	IndexLog(ctx context.Context, org string, limit int) error
	TallyLog(ctx context.Context, org, except string, newer int64, ranges []store.LogRange) ([]store.Tally, error)
	Memberships(ctx context.Context, bot string) ([]store.Membership, error)
	MembershipsOf(ctx context.Context, kind store.MembershipKind, scope string) ([]store.Membership, error)
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	Org(ctx context.Context, id string) (*store.Org, error)
	ThreadTopics(ctx context.Context, org string, ids []string) (map[string]string, error)
	OnCommit(fn func(org string, events []store.Event)) (remove func())
}

// Reader is what Read needs.
type Reader interface {
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error)
}

// Notifier notifies other nodes that the log of an org has grown. A notification has no
// events and may be lost: it only saves waiting for the next poll.
type Notifier interface {
	// Notify sends that the log of org has reached seq. The goroutine that writes the
	// database calls it, so it must not block.
	Notify(org string, seq int64)
	// Listen calls fn for every notification, including those of this node, until ctx is
	// done or the connection is lost. Seq 0 means that the end is not known; an empty org
	// means every org, as after a reconnection.
	Listen(ctx context.Context, fn func(org string, seq int64)) error
}

// Config configures a Hub.
type Config struct {
	Store    Store
	Notifier Notifier      // nil: there is one node
	Poll     time.Duration // how often the ends of the logs with subscribers are read; 0: never
	Queue    int           // items that may wait for a reader that takes none; 0: 256
	Grace    time.Duration // how long such a reader may take none; 0: a second
	Streams  int           // subscriptions on this node of a bot, or of all admins of an org; 0: 64
	Places   int           // subscriptions on this node; one org gets at most half; 0: 32,768
	Logger   *slog.Logger  // nil: no logs
	// Lag gets, for each event that a tail delivers, the time since its commit in milliseconds of
	// the clocks. here reports whether this node committed it. nil: nobody gets it.
	Lag func(lag time.Duration, here bool)
}

const (
	defaultQueue   = 256
	defaultStreams = 64 // some 100 KB each while its reader is slow
	defaultPlaces  = 32768
	burst          = 16   // a reader that takes items may have burst × Queue waiting
	pageSize       = 500  // events per read of the store
	inboxMost      = 8192 // committed events that may wait for a tail
	inboxBytes     = 16 << 20
	// queueBytes bounds what waits for a reader that takes nothing, queueBurst what waits for
	// one that takes items: events and their encodings.
	queueBytes = 8 << 20
	queueBurst = 32 << 20
	relisten   = time.Second
)

// Hub delivers the events of the logs to the subscriptions of this node. A process has one.
type Hub struct {
	Config
	ctx    context.Context
	cancel context.CancelFunc
	unhook func()
	done   sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	tails   map[string]*tail // by org, while it has subscriptions
	streams map[string]int   // subscriptions, by Viewer.reader
	places  *fair.Pool       // of subscriptions, shared by orgs (B2B-LIM-020)
	counts  counts
}

// New starts a hub. The caller closes it.
func New(c Config) *Hub {
	if c.Queue <= 0 {
		c.Queue = defaultQueue
	}
	if c.Streams <= 0 {
		c.Streams = defaultStreams
	}
	if c.Places <= 0 {
		c.Places = defaultPlaces
	}
	if c.Grace <= 0 {
		c.Grace = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{Config: c, tails: map[string]*tail{}, streams: map[string]int{}, places: fair.New(fair.Sizes{Slots: c.Places})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.unhook = c.Store.OnCommit(h.committed)
	if c.Notifier != nil {
		h.done.Go(h.listen)
	}
	if c.Poll > 0 {
		h.done.Go(h.poll)
	}
	return h
}

// Close ends all subscriptions with ErrClosed and waits for the goroutines of the hub.
func (h *Hub) Close() {
	h.unhook()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.done.Wait()
}

// committed receives every commit of this node, on the goroutine that writes the database.
func (h *Hub) committed(org string, events []store.Event) {
	if t := h.tailOf(org); t != nil {
		t.inbox.events(events)
	}
	if h.Notifier != nil {
		h.Notifier.Notify(org, events[len(events)-1].Seq)
	}
}

func (h *Hub) tailOf(org string) *tail {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tails[org]
}

// listen receives notifications until the hub is closed. After a lost connection it wakes
// every tail, which makes up for the notifications missed.
func (h *Hub) listen() {
	for {
		err := h.Notifier.Listen(h.ctx, h.notified)
		if h.ctx.Err() != nil {
			return
		}
		h.counts.relistened.Add(1)
		h.Logger.Warn("the notifier lost its connection, listening again", "error", err)
		select {
		case <-h.ctx.Done():
			return
		case <-time.After(relisten):
			h.notified("", 0)
		}
	}
}

// poll reads the ends of all logs that have subscribers, in one query, and wakes the tails
// that are behind. It makes up for notifications that were lost.
func (h *Hub) poll() {
	tick := time.NewTicker(h.Poll)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
		tails := h.followed()
		tops, err := h.Store.LogTops(h.ctx, slices.Collect(maps.Keys(tails)))
		if err != nil {
			if h.ctx.Err() == nil {
				h.Logger.Warn("cannot poll the ends of the logs", "orgs", len(tails), "error", err)
			}
			continue
		}
		for org, t := range tails {
			t.polled(tops[org])
		}
	}
}

// followed returns the tails that have found the end of their log.
func (h *Hub) followed() map[string]*tail {
	h.mu.RLock()
	defer h.mu.RUnlock()
	tails := make(map[string]*tail, len(h.tails))
	for org, t := range h.tails {
		select {
		case <-t.ready:
			tails[org] = t
		default:
		}
	}
	return tails
}

func (h *Hub) notified(org string, seq int64) {
	if org != "" {
		if t := h.tailOf(org); t != nil {
			t.inbox.notify(seq)
		}
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, t := range h.tails {
		t.inbox.notify(0)
	}
}

// Subscribe reads the log for a viewer after a position; nil: from now. The subscription
// delivers everything that is committed after Subscribe returned. A position that is not valid
// is EPOCH_CHANGED, CURSOR_AHEAD or CURSOR_EXPIRED; too many subscriptions are
// TOO_MANY_STREAMS.
//
// If access changed after the caller that v comes from was authenticated, the error is
// call.ErrStale: the caller authenticates again, and repeats Subscribe. Later changes arrive as a
// Recheck.
func (h *Hub) Subscribe(ctx context.Context, v Viewer, from *Position, f Filter) (*Subscription, error) {
	if v.human() && len(f.Threads)+len(f.Channels)+len(f.WatchThreads)+len(f.WatchChannels) > limits.MaxStreamScopes {
		return nil, errTooMany()
	}
	t, place, err := h.acquire(v)
	if err != nil {
		return nil, err
	}
	s, err := h.begin(call.OnBehalf(ctx, v.OrgID), t, v, from, f)
	if err != nil {
		h.release(t, v, place)
		return nil, err
	}
	s.place = place
	return s, nil
}

func (h *Hub) begin(ctx context.Context, t *tail, v Viewer, from *Position, f Filter) (*Subscription, error) {
	select {
	case <-t.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	at, top, err := locate(ctx, h.Store, v.OrgID, from)
	if err != nil {
		return nil, err
	}
	s := newSubscription(t, v, at, f)
	if err := t.enter(s, top); err != nil {
		return nil, err
	}
	if err := t.check(ctx, s); err != nil {
		t.leave(s)
		return nil, err
	}
	// Near the end of the log the replay is short, so the subscription is live at once.
	if err := t.join(ctx, s); err != nil {
		t.leave(s)
		return nil, err
	}
	return s, nil
}

// locate checks a position (nil: the end) against the log. It returns the position and the
// end of the log.
func locate(ctx context.Context, r Reader, org string, from *Position) (at Position, top store.LogTop, err error) {
	if top, err = r.LogTop(ctx, org); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = ErrAccess
		}
		return at, top, fmt.Errorf("find the end of the log: %w", err)
	}
	if from != nil {
		at = *from
		switch {
		case at.Epoch != top.Epoch:
			return at, top, errEpoch()
		case at.Seq > top.Seq:
			return at, top, errAhead()
		}
	} else {
		at = Position{Epoch: top.Epoch, Seq: top.Seq}
	}
	rows, err := r.ReadLog(ctx, org, max(at.Seq-1, 0), 1)
	if err != nil {
		return at, top, fmt.Errorf("read the log: %w", err)
	}
	switch {
	case len(rows) == 0 && at.Seq == top.Seq: // empty, or all of it pruned
	case len(rows) == 0 || rows[0].Seq > at.Seq+1:
		return at, top, errExpired()
	case rows[0].Seq == at.Seq && from == nil:
		at.Check = fingerprint(&rows[0])
	case rows[0].Seq == at.Seq && at.Check != 0 && at.Check != fingerprint(&rows[0]):
		return at, top, errEpoch()
	}
	return at, top, nil
}

// acquire returns the tail of the viewer's org, and starts it for the first subscription. It
// counts the subscription against the limits of the viewer and its org. Each acquire needs one
// release.
func (h *Hub) acquire(v Viewer) (*tail, fair.Slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fair.Slot{}, ErrClosed
	}
	var place fair.Slot
	if !v.Webhook {
		if h.streams[v.reader()] >= h.Streams {
			h.counts.refused.Add(1)
			return nil, place, errStreams(h.Streams)
		}
		var free bool
		if place, free = h.places.Try(v.OrgID); !free {
			h.counts.refused.Add(1)
			return nil, place, errPlaces()
		}
		h.streams[v.reader()]++
	}
	t := h.tails[v.OrgID]
	if t == nil {
		t = newTail(h, v.OrgID)
		h.tails[v.OrgID] = t
		h.done.Go(t.run)
	}
	t.users++
	return t, place, nil
}

// release undoes acquire. The tail ends with its last subscription.
func (h *Hub) release(t *tail, v Viewer, place fair.Slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	place.Leave()
	if reader := v.reader(); !v.Webhook {
		if h.streams[reader]--; h.streams[reader] <= 0 {
			delete(h.streams, reader)
		}
	}
	if t.users--; t.users > 0 {
		return
	}
	t.cancel()
	h.forget(t)
}

// retryStreams is when the server has noticed a connection that broke silently, in seconds.
const retryStreams = 60

func errStreams(most int) error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, "More than %d streams and connections at once", most).
		WithHint("Close one, or share one stream between consumers.")
	e.RetryAfter = retryStreams
	return e
}

func errPlaces() error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, "The org uses its share of the streams and connections of this server").
		WithHint("Close some, or share one stream between consumers.")
	e.RetryAfter = retryStreams
	return e
}

// forget removes a tail, so that the next subscription starts a new one. h.mu is held.
func (h *Hub) forget(t *tail) {
	if h.tails[t.org] == t {
		delete(h.tails, t.org)
	}
}
