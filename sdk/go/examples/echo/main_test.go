package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// TestEcho: each message is answered once, also one that was sent between two runs.
func TestEcho(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := b2btest.NewFakeServer()
		defer server.Close()
		user, position := server.Client("user"), filepath.Join(t.TempDir(), "position")
		for _, texts := range [][]string{{"one", "two"}, {"four", "echo: five"}} {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, server.Client("echo"), position) }()
			synctest.Wait()
			for _, text := range texts {
				if _, err := user.Send(ctx, "echo", text); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if _, err := user.Send(t.Context(), "echo", "three"); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for m, err := range user.EachInboxMessage(t.Context(), &b2bv1.GetInboxRequest{Since: timestamppb.New(time.Unix(0, 0))}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.GetMessage().GetContent())
		}
		if want := []string{"echo: one", "echo: two", "echo: three", "echo: four"}; !slices.Equal(got, want) {
			t.Errorf("the answers are %q, want %q", got, want)
		}
	})
}
