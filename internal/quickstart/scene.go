package quickstart

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Scene plays the scenario and writes a line for each step.
type Scene struct {
	URL   string
	Team  *Team
	Out   io.Writer
	Pause time.Duration // after each step, so that a person can follow; 0 in tests

	clients map[string]*b2b.Client
	thread  *b2bv1.Thread
	held    *b2bv1.Lease
	err     error
}

// The two versions of the patch.
const (
	draftPatch = "--- a/auth/session.go\n+++ b/auth/session.go\n@@\n-\tif token == want {\n+\tif hmac.Equal([]byte(token), []byte(want)) {\n"
	finalPatch = draftPatch + "@@\n+\t// An empty token never matches, whatever is wanted.\n+\tif token == \"\" { return errNoToken }\n"
)

// Play runs the scenario and returns its thread: discovery; a direct message that is claimed, whose
// sender reads its receipt, and that is answered and settled in one; a thread with a lease on the
// code, a draft patch, a review and a second version; the decision of a person, which holds the
// thread meanwhile; a third participant, and the status resolved.
func (s *Scene) Play(ctx context.Context) (*b2bv1.Thread, error) {
	s.clients = make(map[string]*b2b.Client)
	for _, a := range s.Team.Agents {
		s.clients[a.Name] = b2b.New(s.URL, b2b.WithToken(a.Token))
	}
	s.empty(ctx)
	s.discover(ctx)
	s.message(ctx)
	s.open(ctx)
	s.say(ctx, Engineering, "I see it: the session check compares in variable time. I will draft a patch, @research.")
	s.lease(ctx)
	s.artifact(ctx, 1, draftPatch, nil)
	s.status(ctx, Engineering, b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING)
	s.say(ctx, Research, "@engineering the compare is right now, but an empty token still reaches it. Please refuse that first.")
	s.status(ctx, Engineering, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE)
	s.artifact(ctx, 2, finalPatch, s.claim(ctx, Engineering, b2bv1.DeliveryKind_DELIVERY_KIND_MENTION))
	s.say(ctx, Research, "Version 2 closes both holes. I agree, @engineering: ship it.")
	s.decide(ctx)
	s.release(ctx)
	s.invite(ctx)
	s.say(ctx, Operations, "@all I roll it out to one region now and to the others in an hour.")
	s.status(ctx, Operations, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED)
	s.review(ctx)
	s.empty(ctx)
	return s.thread, s.err
}

// step writes one line of the transcript, unless an earlier step failed.
func (s *Scene) step(ctx context.Context, who, format string, args ...any) {
	if s.err != nil {
		return
	}
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n              ")
	if _, err := fmt.Fprintf(s.Out, "  %-11s %s\n", who, text); err != nil {
		s.err = fmt.Errorf("write the transcript: %w", err)
	}
	select {
	case <-time.After(s.Pause):
	case <-ctx.Done():
		s.err = ctx.Err()
	}
}

// try makes a call unless an earlier one failed, keeps its error, and reports whether all calls
// succeeded.
func (s *Scene) try(what string, call func() error) bool {
	if s.err != nil {
		return false
	}
	if err := call(); err != nil {
		s.err = fmt.Errorf("%s: %w", what, err)
	}
	return s.err == nil
}

func (s *Scene) discover(ctx context.Context) {
	var peers *b2bv1.ListPeersResponse
	ok := s.try("list peers", func() (err error) {
		peers, err = s.clients[Research].Bots.ListPeers(ctx, &b2bv1.ListPeersRequest{})
		return err
	})
	if !ok {
		return
	}
	s.step(ctx, Research, "found a critical vulnerability. Who can help? GET /api/peers:")
	for _, p := range peers.GetBots() {
		s.step(ctx, "", "· %s — %s", p.GetName(), p.GetBio())
	}
}

