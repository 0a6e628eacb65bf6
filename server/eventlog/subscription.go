package eventlog

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/fair"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/store"
)

// Subscription is one reader of the log. Next and Poll belong to one goroutine at a
// time; the other methods to any.
//
// It begins by replaying: Next reads pages from the store, at the pace of the reader
// and without a goroutine or a queue. Near the end of the log the subscription joins
// the tail, which from then on queues what is new, and replays what is left up to
// the place where it joined. Then it is live. When it cannot replay that little
// before its queue is full it goes back to replaying: nothing is lost, since
// everything is in the store.
type Subscription struct {
	tail   *tail
	filter *filter
	holder Viewer     // on whose count it is
	place  fair.Place // among those of its org; used once, by Close

	// guarded by tail.mu
	viewer  Viewer
	watched map[scope]struct{} // by a human
	indexed bool               // the tail gives it events of the log
	since   int64              // where the log ended when it began
	settled bool               // viewer.Admin was set by an event of the log

	at int64 // replayed up to this seq; the reader's own

	mu      sync.Mutex
	wake    chan struct{} // holds one token when a waiting Next has to look again; nil: none ever waited
	ready   func()        // called instead, once: a Poll found nothing
	page    []*Item       // replayed, not yet given
	scanned Position      // behind what page was made from
	joined  bool          // the queue has everything after target
	target  int64         // replay up to this seq
	live    bool
	queue   []*Item
	head    int       // of queue
	bytes   int       // of what waits in queue
	soon    []*Item   // comes before all that waits
	reached Position  // behind what was given last, or is known to have nothing to give
	taken   time.Time // when the reader last asked for more, or could begin to
	waits   bool      // the reader waits for the store: it is not slow
	ending  error     // comes when the queue is empty
	err     error     // comes at once
	left    bool      // Close was called
}

// smallQueue is what an idle subscription keeps of its queue, in items.
const smallQueue = 16

func newSubscription(t *tail, v Viewer, at Position, f Filter) *Subscription {
	s := &Subscription{
		tail: t, holder: v, viewer: v, filter: newFilter(f), at: at.Seq,
		reached: at, scanned: at, taken: time.Now(),
	}
	if v.human() { // to filter by a thread is to watch it
		for _, k := range append(scopes(f.Threads, f.Channels), scopes(f.WatchThreads, f.WatchChannels)...) {
			if s.watched == nil {
				s.watched = map[scope]struct{}{}
			}
			s.watched[k] = struct{}{}
		}
	}
	return s
}

// Next waits for the next item. Its errors are final, but for that of ctx.
// A reader that fell too far behind gets a *SlowError.
func (s *Subscription) Next(ctx context.Context) (*Item, error) {
	for {
		it, err := s.Poll(ctx, nil)
		if it != nil || err != nil {
			return it, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Poll is Next for readers that need no goroutine while there is nothing to read: it
// gives nil where Next would wait, and ready is called once when it is time to ask
// again. ready must not block, nor call the subscription.
func (s *Subscription) Poll(ctx context.Context, ready func()) (*Item, error) {
	for {
		it, replay, err := s.pop(ready)
		if !replay {
			return it, err
		}
		if err := s.replay(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			s.fail(err)
		}
	}
}

// Waiting reports that more was there when it was asked: the next Poll gives an item,
// or the error that ends the subscription, without waiting for anything.
func (s *Subscription) Waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.soon)+len(s.page) > 0 || s.live && s.head < len(s.queue)
}

// pop takes the next item that is there, or tells to replay. When there is nothing it
// sees to it that the reader will hear when there is: by ready, or nil: by wake.
func (s *Subscription) pop(ready func()) (it *Item, replay bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, false, s.err
	}
	s.taken, s.waits = time.Now(), false
	if len(s.soon) > 0 {
		it, s.soon = s.soon[0], s.soon[1:]
		return it, false, nil
	}
	if len(s.page) > 0 {
		it, s.page[0] = s.page[0], nil
		if s.page = s.page[1:]; len(s.page) > 0 {
			s.reached = it.Position
		} else {
			s.page, s.reached = nil, s.scanned
		}
		return it, false, nil
	}
	if !s.live {
		if !s.joined || s.at < s.target {
			s.waits = true
			return nil, true, nil
		}
		s.live = true
	}
	if s.head == len(s.queue) {
		if s.err = s.ending; s.err == nil {
			if s.ready = ready; ready == nil && s.wake == nil {
				s.wake = make(chan struct{}, 1)
			}
		}
		return nil, false, s.err
	}
	it, s.queue[s.head] = s.queue[s.head], nil
	s.bytes -= it.size()
	if s.head++; s.head == len(s.queue) {
		s.head = 0
		if s.queue = s.queue[:0]; cap(s.queue) > smallQueue {
			s.queue = nil
		}
	}
	if it.logged() {
		s.reached = it.Position
	}
	return it, false, nil
}

