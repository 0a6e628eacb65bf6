package service

import (
	"context"
	"sync"
)

// repeats has the claims with a request_id that are under way on this node. Of those with the same one,
// the newest goes on: whoever sends it has given up on the others (B2B-DLV-008).
type repeats struct {
	mu     sync.Mutex
	claims map[string]*repeatedClaim // by claimRequest.Repeats
}

type repeatedClaim struct {
	replaced, ended chan struct{}
}

// begin ends the claim with the same id, if there is one, and waits until it has: what it took by then,
// the new one finds in the store. replaced is closed when the new one is to end; end says that it has.
// An empty id is of no other claim.
func (r *repeats) begin(ctx context.Context, id string) (replaced <-chan struct{}, end func(), err error) {
	if id == "" {
		return nil, func() {}, nil
	}
	own := &repeatedClaim{make(chan struct{}), make(chan struct{})}
	r.mu.Lock()
	before := r.claims[id]
	if r.claims == nil {
		r.claims = map[string]*repeatedClaim{}
	}
	r.claims[id] = own
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.claims[id] == own {
			delete(r.claims, id)
		}
		close(own.ended)
	}
	if before == nil {
		return own.replaced, leave, nil
	}
	close(before.replaced) // once: the claim in the map has not been replaced
	select {
	case <-before.ended:
		return own.replaced, leave, nil
	case <-ctx.Done():
		go func() { // a later one waits for both
			<-before.ended
			leave()
		}()
		return nil, nil, ctx.Err()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
