package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// solve adds the sum of numbers as an artifact to the thread of a message. If one of its calls fails,
// it is called again for the event; the request ids let each change be made once.
func solve(ctx context.Context, c *b2b.Client, event *b2b.Event, numbers string) error {
	sum := 0
	for _, field := range strings.Fields(numbers) {
		n, err := strconv.Atoi(field)
		if err != nil {
			_, err := c.Reply(ctx, event.Event, field+" is not a number.")
			return err
		}
		sum += n
	}
	message := event.GetThreadMessage().GetMessage()
	if _, err := c.Reply(ctx, event.Event, "working on it", b2b.WithRequestID("reply-"+message.GetId())); err != nil {
		return err
	}
	thread := message.GetThreadId()
	_, err := c.Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{
		ThreadId: thread, ArtifactKey: proto.String("result"), Content: proto.String(strconv.Itoa(sum)),
		RequestId: proto.String("result-" + message.GetId()),
	})
	if err != nil {
		return err
	}
	fmt.Println("sum:", sum)
	about, err := c.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: thread})
	if err != nil || about.GetThread().GetStatus() != b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE {
		return err // the planner may have been faster
	}
	_, err = c.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{
		ThreadId: thread, Status: b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING.Enum(), ExpectedRevision: &about.Thread.Revision,
	})
	if code := b2b.CodeOf(err); code == b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT || code == b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED {
		return nil // as above
	}
	return err
}