func (i *Item) logged() bool { return i.row != nil && !i.Ephemeral }

// replay reads the next page of the log, and joins the tail when it is near.
func (s *Subscription) replay(ctx context.Context) error {
	t := s.tail
	ctx = call.OnBehalf(ctx, t.org)
	s.mu.Lock()
	joined := s.joined
	s.mu.Unlock()
	if !joined {
		if err := t.join(ctx, s); err != nil {
			return err
		}
	}
	t.mu.Lock()
	v, watched, limit := s.viewer, maps.Clone(s.watched), t.end.Seq-s.at
	t.mu.Unlock()
	s.mu.Lock()
	if s.joined {
		limit = s.target - s.at
	}
	s.mu.Unlock()
	if limit <= 0 {
		return nil
	}
	// All that is about to be read is committed, so memberships read now say all about
	// it: what changes later begins or ends at a higher seq.
	spans, err := memberships(ctx, t.hub.Store, v)
	if err != nil {
		return err
	}
	var page []*Item
	imported := false
	last, err := t.pages.read(ctx, s.at, limit, func(e *store.Event, item func() (*Item, error)) {
		imported = imported || e.Type == typeImportedRow
		k, _ := scopeOf(e)
		_, watches := watched[k]
		if !visible(e, v, spans[k], watches) || !s.filter.passes(e) {
			return
		}
		it, err := item()
		if err != nil {
			t.hub.Logger.Error("an event cannot be told", "error", err)
		}
		if it != nil {
			page = append(page, it)
		}
	})
	if err != nil {
		return err
	}
	if imported { // the events that an import summed up cannot be told
		return errExpired()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.page, s.scanned = last.Seq, page, positionOf(s.scanned.Epoch, last)
	if len(page) == 0 {
		s.reached = s.scanned
	}
	return nil
}

// memberships reads the intervals of a viewer, which has some if it is a bot.
func memberships(ctx context.Context, r Store, v Viewer) (map[scope][]span, error) {
	if v.human() {
		return nil, nil
	}
	rows, err := r.Memberships(ctx, v.BotID)
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	return spansOf(rows), nil
}

// full tells that the reader is too far behind. Items are shared, so a queue costs
// little: a reader that goes on taking may have a burst waiting, such as the
// thousand joins of a new thread.
func (s *Subscription) full() bool {
	c := &s.tail.hub.Config
	n := len(s.queue) - s.head
	return n >= burst*c.Queue || s.bytes >= queueBurst ||
		(n >= c.Queue || s.bytes >= queueBytes) && !s.waits && time.Since(s.taken) > c.Grace
}

// push adds an item to the queue; the tail holds its lock. It is false when the tail
// must give no more events of the log.
func (s *Subscription) push(it *Item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ending != nil {
		return false
	}
	if it.logged() && (!s.joined || it.Position.Seq <= s.target) {
		return s.joined
	}
	keep := true
	if !s.live && s.full() { // go back to replaying
		s.joined, keep = false, false
		kept := make([]*Item, 0, smallQueue)
		for _, q := range s.queue[s.head:] {
			if !q.logged() {
				kept = append(kept, q)
			}
		}
		s.queue, s.head, s.bytes = kept, 0, 0
		for _, k := range kept {
			s.bytes += k.size()
		}
		if it.logged() {
			return false
		}
	}
	if s.full() {
		s.err = &SlowError{Resume: s.reached}
		s.drop()
		s.signal()
		return false
	}
	if s.head == len(s.queue) { // until now there was nothing to take
		s.taken = time.Now()
	}
	if s.head > 0 && len(s.queue) == cap(s.queue) { // reuse what was given
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, it)
	s.bytes += it.size()
	s.signal()
	return keep
}

// endBehind ends the subscription behind the event with this seq, which the tail
// handles just now: what is visible up to there is given first, also when much of it
// is still to be replayed.
func (s *Subscription) endBehind(seq int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ending != nil {
		return
	}
	s.ending = err
	if !s.joined {
		s.joined, s.target = true, max(s.at, seq)
		s.live = s.at == s.target
	}
	s.signal()
}

// fail ends the subscription now, or says once more why it ends.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		if s.ending != nil {
			err = s.ending
		}
		s.err = err
		s.drop()
	}
	s.signal()
}

