// Package storetest is the suite that the store must pass on each of its databases.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) *sqlstore.Store { return open(t) })
//	}
//
// Every test gets a fresh store, so that tests run in parallel and in any order. Negative checks
// have positive ones beside them.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// Open returns a fresh, empty store; the suite closes it.
type Open func(t testing.TB) *sqlstore.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	groups := []struct {
		name  string
		tests []test
	}{
		{"Orgs", orgTests}, {"Invites", inviteTests}, {"Tickets", ticketTests}, {"Sessions", sessionTests},
		{"Bots", botTests}, {"BotDeletion", deletionTests}, {"Tokens", tokenTests}, {"Channels", channelTests},
		{"Threads", threadTests}, {"Participants", participantTests}, {"JoinRequests", joinRequestTests},
		{"ThreadMessages", threadMessageTests}, {"Artifacts", artifactTests}, {"Audit", auditTests}, {"Log", logTests},
		{"Limits", limitTests}, {"Update", updateTests}, {"View", viewTests},
		{"WsTickets", wsTicketTests}, {"LoginFailures", loginFailureTests}, {"Presence", presenceTests}, {"Imports", importTests},
		{"Files", fileTests}, {"Retention", retentionTests}, {"Webhooks", webhookTests}, {"Pushes", pushTests}, {"Bounds", boundTests}, {"Quotas", quotaTests}, {"Leases", leaseTests}, {"Reach", reachTests},
		{"Receipts", receiptTests}, {"Turns", turnTests},
		{"Decisions", decisionTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					s := open(t)
					t.Cleanup(func() {
						if err := s.Close(); err != nil {
							t.Errorf("close: %v", err)
						}
					})
					c.run(&suite{T: t, Store: s, ctx: context.Background()})
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(*suite)
}

// suite is one test with its store and makers of rows.
type suite struct {
	*testing.T
	*sqlstore.Store
	ctx context.Context
	ids atomic.Int64
}

// id makes an id that sorts by age.
func (s *suite) id(kind string) string { return fmt.Sprintf("%s-%06d", kind, s.ids.Add(1)) }

// update runs a change that must succeed.
func (s *suite) update(org string, fn func(store.Tx) error) {
	s.Helper()
	if err := s.Update(s.ctx, org, fn); err != nil {
		s.Fatalf("update: %v", err)
	}
}

// refused runs a change that must fail with want.
func (s *suite) refused(org string, want error, fn func(store.Tx) error) {
	s.Helper()
	if err := s.Update(s.ctx, org, fn); !errors.Is(err, want) {
		s.Fatalf("update: got %v, want %v", err, want)
	}
}

// must returns the value of a read that must succeed.
func must[T any](v T, err error) func(*suite) T {
	return func(s *suite) T {
		s.Helper()
		if err != nil {
			s.Fatalf("read: %v", err)
		}
		return v
	}
}

// missing checks that a read found nothing.
func missing[T any](v T, err error) func(*suite) {
	return func(s *suite) {
		s.Helper()
		if !errors.Is(err, store.ErrNotFound) {
			s.Fatalf("got %v, %v, want ErrNotFound", v, err)
		}
	}
}

// equal compares values that == can compare.
func equal[T comparable](s *suite, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// same compares the printed forms of two values, following pointers.
func same(s *suite, what string, got, want any) {
	s.Helper()
	if g, w := show(got), show(want); g != w {
		s.Fatalf("%s:\ngot  %s\nwant %s", what, g, w)
	}
}

func ptr[T any](v T) *T { return &v }

// keys returns one text of each row.
func keys[T any](rows []T, key func(T) string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = key(r)
	}
	return out
}
