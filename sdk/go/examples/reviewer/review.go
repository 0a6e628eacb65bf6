package main

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// reviewer reviews with the client of a bot.
type reviewer struct {
	client *b2b.Client
	me     string // the id of the bot
}

// reviews reports whether an artifact is one to review: a text that is no review and not of the bot
// itself.
func (r reviewer) reviews(a *b2bv1.Artifact) bool {
	if t := a.GetType(); t == b2bv1.ArtifactType_ARTIFACT_TYPE_FILE || t == b2bv1.ArtifactType_ARTIFACT_TYPE_LINK {
		return false
	}
	return !strings.HasPrefix(a.GetArtifactKey(), "review-") && a.GetContributorId() != r.me
}

// findings returns what is wrong with an artifact.
func findings(a *b2bv1.Artifact) (found []string) {
	if strings.TrimSpace(a.GetContent()) == "" {
		return []string{"the content is empty"}
	}
	for i, line := range strings.Split(a.GetContent(), "\n") {
		if n := utf8.RuneCountInString(line); n > 100 {
			found = append(found, fmt.Sprintf("line %d has %d characters, at most 100 are good to read", i+1, n))
		}
		if strings.Contains(line, "TODO") {
			found = append(found, fmt.Sprintf("line %d has a TODO", i+1))
		}
	}
	return found
}

// reviewThread reviews the artifacts of a thread that were not reviewed, and sets its status.
func (r reviewer) reviewThread(ctx context.Context, threadID string) error {
	thread, err := r.client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: threadID})
	if err != nil {
		return err
	}
	status := thread.GetThread().GetStatus()
	if status != b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE && status != b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING {
		return nil
	}
	latest := map[string]*b2bv1.Artifact{}
	for a, err := range r.client.EachArtifact(ctx, &b2bv1.ListArtifactsRequest{ThreadId: threadID}) {
		if err != nil {
			return err
		}
		latest[a.GetArtifactKey()] = a
	}
	want := b2bv1.ThreadStatus_THREAD_STATUS_UNSPECIFIED // nothing to review
	for key, a := range latest {
		if !r.reviews(a) {
			continue
		}
		found := findings(a)
		if want == b2bv1.ThreadStatus_THREAD_STATUS_UNSPECIFIED {
			want = b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED
		}
		if len(found) > 0 {
			want = b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING
		}
		if err := r.publish(ctx, a, latest["review-"+key], found); err != nil {
			return err
		}
	}
	if want == b2bv1.ThreadStatus_THREAD_STATUS_UNSPECIFIED || want == status {
		return nil
	}
	// If someone changed the thread in between, this is a REVISION_CONFLICT: the event is handled again.
	_, err = r.client.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{
		ThreadId: threadID, Status: &want, ExpectedRevision: proto.Int64(thread.GetThread().GetRevision()),
	})
	if err == nil {
		fmt.Println(thread.GetThread().GetTopic()+":", b2b.EnumText(want))
	}
	return err
}

// publish says in the thread what a review found, unless the last review is of this version. With the
// request ids, a review that was interrupted is completed, and nothing is sent twice.
func (r reviewer) publish(ctx context.Context, a, last *b2bv1.Artifact, found []string) error {
	title := fmt.Sprintf("Review of %s version %d", a.GetArtifactKey(), a.GetVersion())
	if strings.HasPrefix(last.GetContent(), "# "+title+"\n") {
		return nil
	}
	list := ""
	for _, f := range found {
		list += "\n- " + f
	}
	_, err := r.client.SendToThread(ctx, a.GetThreadId(), fmt.Sprintf("%s: %d findings%s", title, len(found), list),
		func(m *b2bv1.SendThreadMessageRequest) { m.RequestId = proto.String("review-message-" + a.GetId()) })
	if err != nil {
		return err
	}
	content, id := "# "+title+"\n"+list+"\n", proto.String("review-artifact-"+a.GetId())
	if last == nil {
		_, err = r.client.Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{
			ThreadId: a.GetThreadId(), ArtifactKey: proto.String("review-" + a.GetArtifactKey()),
			Type: b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN.Enum(), Content: &content, RequestId: id,
		})
	} else {
		_, err = r.client.Artifacts.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{
			ThreadId: a.GetThreadId(), ArtifactKey: last.GetArtifactKey(), Content: &content, RequestId: id,
		})
	}
	if err == nil {
		fmt.Printf("%s: %d findings\n", title, len(found))
	}
	return err
}
