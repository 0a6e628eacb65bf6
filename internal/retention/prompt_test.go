package retention_test

import (
	"context"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestPromptJobs: a decision expires while a job that nobody waits for takes its time (B2B-DEC-025).
func TestPromptJobs(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		f.org("o")
		f.org("ended")
		ann := f.bot("o", "ann")
		th := must(f.ThreadService.CreateThread(ann, &b2bv1.CreateThreadRequest{Topic: new("t")})).GetThread()
		c := f.config("n")
		begun := make(chan struct{}, 1)
		c.RemoveFiles = func(ctx context.Context, _ string) error {
			begun <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		f.update("ended", func(tx store.Tx) error { return tx.EndOrg(f.ctx, "ended") })
		ctx, cancel := context.WithCancel(f.ctx)
		done := make(chan error)
		go func() { done <- retention.New(c).Run(ctx) }()
		<-begun
		must(f.DecisionService.AskThreadDecision(ann, &b2bv1.AskThreadDecisionRequest{
			ThreadId: th.GetId(), Kind: b2bv1.DecisionKind_DECISION_KIND_APPROVE.Enum(), Question: new("?"), Humans: true, ExpiresIn: new(int32(1)),
		}))
		asked := must(f.LogTop(f.ctx, "o")).Seq
		begin, expired := time.Now(), f.now().Add(2*time.Second)
		waittest.Until(f, "the event of the decision that expired", func() bool {
			f.clock.Store(expired.Add(min(time.Since(begin), 7*time.Second)).UnixMilli()) // the node's lease lasts 10 s
			return must(f.LogTop(f.ctx, "o")).Seq > asked
		})
		cancel()
		f.want("result of Run", <-done, nil)
	})
}