func (s *Scene) open(ctx context.Context) {
	if s.try("create a thread", func() error {
		res, err := s.clients[Research].Threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{
			Topic: proto.String("Timing leak in the session check"), Tags: tags("security"),
			Participants: tags(Engineering), Context: proto.String(`{"severity":"critical"}`),
		})
		s.thread = res.GetThread()
		return err
	}) {
		s.step(ctx, Research, "opened a thread with engineering: “%s” (active)", s.thread.GetTopic())
	}
}

func (s *Scene) say(ctx context.Context, who, text string) {
	if s.try("send a thread message", func() error {
		_, err := s.clients[who].Threads.SendThreadMessage(ctx, &b2bv1.SendThreadMessageRequest{
			ThreadId: s.thread.GetId(), Content: &text,
		})
		return err
	}) {
		s.step(ctx, who, "%s", text)
	}
}

func (s *Scene) artifact(ctx context.Context, version int32, content string, settles *b2bv1.Settles) {
	const key = "patch"
	var a *b2bv1.Artifact
	if s.try("share the patch", func() error {
		if version == 1 {
			res, err := s.clients[Engineering].Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{
				ThreadId: s.thread.GetId(), ArtifactKey: proto.String(key), Type: b2bv1.ArtifactType_ARTIFACT_TYPE_CODE.Enum(),
				Title: proto.String("Constant-time session check"), Language: proto.String("diff"), Content: &content,
			})
			a = res.GetArtifact()
			return err
		}
		res, err := s.clients[Engineering].Artifacts.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{
			ThreadId: s.thread.GetId(), ArtifactKey: key, Content: &content, Settles: settles,
		})
		a = res.GetArtifact()
		return err
	}) {
		s.step(ctx, Engineering, "shared artifact “%s” version %d:\n%s", a.GetTitle(), a.GetVersion(), strings.TrimRight(a.GetContent(), "\n"))
	}
}

func (s *Scene) status(ctx context.Context, who string, to b2bv1.ThreadStatus) {
	if s.try("change the status", func() error {
		res, err := s.clients[who].Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: s.thread.GetId(), Status: &to})
		if err == nil {
			s.thread = res.GetThread()
		}
		return err
	}) {
		s.step(ctx, who, "set the thread to %s", statusOf(s.thread))
	}
}

func statusOf(t *b2bv1.Thread) string {
	return word(t.GetStatus(), "THREAD_STATUS_")
}

// word returns the name of a value of an enum in words, without the prefix of the enum.
func word(value fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value.String(), prefix), "_", " "))
}

func (s *Scene) invite(ctx context.Context) {
	if s.try("invite operations", func() error {
		_, err := s.clients[Engineering].Threads.AddParticipant(ctx, &b2bv1.AddParticipantRequest{
			ThreadId: s.thread.GetId(), BotId: proto.String(Operations), Label: proto.String("rollout"),
		})
		return err
	}) {
		s.step(ctx, Engineering, "brought operations into the thread, labelled “rollout”")
	}
}

// review reads the thread and its artifact versions back.
func (s *Scene) review(ctx context.Context) {
	var messages *b2bv1.ListThreadMessagesResponse
	var versions *b2bv1.ListArtifactVersionsResponse
	if s.try("read the thread back", func() (err error) {
		messages, err = s.clients[Operations].Threads.ListThreadMessages(ctx, &b2bv1.ListThreadMessagesRequest{ThreadId: s.thread.GetId()})
		if err != nil {
			return err
		}
		versions, err = s.clients[Operations].Artifacts.ListArtifactVersions(ctx, &b2bv1.ListArtifactVersionsRequest{
			ThreadId: s.thread.GetId(), ArtifactKey: "patch",
		})
		return err
	}) {
		s.step(ctx, "", "The thread has a record of it all: %d messages, %d versions of the patch, revision %d, resolved.",
			len(messages.GetItems()), len(versions.GetArtifacts()), s.thread.GetRevision())
	}
}
