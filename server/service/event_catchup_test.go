package service

import (
	"context"
	"errors"
	"testing"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
)

// B2B-LIM-020: catch-ups of one org, however many come, leave a place to another org, and
// wait for their own.
func TestCatchUpsAreSharedByOrgs(t *testing.T) {
	s := newEventService(&core{})
	of := func(org string) context.Context {
		return call.WithInfo(t.Context(), &call.Info{Caller: &call.Caller{OrgID: org}})
	}
	var leave []func()
	for {
		ctx, cancel := context.WithTimeout(of("busy"), 50*time.Millisecond)
		left, err := s.catchUp(ctx)
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
	quiet, err := s.catchUp(of("quiet"))
	if err != nil {
		t.Fatalf("another org waits: %v", err)
	}
	quiet()
	leave[0]()
	again, err := s.catchUp(of("busy"))
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
	if err := errTooManyCatchups(); err.RetryAfter == 0 || err.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE {
		t.Errorf("who cannot wait is told %+v", err)
	}
}
