package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/b2b-protocol/b2b/server/fair"
	"github.com/b2b-protocol/b2b/server/store"
)

// shares divides the connections that read between organisations, so that one that reads
// as much as it can leaves some to the others (B2B-LIM-020).
type shares struct {
	payer func(context.Context) string // whose share a read takes from; nil: nobody's
	conns *fair.Pool
}

const (
	// readsWaiting is how many reads of one organisation may wait: as many as come when
	// all its bots connect again at the same moment.
	readsWaiting = 16384
	readWait     = 30 * time.Second
)

// newShares divides conns connections.
func newShares(payer func(context.Context) string, conns int) *shares {
	return &shares{payer: payer, conns: fair.New(fair.Sizes{Places: conns, Queue: readsWaiting, Wait: readWait})}
}

// enter waits until a read may begin; the place is what the read has of its share.
func (s *shares) enter(ctx context.Context) (fair.Place, error) {
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
