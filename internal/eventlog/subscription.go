package eventlog

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Subscription is one reader of the log. One goroutine at a time may call Next and Poll; the
// other methods may be called by any.
//
// It first replays: Next reads pages from the store as the reader asks, without a goroutine or a
// queue. Near the end of the log it joins the tail, which then queues new events, and replays
// the rest up to the seq where it joined. Then it is live. When its queue overflows before the
// rest is replayed, it drops the queue and continues to replay from the store.
type Subscription struct {
	tail   *tail
	filter *filter
	owner  Viewer    // counted by the hub; unlike viewer it does not change
	place  fair.Slot // in the org's share; Close leaves it

	presence presenceTypes // that it receives; does not change

	// guarded by tail.mu
	viewer       Viewer
	watched      map[scope]struct{} // of a human
	indexed      bool               // the tail delivers events of the log to it
	since        int64              // end of the log when it began; does not change after enter
	adminFromLog bool               // an event of the log has set viewer.Admin

	at int64 // replayed up to this seq; used by the reader alone

	mu      sync.Mutex    // guards the fields below
	wake    chan struct{} // holds one token to wake Next; nil: Next never waited
	ready   func()        // set by a Poll that found nothing; called once, instead of wake
	page    []*Item       // replayed, not yet taken
	scanned Position      // after the events that page was made from
	joined  bool          // the queue has every event after target
	target  int64         // replay up to this seq
	live    bool
	queue   []*Item
	head    int       // of queue
	bytes   int       // of the items in queue
	soon    []*Item   // taken before page and queue: by Soon, and by pushSoon during a replay
	rounds  []*round  // presence events for the placeholders in queue, see pushPresence; nil separates those of two
	marks   int       // placeholders in queue
	reached Position  // after the last item taken, and after later events that are not visible
	taken   time.Time // when the reader last asked, or the first item of queue came
	reading bool      // the reader reads the store, so it is not slow
	ending  error     // returned when the queue is empty
	err     error     // returned at once
	closed  bool      // Close was called
}

// smallQueue is the capacity that an idle subscription keeps for its queue, in items.
const smallQueue = 16

// newSubscription returns a subscription that has not entered the tail.
func newSubscription(t *tail, v Viewer, at Position, f Filter) *Subscription {
	s := &Subscription{
		tail: t, owner: v, viewer: v, filter: newFilter(f), at: at.Seq,
		reached: at, scanned: at, taken: time.Now(),
	}
	s.presence = presenceTypesOf(v, s.filter)
	if v.human() { // a filter by a thread also watches it
		for _, k := range append(scopes(f.Threads, f.Channels), scopes(f.WatchThreads, f.WatchChannels)...) {
			if s.watched == nil {
				s.watched = map[scope]struct{}{}
			}
			s.watched[k] = struct{}{}
		}
	}
	return s
}

