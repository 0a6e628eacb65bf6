package service

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// enter finds a thread for the calling bot and returns it with the bot's own participation, or
// the error of B2B-THR-020. live reports that the operation is refused on a resolved or closed
// thread (B2B-THR-063).
func (c *core) enter(ctx context.Context, r entryReader, id string, live bool) (*store.Thread, *store.Participant, error) {
	caller := call.CallerOf(ctx)
	t, err := r.Thread(ctx, caller.OrgID, id)
	if err != nil {
		return nil, nil, notFound(err, "thread")
	}
	p, err := participation(ctx, r, id, caller.BotID)
	if err != nil {
		return nil, nil, err
	}
	if err := accessError(t, p != nil, live); err != nil {
		return nil, nil, err
	}
	return t, p, nil
}

// participation returns the bot's row in a thread, or nil when it is not a participant.
func participation(ctx context.Context, r participantReader, threadID, bot string) (*store.Participant, error) {
	p, err := r.Participant(ctx, threadID, bot)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up a participant: %w", err)
	}
	return p, nil
}

func accessError(t *store.Thread, participant, live bool) error {
	switch thread.CheckAccess(thread.Visibility(t.Visibility), thread.Status(t.Status), participant, live) {
	case thread.NotFound:
		return call.NotFound("thread")
	case thread.Ended:
		return errThreadClosed(t)
	case thread.JoinRequired:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, "You are not a participant of this thread").
			WithHint("Join it with POST /api/threads/" + t.ID + "/join.")
	}
	return nil
}

func errThreadClosed(t *store.Thread) error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, "This thread is %s", t.Status).
		WithHint("Set its status to active to reopen it.")
}

// permitted reports whether a participant may do any of the actions (B2B-THR-071 to 076). The
// org's default policy is read only when the thread has none.
func (c *core) permitted(ctx context.Context, r settingsReader, t *store.Thread, p *store.Participant, actions ...thread.Action) (bool, error) {
	var orgDefault *string
	if t.PermissionPolicy == nil {
		settings, err := r.OrgSettings(ctx, t.OrgID)
		if err != nil {
			return false, fmt.Errorf("read the org's settings: %w", err)
		}
		orgDefault = settings.DefaultThreadPermissionPolicy
	}
	return permittedBy(orgDefault, t, p, actions...), nil
}

// permittedBy is permitted with the org's default policy as an argument.
func permittedBy(orgDefault *string, t *store.Thread, p *store.Participant, actions ...thread.Action) bool {
	who := thread.Subject{Initiator: t.InitiatorID != nil && *t.InitiatorID == p.BotID}
	if p.Label != nil {
		who.Label = *p.Label
	}
	for _, action := range actions {
		if thread.Allowed(t.PermissionPolicy, orgDefault, action, who) {
			return true
		}
	}
	return false
}

// denial is a refusal that is audited. The transaction that it ends is rolled back, so guarded
// writes its audit entry afterwards.
type denial struct {
	refusal *call.Error
	action  string
	thread  string
	detail  any
}

func (d *denial) Error() string { return d.refusal.Error() }
func (d *denial) Unwrap() error { return d.refusal }

// errWriteDenied refuses a message or an artifact (B2B-THR-076).
func errWriteDenied(t *store.Thread) error {
	return &denial{
		refusal: call.Errorf(b2bv1.ErrorCode_ERROR_CODE_WRITE_PERMISSION_DENIED, "The permission policy of this thread does not let you write"),
		action:  "thread.write_denied", thread: t.ID,
	}
}

// errForbiddenBy refuses what the permission policy does not allow.
func errForbiddenBy(actions string) *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "The permission policy of this thread does not let you %s", actions)
}

// guarded is change for operations that a permission policy may refuse: it audits a denial that fn
// returns.
func guarded[M proto.Message, T any](ctx context.Context, c *core, req request, fn func(tx T) (M, error)) (M, error) {
	org := call.CallerOf(ctx).OrgID
	return guardedIn(ctx, c, changeOptions{org: org, responseOrg: org}, req, fn)
}

// guardedIn is guarded with options.
func guardedIn[M proto.Message, T any](ctx context.Context, c *core, in changeOptions, req request, fn func(tx T) (M, error)) (M, error) {
	out, err := changeIn(ctx, c, in, req, fn)
	var d *denial
	if !errors.As(err, &d) {
		return out, err
	}
	err = update(ctx, c, in.org, func(tx deniedTx) error {
		if err := c.audit(ctx, tx, in.org, actorBot(ctx), d.action, "thread", d.thread, d.detail); err != nil {
			return err
		}
		return tx.CountStored(ctx, c.nowMS(), true)
	})
	if err != nil {
		return out, err
	}
	return out, d.refusal
}

// texts returns the JSON of a detail with at most four values, all of them strings, with sorted
// keys. ok is false for other details.
func (d detail) texts() (text string, ok bool) {
	var room [4]string
	keys := room[:0]
	for k, v := range d {
		if _, ok := v.(string); !ok || len(keys) == len(room) {
			return "", false
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b := make([]byte, 0, 160)
	for i, k := range keys {
		b = append(b, "{,"[min(i, 1)])
		b = append(wire.AppendString(b, k), ':')
		b = wire.AppendString(b, d[k].(string))
	}
	if len(keys) == 0 {
		b = append(b, '{')
	}
	return string(append(b, '}')), true
}

// detail is the detail of an audit entry, by key.
type detail map[string]any

// via adds the key via to the details of calls over WebSocket.
func (d detail) via(ctx context.Context) detail {
	if call.From(ctx).Via == "ws" {
		d["via"] = "ws"
	}
	return d
}
