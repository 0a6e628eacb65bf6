package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestWorkThroughTheGoClient: two workers of a bot share its inbox, one of them fails once for each
// message, and each message has one reply (B2B-SDK-042 to 044).
func TestWorkThroughTheGoClient(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir())
	_, bots := n.team("worker", "asker")
	asker := b2b.New(n.URL, b2b.WithToken(bots["asker"].token))
	texts := []string{"one", "two", "three", "four", "five"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	handled := map[string]int{}
	work := func(ctx context.Context, item *b2b.InboxItem) error {
		text := item.GetEvent().GetMessage().GetMessage().GetContent()
		mu.Lock()
		handled[text]++
		first := handled[text] == 1
		mu.Unlock()
		if first {
			return errors.New("not yet")
		}
		if _, err := item.Reply(ctx, "re: "+text); err != nil {
			return err
		}
		if text == texts[len(texts)-1] {
			cancel()
		}
		return nil
	}
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			c := b2b.New(n.URL, b2b.WithToken(bots["worker"].token))
			if err := c.Work(ctx, work); !errors.Is(err, context.Canceled) {
				t.Errorf("a worker ended with %v", err)
			}
		})
	}
	for _, text := range texts {
		if _, err := asker.Send(t.Context(), "worker", text); err != nil {
			t.Fatal(err)
		}
	}
	workers.Wait()
	var replies []string
	for m, err := range asker.EachInboxMessage(t.Context(), &b2bv1.GetInboxRequest{Since: timestamppb.New(time.UnixMilli(0))}) {
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, m.GetMessage().GetContent())
	}
	if want := []string{"re: one", "re: two", "re: three", "re: four", "re: five"}; !slices.Equal(replies, want) {
		t.Errorf("replies %q, want %q", replies, want)
	}
}