// Next waits for the next item. Its errors are final, except that of ctx. A reader that fell too
// far behind gets a *SlowError.
func (s *Subscription) Next(ctx context.Context) (*Item, error) {
	for {
		it, err := s.poll(ctx, nil, false)
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

// Poll is Next for readers without a goroutine of their own: where Next would wait it returns
// nil, and ready is called once when there is something to read. ready must not block, and must
// not call the subscription. It returns presence events together (Item.Presence).
func (s *Subscription) Poll(ctx context.Context, ready func()) (*Item, error) {
	return s.poll(ctx, ready, true)
}

func (s *Subscription) poll(ctx context.Context, ready func(), together bool) (*Item, error) {
	for {
		it, replay, err := s.pop(ready, together)
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

// Waiting reports whether an item is in memory, so that the next Poll returns it, or the error
// that ends the subscription, without a read of the store.
func (s *Subscription) Waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.soon)+len(s.page) > 0 || s.live && s.head < len(s.queue)
}

// pop takes the next item in memory, or reports that the reader must replay. When there is
// nothing it arranges that the reader is woken: by ready, or if that is nil by wake. together is
// whether to return presence events as one item.
func (s *Subscription) pop(ready func(), together bool) (it *Item, replay bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, false, s.err
	}
	s.taken, s.reading = time.Now(), false
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
			s.reading = true
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
	switch {
	case it == placeholder:
		return s.takePresence(together), false, nil
	case it.logged():
		s.reached = it.Position
	}
	return it, false, nil
}

// logged reports whether the item is an event of the log.
func (i *Item) logged() bool { return i.row != nil && !i.Ephemeral }

// replay reads the next page of the log, and joins the tail near the end of the log.
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
	// The events to read are committed, so the memberships read here cover them: later
	// changes begin or end at a higher seq.
	spans, err := memberships(ctx, t.hub.Store, v)
	if err != nil {
		return err
	}
	var page []*Item
	imported := false
	last, err := t.pages.read(ctx, s.at, limit, func(e *store.Event, item func() (*Item, error)) {
		imported = imported || e.Type == eventtype.ImportedRow
		k, _ := scopeOf(e)
		_, watches := watched[k]
		if !visible(e, v, spans[k], watches) || !s.filter.passes(e) {
			return
		}
		it, err := item()
		if err != nil {
			t.hub.Logger.Error("an event cannot be delivered", "error", err)
		}
		if it != nil {
			page = append(page, it)
		}
	})
	if err != nil {
		return err
	}
	if imported { // the events that an imported row sums up are not in the log
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

// memberships reads the intervals of a bot; a human has none.
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

// full reports whether the reader is too far behind. A reader that keeps taking items may have a
// burst waiting, such as the thousand joins of a new thread: subscriptions share items, so a
// queue costs little.
func (s *Subscription) full() bool {
	c := &s.tail.hub.Config
	n := len(s.queue) - s.head - s.marks
	return n >= burst*c.Queue || s.bytes >= queueBurst ||
		(n >= c.Queue || s.bytes >= queueBytes) && !s.reading && time.Since(s.taken) > c.Grace
}

// push adds an item to the queue. It returns false when the tail must push no more events of the
// log. The caller holds the lock of the tail.
func (s *Subscription) push(it *Item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ending != nil {
		return false
	}
	if it.logged() && (!s.joined || it.Position.Seq <= s.target) {
		return s.joined // replay delivers it
	}
	if it.endsReplay() && !s.joined {
		s.pushSoon(it)
		return true
	}
	keep := true
	if !s.live && s.full() { // drop the queue and continue to replay
		s.joined, keep = false, false
		kept := make([]*Item, 0, smallQueue)
		for _, q := range s.queue[s.head:] {
			switch {
			case q.endsReplay():
				s.pushSoon(q)
			case !q.logged():
				kept = append(kept, q)
			}
		}
		s.queue, s.head, s.bytes = kept, 0, 0
		for _, k := range kept {
			s.bytes += k.size()
		}
		switch {
		case it.endsReplay():
			s.pushSoon(it)
			return false
		case it.logged():
			return false
		}
	}
	if s.full() {
		s.err = &SlowError{Resume: s.reached}
		s.tail.hub.counts.slow.Add(1)
		s.drop()
		s.signal()
		return false
	}
	s.append(it)
	s.separate(it)
	return keep
}

// append adds an item to the queue. mu is held.
func (s *Subscription) append(it *Item) {
	if s.head == len(s.queue) { // the reader had nothing to take before
		s.taken = time.Now()
	}
	if s.head > 0 && len(s.queue) == cap(s.queue) { // reuse the space of items taken
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, it)
	s.bytes += it.size()
	s.signal()
}

// endsReplay reports whether the item can end a replay: the reader must take it before the older
// events, of which there may be many.
func (i *Item) endsReplay() bool { return i.Recheck || i.last }

// pushSoon makes an item that can end a replay the next to take. Of requests to check the
// credential with the same reason, the last one waits. mu is held.
func (s *Subscription) pushSoon(it *Item) {
	for i, waiting := range s.soon {
		if it.Recheck && waiting.Recheck && waiting.Why == it.Why {
			s.soon[i] = it
			return
		}
	}
	s.soon = append(s.soon, it)
	s.signal()
}

// endAfter ends the subscription after the event with this seq, which the tail is handling.
// Visible events up to it are delivered first, including those still to be replayed. If the
// subscription has more than a page of the log to replay it ends at once (B2B-WS-006): a bot
// without access must not read on.
func (s *Subscription) endAfter(seq int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ending != nil {
		return
	}
	if !s.joined && seq-s.reached.Seq > pageSize {
		s.err = err
		s.drop()
		s.signal()
		return
	}
	s.ending = err
	if !s.joined {
		s.joined, s.target = true, max(s.at, seq)
		s.live = s.at == s.target
	}
	s.signal()
}

// fail ends the subscription at once. An earlier error takes precedence.
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

// drop discards the items that wait. mu is held.
func (s *Subscription) drop() {
	s.queue, s.head, s.bytes, s.page = nil, 0, 0, nil
	s.rounds, s.marks = nil, 0
}

// signal wakes a reader that found nothing. mu is held.
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

// After delivers an item with v as its Local after every event that this node has committed, so
// that an acknowledgement follows the events it is about.
func (s *Subscription) After(v any) {
	s.tail.inbox.add(entry{item: &Item{Local: v}, to: s})
}

// Last delivers an item with v as its Local after everything that is in the log now, from any
// node. A caller that learns otherwise that access has ended uses it, so that the events before
// the end are delivered first. While more than a page is left to replay, it comes before the rest.
func (s *Subscription) Last(v any) {
	s.tail.inbox.notify(0)
	s.tail.inbox.add(entry{item: &Item{Local: v, last: true}, to: s})
}

// Soon delivers an item with v as its Local before all items that wait. The caller must bound
// how many wait.
func (s *Subscription) Soon(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soon = append(s.soon, &Item{Local: v})
	s.signal()
}

// Position returns the position to resume from after the last item taken. It advances with the
// log while no visible event waits.
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
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return
	}
	s.tail.leave(s)
	s.fail(ErrClosed)
	s.tail.hub.release(s.tail, s.owner, s.place)
}

// Watch adds threads and channels to what a human org admin sees: events committed later, and
// those still to be replayed. A call is refused when 100 are watched already or it names more
// than 100 (B2B-WS-018). Ids are not checked for existence.
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
		if _, watched := s.watched[k]; watched {
			continue
		}
		s.watched[k] = struct{}{}
		if s.indexed {
			r := t.index.entry(k)
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
		if r := t.index.scopes[k]; r != nil && s.indexed {
			r.watchers = without(r.watchers, s)
			t.index.removeIfEmpty(k)
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
