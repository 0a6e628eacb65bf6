package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
)

// mostLooked bounds the bots that one query looks for.
const mostLooked = 500

// InboxWaits wake bots that wait for a delivery without a call of ClaimInbox, which would hold a
// goroutine and the state of a call for minutes. They count as claims that wait (B2B-DLV-020). What
// wakes a claim wakes them; what nothing reports, such as the end of a lease, one goroutine looks for
// in the inboxes of all of them.
type InboxWaits struct {
	s *deliveryService

	mu      sync.Mutex
	orgs    map[string]*orgWaits
	looking bool // the goroutine runs
}

// orgWaits are the waits of an org.
type orgWaits struct {
	all  map[*inboxWait]struct{}
	bots []string // their bots, each once; nil: to be made
}

// inboxWait is one that waits.
type inboxWait struct {
	bot   string
	woken chan struct{}
}

// WaitsOf returns the InboxWaits of services that New made.
func WaitsOf(services call.Services) *InboxWaits {
	s, ok := services.DeliveryService.(*deliveryService)
	if !ok {
		panic(fmt.Sprintf("service: %T has no waits", services.DeliveryService))
	}
	return s.waits
}

// Join starts to wake a bot: woken receives when a claim may get something. leave ends that, and must
// be called once.
func (w *InboxWaits) Join(org, bot string) (woken <-chan struct{}, leave func(), err error) {
	signal, leaveDesk, err := w.s.desks.join(org, bot)
	if err != nil {
		return nil, nil, fmt.Errorf("follow the events of the org: %w", err)
	}
	wait := &inboxWait{bot: bot, woken: signal}
	w.add(org, wait)
	return signal, func() {
		w.remove(org, wait)
		leaveDesk()
	}, nil
}

func (w *InboxWaits) add(org string, wait *inboxWait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.orgs[org]
	if at == nil {
		at = &orgWaits{all: map[*inboxWait]struct{}{}}
		w.orgs[org] = at
	}
	at.all[wait], at.bots = struct{}{}, nil
	if !w.looking {
		w.looking = true
		go w.look()
	}
}

func (w *InboxWaits) remove(org string, wait *inboxWait) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.orgs[org]
	delete(at.all, wait)
	if at.bots = nil; len(at.all) == 0 {
		delete(w.orgs, org)
	}
}

// look looks for what is ready until nothing waits or the server stops.
func (w *InboxWaits) look() {
	tick := time.NewTicker(claimRecheck)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-w.s.Streams.Done():
		case <-tick.C:
		}
		orgs, more := w.waiting()
		if !more {
			return
		}
		var errs []error
		for _, org := range orgs {
			errs = append(errs, w.wakeReady(call.OnBehalf(w.s.Streams, org), org))
		}
		err := errors.Join(errs...)
		if err != nil && !failed { // claims look by themselves from time to time, and report what they meet
			w.s.Log.WarnContext(w.s.Streams, "cannot look for deliveries of bots that wait", "error", err)
		}
		failed = err != nil
	}
}

// waiting returns the orgs in which bots wait. Without any, or when the server stops, look ends.
func (w *InboxWaits) waiting() (orgs []string, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.orgs) == 0 || w.s.Streams.Err() != nil {
		w.looking = false
		return nil, false
	}
	for org := range w.orgs {
		orgs = append(orgs, org)
	}
	return orgs, true
}

// wakeReady wakes the bots of an org for which something is ready, and one if events are not delivered
// to the inboxes of the org: its claim does that.
func (w *InboxWaits) wakeReady(ctx context.Context, org string) error {
	behind, err := w.behind(ctx, org)
	if err != nil {
		return err
	}
	bots := w.bots(org, behind)
	now, err := w.s.leaseNow(ctx, w.s.reads)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(bots, mostLooked) {
		ready, err := w.s.reads.ReadyBots(ctx, some, now)
		if err != nil {
			return fmt.Errorf("find the bots for which deliveries are ready: %w", err)
		}
		w.wake(org, ready)
	}
	return nil
}

// behind reports whether events of an org are not delivered to inboxes.
func (w *InboxWaits) behind(ctx context.Context, org string) (bool, error) {
	at, err := w.s.reads.InboxPosition(ctx, org)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // no inbox is open
	}
	if err != nil {
		return false, fmt.Errorf("read the position of the inboxes: %w", err)
	}
	top, err := w.s.reads.LogTop(ctx, org)
	if err != nil {
		return false, fmt.Errorf("find the end of the log: %w", err)
	}
	return at < top.Seq, nil
}

// bots returns the bots of an org that wait, each once, and wakes one if so asked.
func (w *InboxWaits) bots(org string, wakeOne bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.orgs[org]
	if at == nil {
		return nil
	}
	if at.bots == nil {
		for wait := range at.all {
			at.bots = append(at.bots, wait.bot)
		}
		slices.Sort(at.bots)
		at.bots = slices.Compact(at.bots)
	}
	if wakeOne {
		for wait := range at.all {
			wake(wait.woken)
			break
		}
	}
	return at.bots
}

func (w *InboxWaits) wake(org string, bots []string) {
	if len(bots) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.orgs[org]; at != nil {
		for wait := range at.all {
			if slices.Contains(bots, wait.bot) {
				wake(wait.woken)
			}
		}
	}
}
