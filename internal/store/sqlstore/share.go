package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/store"
)

// shares divides the connections for reads between the orgs, so that an org with many reads
// leaves some to the others (B2B-LIM-020).
type shares struct {
	payer func(context.Context) string // returns the org of a read; nil: all reads have one share
	conns *fair.Pool
}

const (
	// readsWaiting is how many reads of one org may wait: enough for all its bots to reconnect
	// at the same moment.
	readsWaiting = 16384
	readWait     = 30 * time.Second
)

// newShares divides conns connections.
func newShares(payer func(context.Context) string, conns int) *shares {
	return &shares{payer: payer, conns: fair.New(fair.Sizes{Slots: conns, Queue: readsWaiting, Wait: readWait})}
}

// enter waits until the share of the org allows another read. The result is the read's part
// of the share, to be returned by Leave.
func (s *shares) enter(ctx context.Context) (fair.Slot, error) {
	who := ""
	if s.payer != nil {
		who = s.payer(ctx)
	}
	place, err := s.conns.Enter(ctx, who)
	return place, tooMuch(err)
}

func tooMuch(err error) error {
	if errors.Is(err, fair.ErrBusy) {
		return &store.Outage{Busy: true, Err: err}
	}
	return err
}