// drop forgets what waits for a reader that gets nothing more; mu is held.
func (s *Subscription) drop() { s.queue, s.head, s.bytes, s.page = nil, 0, 0, nil }

// signal tells the reader to look again, if it found nothing; mu is held.
func (s *Subscription) signal() {
	if ready := s.ready; ready != nil {
		s.ready = nil
		ready()
		return
	}
	select {
	case s.wake <- struct{}{}: // never when it is nil
	default:
	}
}

// After gives the reader an item with v as its Local behind every event that this
// node committed before: so an acknowledgement can follow the events it is about.
func (s *Subscription) After(v any) {
	s.tail.inbox.add(entry{item: &Item{Local: v}, to: s})
}

// Last gives the reader an item with v as its Local behind everything that the log
// has now, whichever node wrote it: for who finds out in another way that its access
// has ended, and is to be told first what the log says of that.
func (s *Subscription) Last(v any) {
	s.tail.inbox.notify(0)
	s.After(v)
}

// Soon gives the reader an item with v as its Local before everything that waits. Who
// calls it bounds how many there are.
func (s *Subscription) Soon(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soon = append(s.soon, &Item{Local: v})
	s.signal()
}

// Position is where to resume when everything that Next gave has arrived. While
// nothing visible happens it moves on with the log.
func (s *Subscription) Position() Position {
	s.tail.mu.Lock()
	end := s.tail.end
	s.tail.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live && s.err == nil && s.ending == nil && s.head == len(s.queue) && end.Seq > s.reached.Seq {
		s.reached = end
	}
	return s.reached
}

// Live reports whether the replay is over.
func (s *Subscription) Live() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live && s.err == nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.mu.Lock()
	left := s.left
	s.left = true
	s.mu.Unlock()
	if left {
		return
	}
	s.tail.leave(s)
	s.fail(ErrClosed)
	s.tail.hub.drop(s.tail, s.holder, s.place)
}

// Watch lets a human org admin see the events of threads and channels: what is committed from
// now on, and what is still to be replayed. At most 100 may be watched, which is checked
// before adding (B2B-WS-018). Ids are not looked up.
func (s *Subscription) Watch(threads, channels []string) error {
	t := s.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !s.viewer.human():
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Only org admins subscribe to threads and channels")
	case len(s.watched) >= limits.MaxStreamScopes || len(threads)+len(channels) > limits.MaxStreamScopes:
		return errTooMany()
	}
	if s.watched == nil {
		s.watched = map[scope]struct{}{}
	}
	for _, k := range scopes(threads, channels) {
		if _, there := s.watched[k]; there {
			continue
		}
		s.watched[k] = struct{}{}
		if s.indexed {
			r := t.index.room(k)
			r.watchers = append(r.watchers, s)
		}
	}
	return nil
}

// Unwatch undoes Watch.
func (s *Subscription) Unwatch(threads, channels []string) {
	t := s.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range scopes(threads, channels) {
		delete(s.watched, k)
		if r := t.index.rooms[k]; r != nil && s.indexed {
			r.watchers = without(r.watchers, s)
			t.index.tidy(k)
		}
	}
}

func scopes(threads, channels []string) []scope {
	out := make([]scope, 0, len(threads)+len(channels))
	for _, id := range threads {
		out = append(out, scope{store.MemberOfThread, id})
	}
	for _, id := range channels {
		out = append(out, scope{store.MemberOfChannel, id})
	}
	return out
}

func errTooMany() error {
	return call.Invalid("the limit of %d subscribed threads and channels is reached", limits.MaxStreamScopes).
		WithHint("Unsubscribe from some first.")
}
