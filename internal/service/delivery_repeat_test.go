package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A claim waits for the ones before it with its id, also if one of these gives up meanwhile.
func TestRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &repeats{}
		replaced, end, err := r.begin(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		given := make(chan error)
		go func() {
			_, _, err := r.begin(gone, "id")
			given <- err
		}()
		synctest.Wait()
		if !isClosed(replaced) {
			t.Error("the first claim does not know that it is replaced")
		}
		leave()
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Errorf("a claim that gives up: %v", err)
		}
		begun := make(chan func())
		go func() {
			_, end, err := r.begin(t.Context(), "id")
			if err != nil {
				t.Error(err)
			}
			begun <- end
		}()
		synctest.Wait()
		select {
		case <-begun:
			t.Fatal("the third claim does not wait for the first")
		default:
		}
		end()
		(<-begun)()
		synctest.Wait()
		if len(r.claims) > 0 {
			t.Errorf("%d claims are left", len(r.claims))
		}
	})
}
