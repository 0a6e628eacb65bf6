package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// TestReviewer: each version of an artifact is reviewed once, one that exists at the start as well,
// and the status of the thread follows.
func TestReviewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := b2btest.NewFakeServer()
		defer server.Close()
		writer := server.Client("writer")
		server.Token("reviewer")
		created, err := writer.Threads.CreateThread(t.Context(), &b2bv1.CreateThreadRequest{
			Topic: proto.String("Release"), Participants: &b2bv1.StringList{Values: []string{"reviewer"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		id := created.GetThread().GetId()
		if _, err := writer.Artifacts.AddArtifact(t.Context(), &b2bv1.AddArtifactRequest{ThreadId: id, ArtifactKey: proto.String("plan"), Content: proto.String("TODO: dates\n" + strings.Repeat("x", 101))}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second start finds nothing to do
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, server.Client("reviewer")) }()
			time.Sleep(time.Minute)
			if status := statusOf(t, writer, id); status != "reviewing" {
				t.Errorf("with findings, the thread is %s", status)
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, server.Client("reviewer")) }()
		synctest.Wait()
		if _, err := writer.Artifacts.UpdateArtifact(t.Context(), &b2bv1.UpdateArtifactRequest{ThreadId: id, ArtifactKey: "plan", Content: proto.String("# Plan")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if status := statusOf(t, writer, id); status != "resolved" {
			t.Errorf("without findings, the thread is %s", status)
		}
		cancel()
		<-ended
		var said []string
		for m, err := range writer.EachThreadMessage(t.Context(), &b2bv1.ListThreadMessagesRequest{ThreadId: id}) {
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, m.GetContent())
		}
		want := []string{
			"Review of plan version 2: 0 findings",
			"Review of plan version 1: 2 findings\n- line 1 has a TODO\n- line 2 has 101 characters, at most 100 are good to read",
		}
		if !slices.Equal(said, want) {
			t.Errorf("the reviews are %q, want %q", said, want)
		}
	})
}

func statusOf(t *testing.T, c *b2b.Client, thread string) string {
	t.Helper()
	res, err := c.Threads.GetThread(t.Context(), &b2bv1.GetThreadRequest{ThreadId: thread})
	if err != nil {
		t.Fatal(err)
	}
	return b2b.EnumText(res.GetThread().GetStatus())
}
