package sqlstore

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/b2b-protocol/b2b/server/fair"
	"github.com/b2b-protocol/b2b/server/store"
)

// shares divides the connections that read between organisations, so that one that reads
// as much as it can leaves some to the others (B2B-LIM-020).
type shares struct {
	payer func(context.Context) string // whose share a read takes from; nil: nobody's
	conns *fair.Pool
	// processors bounds reads that are marked as long, where the database is in this
	// process: one organisation may not keep all processors busy. nil: elsewhere.
	processors *fair.Pool
}

const (
	// readsWaiting is how many reads of one organisation may wait: as many as come when
	// all its bots connect again at the same moment.
	readsWaiting = 16384
	readWait     = 30 * time.Second
	longWaiting  = 256 // as readsWaiting, of those that are long
)

// newShares divides conns connections; local says that the database is in this process.
func newShares(payer func(context.Context) string, conns int, local bool) *shares {
	s := &shares{payer: payer, conns: fair.New(fair.Sizes{Places: conns, Queue: readsWaiting, Wait: readWait})}
	if local {
		s.processors = fair.New(fair.Sizes{Places: max(runtime.GOMAXPROCS(0), 2), Queue: longWaiting, Wait: readWait})
	}
	return s
}

// seat is what one read outside of a change holds of its share.
type seat struct{ conn, processor fair.Place }

// enter waits until a read may begin.
func (s *shares) enter(ctx context.Context) (got seat, err error) {
	who := ""
	if s.payer != nil {
		who = s.payer(ctx)
	}
	if s.processors != nil && ctx.Value(longKey{}) != nil {
		if got.processor, err = s.processors.Enter(ctx, who); err != nil {
			return seat{}, tooMuch(err)
		}
	}
	if got.conn, err = s.conns.Enter(ctx, who); err != nil {
		got.processor.Leave()
		return seat{}, tooMuch(err)
	}
	return got, nil
}

func tooMuch(err error) error {
	if errors.Is(err, fair.ErrBusy) {
		return &store.Outage{Busy: true, Err: err}
	}
	return err
}

func (s *seat) leave() {
	s.conn.Leave()
	s.processor.Leave()
}
