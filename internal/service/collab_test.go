package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// noAccess is an Access without any state.
type noAccess struct{}

func (noAccess) Forget(string)         {}
func (noAccess) LastSeen(string) int64 { return 0 }
func (noAccess) LastUsed(string) int64 { return 0 }

func (noAccess) AdminFingerprint(context.Context) (string, error) { return "", nil }

// orgFixture is the services on a new store with one org.
type orgFixture struct {
	t   *testing.T
	org string
	call.Services
	store *sqlstore.Store
}

func newOrgFixture(t *testing.T) *orgFixture {
	t.Helper()
	db := sqltest.SQLite(t)
	w := &orgFixture{t: t, org: newID(), store: db}
	w.Services = New(w.deps())
	err := db.Update(t.Context(), "", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: w.org, Name: "o", SecretHash: newID(), Status: store.OrgActive, CreatedAt: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// narrowed returns the part of a store that the services need.
func narrowed(s store.Store) Store {
	return store.NarrowViews(s, func(r store.Reader) Reader { return r }, func(tx store.Tx) Tx { return tx })
}

// deps returns the dependencies of the services of a fixture.
func (w *orgFixture) deps() Deps {
	return Deps{Store: narrowed(w.store), Files: openFiles(w.t), Access: noAccess{}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

// bot adds a bot and returns the context of its calls.
func (w *orgFixture) bot(name string) context.Context {
	w.t.Helper()
	b := &store.Bot{
		ID: "id-" + name, OrgID: w.org, Name: name, TokenHash: newID(),
		AuthRole: store.AuthMember, JoinStatus: store.BotActive, CreatedAt: 1,
	}
	err := w.store.Update(w.t.Context(), w.org, func(tx store.Tx) error { return tx.CreateBot(w.t.Context(), b) })
	if err != nil {
		w.t.Fatal(err)
	}
	return w.as(&call.Caller{Kind: call.Bot, OrgID: w.org, BotID: b.ID, BotName: name, Scopes: call.ScopeFull})
}

func (w *orgFixture) as(caller *call.Caller) context.Context {
	return call.WithInfo(w.t.Context(), &call.Info{Caller: caller, Via: "rest"})
}

func (w *orgFixture) admin() context.Context {
	return w.as(&call.Caller{Kind: call.OrgAdmin, OrgID: w.org, Session: &call.Session{}})
}

// events returns the events of the log after a seq, with their audiences.
func (w *orgFixture) events(after int64) (list []*b2bv1.Event, audiences []store.Audience) {
	w.t.Helper()
	rows, err := w.store.ReadLog(w.t.Context(), w.org, after, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		e, err := eventlog.Decode(&row)
		if err != nil {
			w.t.Fatal(err)
		}
		list, audiences = append(list, e), append(audiences, row.Audience)
	}
	return list, audiences
}

func (w *orgFixture) types(after int64) (types []string) {
	w.t.Helper()
	rows, err := w.store.ReadLog(w.t.Context(), w.org, after, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range rows {
		types = append(types, row.Type)
	}
	return types
}

func (w *orgFixture) top() int64 {
	w.t.Helper()
	top, err := w.store.LogTop(w.t.Context(), w.org)
	if err != nil {
		w.t.Fatal(err)
	}
	return top.Seq
}

func (w *orgFixture) audits(action string) []store.AuditEntry {
	w.t.Helper()
	entries, err := w.store.Audit(w.t.Context(), store.AuditQuery{OrgID: w.org, Action: action, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// thread creates a thread with participants and returns its id.
func (w *orgFixture) thread(ctx context.Context, participants ...string) string {
	w.t.Helper()
	topic := "a topic"
	res, err := w.ThreadService.CreateThread(ctx, &b2bv1.CreateThreadRequest{
		Topic: &topic, Participants: &b2bv1.StringList{Values: participants},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Thread.Id
}

func wantCode(t *testing.T, err error, code b2bv1.ErrorCode, status int) {
	t.Helper()
	var e *call.Error
	if !errors.As(err, &e) || e.Code != code || e.Status() != status {
		t.Errorf("got error %v, want %v with status %d", err, code, status)
	}
}

func TestOneChannelForConcurrentSenders(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a, b := w.bot("atlas"), w.bot("nova")
	before := w.top()
	const senders = 40
	var group sync.WaitGroup
	channels := make([]string, senders)
	for i := range senders {
		group.Go(func() {
			ctx, to := a, "nova"
			if i%2 == 1 {
				ctx, to = b, "id-atlas"
			}
			res, err := w.ChannelService.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{To: &to, Content: new(fmt.Sprint("m", i))})
			if err != nil {
				t.Errorf("sender %d: %v", i, err)
				return
			}
			channels[i] = res.ChannelId
		})
	}
	group.Wait()
	if slices.Sort(channels); len(slices.Compact(channels)) != 1 {
		t.Error("more than one channel for a pair")
	}
	types := w.types(before)
	if len(types) != senders+1 || types[0] != "channel_created" || slices.Index(types[1:], "channel_created") >= 0 {
		t.Errorf("events: %v", types)
	}
	list, err := w.ChannelService.ListChannelMessages(b, &b2bv1.ListChannelMessagesRequest{ChannelId: channels[0], Before: new("unknown")})
	if err != nil || len(list.Messages) != senders || !list.Paged || list.Messages[0].GetSenderName() == "" {
		t.Errorf("history: %v, %v", len(list.GetMessages()), err)
	}
}

func TestOneOfConcurrentUpdatesSucceeds(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a := w.bot("atlas")
	id := w.thread(a)
	var group sync.WaitGroup
	var mu sync.Mutex
	succeeded := 0
	for i := range 20 {
		group.Go(func() {
			res, err := w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{
				ThreadId: id, Topic: new(fmt.Sprint("topic ", i)), ExpectedRevision: new(int64(1)),
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_REVISION_CONFLICT, 409)
				return
			}
			succeeded++
			if res.Thread.Revision != 2 || !slices.Equal(res.Changes, []string{"topic"}) {
				t.Errorf("the successful update returned %v", res)
			}
		})
	}
	group.Wait()
	if succeeded != 1 {
		t.Errorf("%d updates succeeded, want 1", succeeded)
	}
}

func TestRevisionsOfOneUpdate(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a := w.bot("atlas")
	id := w.thread(a, "atlas")
	before := w.top()
	res, err := w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{
		ThreadId: id, Status: b2bv1.ThreadStatus_THREAD_STATUS_CLOSED.Enum(), CloseReason: b2bv1.CloseReason_CLOSE_REASON_MANUAL.Enum(),
		PermissionPolicy: new(`{"close": ["initiator"]}`), Visibility: b2bv1.Visibility_VISIBILITY_PRIVATE.Enum(),
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"status", "close_reason", "context", "permission_policy", "visibility", "join_policy"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"status", "close_reason", "context", "permission_policy", "visibility", "join_policy"}
	if res.Thread.Revision != 5 || !slices.Equal(res.Changes, want) || res.Thread.GetPermissionPolicy() != `{"close":["initiator"]}` {
		t.Errorf("got %v", res)
	}
	if got := w.types(before); !slices.Equal(got, []string{"thread_status_changed", "thread_updated"}) {
		t.Errorf("events: %v", got)
	}
	_, err = w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{ThreadId: id, Topic: new("x")})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, 409)
	_, err = w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{ThreadId: id, Status: b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED.Enum()})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, 400)
	_, err = w.OrgThreadService.UpdateOrgThread(w.admin(), &b2bv1.UpdateOrgThreadRequest{ThreadId: id, Status: b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED.Enum()})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION, 409)
}

func TestRefusedPermissionIsAudited(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a, b := w.bot("atlas"), w.bot("nova")
	id := w.thread(a, "nova")
	_, err := w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{ThreadId: id, PermissionPolicy: new(`{"write":["initiator"]}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.ThreadService.UpdateThread(b, &b2bv1.UpdateThreadRequest{ThreadId: id, PermissionPolicy: new(`{}`)})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, 403)
	_, err = w.ThreadService.SendThreadMessage(b, &b2bv1.SendThreadMessageRequest{ThreadId: id, Content: new("hi")})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_WRITE_PERMISSION_DENIED, 403)
	if denied := w.audits("thread.permission_denied"); len(denied) != 1 || *denied[0].Detail != `{"action":"manage"}` {
		t.Errorf("audit of manage: %v", denied)
	}
	if denied := w.audits("thread.write_denied"); len(denied) != 1 || denied[0].Detail != nil || *denied[0].BotID != "id-nova" {
		t.Errorf("audit of write: %v", denied)
	}
}

func TestThreadMessageEventEqualsTheMessage(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a, b := w.bot("atlas"), w.bot("nova")
	id := w.thread(a, "nova")
	first, err := w.ThreadService.SendThreadMessage(a, &b2bv1.SendThreadMessageRequest{ThreadId: id, Parts: &b2bv1.PartList{Values: []*b2bv1.Part{textPart("look @Nova @all")}}})
	if err != nil {
		t.Fatal(err)
	}
	before := w.top()
	sent, err := w.ThreadService.SendThreadMessage(b, &b2bv1.SendThreadMessageRequest{
		ThreadId: id, Content: new("yes"), ReplyTo: &first.Message.Id, Metadata: new(`{"z":1,"a":2}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if m := first.Message; m.Content != "look @Nova @all" || !m.MentionAll || len(m.Mentions) != 1 || m.Mentions[0].Name != "nova" {
		t.Errorf("first message: %v", m)
	}
	for _, m := range []*b2bv1.ThreadMessage{first.Message, sent.Message} {
		if m.Recipients.GetCount() != 1 {
			t.Errorf("recipients: %v", m.Recipients)
		}
		m.Recipients = nil // only the sender has them
	}
	list, err := w.ThreadService.ListThreadMessages(a, &b2bv1.ListThreadMessagesRequest{ThreadId: id})
	if err != nil || len(list.Items) != 2 || list.Paged {
		t.Fatalf("list: %v, %v", list, err)
	}
	if !proto.Equal(list.Items[0], first.Message) || !proto.Equal(list.Items[1], sent.Message) {
		t.Errorf("read %v\nsent %v, %v", list.Items, first.Message, sent.Message)
	}
	events, audiences := w.events(before)
	if len(events) != 1 || audiences[0] != store.AudienceThread || !proto.Equal(events[0].GetThreadMessage().GetMessage(), sent.Message) {
		t.Errorf("events: %v", events)
	}
	page, err := w.ThreadService.ListThreadMessages(a, &b2bv1.ListThreadMessagesRequest{ThreadId: id, Cursor: new(""), Limit: new(int32(1))})
	if err != nil || !page.Paged || !page.HasMore || page.GetNextCursor() != sent.Message.Id {
		t.Errorf("page: %v, %v", page, err)
	}
	_, err = w.ThreadService.SendThreadMessage(b, &b2bv1.SendThreadMessageRequest{ThreadId: id, Content: new("x"), ReplyTo: new("")})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 400)
}

func TestJoinRequestIsResolvedOnce(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a, b, c := w.bot("atlas"), w.bot("nova"), w.bot("vega")
	id := w.thread(a)
	update := func(p b2bv1.JoinPolicy) {
		t.Helper()
		if _, err := w.ThreadService.UpdateThread(a, &b2bv1.UpdateThreadRequest{ThreadId: id, JoinPolicy: &p}); err != nil {
			t.Fatal(err)
		}
	}
	update(b2bv1.JoinPolicy_JOIN_POLICY_APPROVAL)
	asked, err := w.ThreadService.JoinThread(b, &b2bv1.JoinThreadRequest{ThreadId: id})
	if err != nil || asked.Status != b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_PENDING {
		t.Fatal(asked, err)
	}
	if _, err := w.ThreadService.JoinThread(c, &b2bv1.JoinThreadRequest{ThreadId: id}); err != nil {
		t.Fatal(err)
	}
	_, err = w.ThreadService.JoinThread(b, &b2bv1.JoinThreadRequest{ThreadId: id})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_ALREADY_REQUESTED, 409)

	before := w.top()
	if _, err := w.ThreadService.AddParticipant(a, &b2bv1.AddParticipantRequest{ThreadId: id, BotId: new("nova")}); err != nil {
		t.Fatal(err)
	}
	events, audiences := w.events(before)
	if len(events) != 2 || events[0].GetThreadParticipant().GetLabel() == nil || audiences[1] != store.AudienceBot ||
		events[1].GetThreadJoinResolved().GetStatus() != b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_APPROVED {
		t.Errorf("the invitation of a bot with a pending request emits %v", events)
	}
	_, err = w.ThreadService.ApproveJoinRequest(a, &b2bv1.ApproveJoinRequestRequest{ThreadId: id, JoinRequestId: asked.GetRequestId()})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 404)

	before = w.top()
	update(b2bv1.JoinPolicy_JOIN_POLICY_INVITE_ONLY)
	if got := w.types(before); !slices.Equal(got, []string{"thread_join_resolved", "thread_updated"}) {
		t.Errorf("events: %v", got)
	}
	pending, err := w.ThreadService.ListJoinRequests(a, &b2bv1.ListJoinRequestsRequest{ThreadId: id})
	if err != nil || len(pending.JoinRequests) != 0 {
		t.Errorf("still pending: %v, %v", pending, err)
	}
}

func TestLastParticipantCannotLeave(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a, b := w.bot("atlas"), w.bot("nova")
	id := w.thread(a, "nova")
	before := w.top()
	if _, err := w.ThreadService.LeaveThread(b, &b2bv1.LeaveThreadRequest{ThreadId: id}); err != nil {
		t.Fatal(err)
	}
	events, _ := w.events(before)
	if p := events[0].GetThreadParticipant(); len(events) != 1 || p.GetBotId() != "id-nova" || p.GetAction() != b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT {
		t.Errorf("events: %v", events)
	}
	_, err := w.ThreadService.RemoveParticipant(a, &b2bv1.RemoveParticipantRequest{ThreadId: id, Bot: "atlas"})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, 400)
	_, err = w.OrgThreadService.RemoveOrgThreadParticipant(w.admin(), &b2bv1.RemoveOrgThreadParticipantRequest{ThreadId: id, Bot: "nova"})
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 404)
}

func TestRefusedMessagesAreNotCounted(t *testing.T) {
	t.Parallel()
	w := newOrgFixture(t)
	a := w.bot("atlas")
	w.bot("nova")
	settings := store.DefaultSettings(w.org)
	settings.MessagesPerMinutePerBot = 1
	err := w.store.Update(t.Context(), w.org, func(tx store.Tx) error { return tx.PutOrgSettings(t.Context(), settings) })
	if err != nil {
		t.Fatal(err)
	}
	send := func(to string) error {
		_, err := w.ChannelService.SendDirectMessage(a, &b2bv1.SendDirectMessageRequest{To: &to, Content: new("hi")})
		return err
	}
	wantCode(t, send("nobody"), b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, 404)
	wantCode(t, send("atlas"), b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, 400)
	if err := send("nova"); err != nil {
		t.Error(err)
	}
	err = send("nova")
	wantCode(t, err, b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, 429)
	var e *call.Error
	if errors.As(err, &e) && e.RetryAfter < 1 {
		t.Errorf("retry after %d", e.RetryAfter)
	}
}
