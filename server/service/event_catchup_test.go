package service

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/fair"
)

// B2B-LIM-020: catch-ups of one org, however many come, leave a place to another org, and
// wait for their own.
func TestCatchUpsAreSharedByOrgs(t *testing.T) {
	s := newEventService(&core{})
	of := func(org string) context.Context {
		return call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{OrgID: org}})
	}
	// enter begins a catch-up that lasts until leave is called.
	enter := func(ctx context.Context) (leave func(), err error) {
		entered, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- s.catchUp(ctx, timestamppb.Now(), func(eventlog.Viewer, int64) error {
				close(entered)
				<-release
				return nil
			})
		}()
		select {
		case <-entered:
			return func() {
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
			}, nil
		case err := <-done:
			return nil, err
		}
	}
	var leave []func()
	for {
		ctx, cancel := context.WithTimeout(of("busy"), 50*time.Millisecond)
		left, err := enter(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, left)
	}
	if len(leave) == 0 {
		t.Fatal("an org alone gets no place")
	}
	quiet, err := enter(of("quiet"))
	if err != nil {
		t.Fatalf("another org waits: %v", err)
	}
	quiet()
	leave[0]()
	again, err := enter(of("busy"))
	if err != nil {
		t.Fatalf("a place that is free again: %v", err)
	}
	again()
	for _, left := range leave[1:] {
		left()
	}
	if n := s.catchups.Held("busy") + s.catchups.Held("quiet"); n != 0 {
		t.Errorf("%d places are held by nobody", n)
	}
}

// Who cannot wait for a catch-up is told when to come again, and one without a moment to
// begin at waits for nothing.
func TestCatchUpIsRefused(t *testing.T) {
	s := newEventService(&core{})
	ctx := call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{OrgID: "org"}})
	never := func(eventlog.Viewer, int64) error { t.Error("a refused catch-up reads"); return nil }
	err := s.catchUp(ctx, nil, never)
	if told, ok := call.AsError(err); !ok || told.Code != b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR {
		t.Errorf("without since: %v", err)
	}
	s.catchups = fair.New(fair.Sizes{Places: 1, Wait: time.Millisecond})
	place, err := s.catchups.Enter(ctx, "org")
	if err != nil {
		t.Fatal(err)
	}
	defer place.Leave()
	err = s.catchUp(ctx, timestamppb.Now(), never)
	if told, ok := call.AsError(err); !ok || told.RetryAfter == 0 || told.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		t.Errorf("who cannot wait is told %v", err)
	}
}
