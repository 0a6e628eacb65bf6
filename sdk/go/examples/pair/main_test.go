package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// TestPair: the worker solves the task of the planner, and both end, though responses are lost.
func TestPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := b2btest.NewFakeServer()
		defer server.Close()
		worker := server.Client("worker")
		ended := make(chan error, 1)
		go func() { ended <- work(t.Context(), worker, true) }()
		synctest.Wait()
		server.Lose(4)
		if err := plan(t.Context(), server.Client("planner"), "worker"); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for thread, err := range worker.EachThread(t.Context(), nil) {
			if err != nil || b2b.EnumText(thread.GetStatus()) != "resolved" {
				t.Errorf("the thread is %v, %v", thread.GetStatus(), err)
			}
		}
	})
}
