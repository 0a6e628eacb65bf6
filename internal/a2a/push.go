package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/uuid"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Pushes keeps the places to which tasks are posted, of the bot of the request in the context. Its
// errors are those of calls.
type Pushes interface {
	// CheckURL returns an error for an address that nothing may be posted to.
	CheckURL(ctx context.Context, url string) error
	// Set adds a place, or replaces the one with its id. It checks the address, too.
	Set(ctx context.Context, p Push) error
	// List returns the places of a task, the oldest first, without token and credentials.
	List(ctx context.Context, thread string) ([]Push, error)
	// Delete removes a place, if it exists.
	Delete(ctx context.Context, thread, id string) error
}

// Push is a place to which a task is posted.
type Push struct {
	ID, Thread, Agent   string
	URL, Token          string
	Scheme, Credentials string
	Base                string // the URL of the server, as the client sees it
}

// What a push config may have at most, in bytes.
const (
	mostSecret = 4096 // of the token, and of the credentials
	mostScheme = 64
)

var (
	// pushIDs are the ids that a path can have.
	pushIDs = regexp.MustCompile(`^[A-Za-z0-9_~:@-][A-Za-z0-9._~:@-]{0,127}$`)
	schemes = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$") // RFC 9110, 11.1
)

// checkPush returns an error for a push config that cannot be served, whatever its address.
func (h *Handler) checkPush(p *a2a.PushConfig) error {
	if h.pushes == nil {
		return a2a.ErrPushNotificationNotSupported
	}
	switch {
	case p.URL == "":
		return invalid("url of the push config: is missing")
	case p.ID != "" && !pushIDs.MatchString(p.ID):
		return invalid("id of the push config: must have at most %d of the letters, digits and . _ ~ : @ -, and not begin with a dot", mostID)
	case !headerText(p.Token):
		return invalid("token of the push config: must have at most %d printable ASCII characters", mostSecret)
	case p.Auth != nil && !schemes.MatchString(p.Auth.Scheme):
		return invalid("authentication.scheme of the push config: must be the name of a scheme, such as Bearer, of at most %d characters", mostScheme)
	case p.Auth != nil && !headerText(p.Auth.Credentials):
		return invalid("authentication.credentials of the push config: must have at most %d printable ASCII characters", mostSecret)
	}
	return nil
}

// headerText reports whether a header can have a text.
func headerText(s string) bool {
	return len(s) <= mostSecret && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// setPush sets a push config, which was checked, of a task.
func (h *Handler) setPush(ctx context.Context, c *caller, thread, id string, p *a2a.PushConfig) (*a2a.PushConfig, error) {
	set := Push{ID: id, Thread: thread, Agent: c.agent, URL: p.URL, Token: p.Token, Base: c.base}
	if p.Auth != nil {
		set.Scheme, set.Credentials = p.Auth.Scheme, p.Auth.Credentials
	}
	if err := h.pushes.Set(ctx, set); err != nil {
		return nil, errorOf(err)
	}
	return shown(set), nil
}

// pushFirst sets the push config of a message, if it has one, before the message is sent: so that the
// client misses nothing. One without an id has that of the task, so that every message of a client that
// sends it along has the same.
func (h *Handler) pushFirst(ctx context.Context, c *caller, t *b2bv1.Thread, p *a2a.PushConfig) error {
	if p == nil {
		return nil
	}
	id := p.ID
	if id == "" {
		id = t.GetId()
	}
	_, err := h.setPush(ctx, c, t.GetId(), id, p)
	return err
}

// shown returns what a client gets of a push config: not the secrets, which are for its receiver.
func shown(p Push) *a2a.PushConfig {
	out := &a2a.PushConfig{ID: p.ID, TaskID: a2a.TaskID(p.Thread), URL: p.URL}
	if p.Scheme != "" {
		out.Auth = &a2a.PushAuthInfo{Scheme: p.Scheme}
	}
	return out
}

// CreateTaskPushConfig implements a2asrv.RequestHandler (B2B-A2A-017).
func (h *Handler) CreateTaskPushConfig(ctx context.Context, req *a2a.PushConfig) (*a2a.PushConfig, error) {
	c := callerOf(ctx)
	if err := h.checkPush(req); err != nil {
		return nil, err
	}
	t, err := h.thread(ctx, c, req.TaskID)
	if err != nil {
		return nil, err
	}
	id := req.ID
	if id == "" {
		made, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make the id of a push config: %w", err)
		}
		id = made.String()
	}
	return h.setPush(ctx, c, t.GetId(), id, req)
}

// pushesOf returns the push configs of a task of the caller.
func (h *Handler) pushesOf(ctx context.Context, task a2a.TaskID) ([]Push, error) {
	if h.pushes == nil {
		return nil, a2a.ErrPushNotificationNotSupported
	}
	t, err := h.thread(ctx, callerOf(ctx), task)
	if err != nil {
		return nil, err
	}
	all, err := h.pushes.List(ctx, t.GetId())
	return all, errorOf(err)
}

// GetTaskPushConfig implements a2asrv.RequestHandler.
func (h *Handler) GetTaskPushConfig(ctx context.Context, req *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	all, err := h.pushesOf(ctx, req.TaskID)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.ID == req.ID {
			return shown(p), nil
		}
	}
	return nil, a2a.NewError(a2a.ErrTaskNotFound, fmt.Sprintf("the task has no push config %.64q", req.ID))
}

// ListTaskPushConfigs implements a2asrv.RequestHandler.
func (h *Handler) ListTaskPushConfigs(ctx context.Context, req *a2a.ListTaskPushConfigRequest) (*a2a.ListTaskPushConfigResponse, error) {
	all, err := h.pushesOf(ctx, req.TaskID)
	if err != nil {
		return nil, err
	}
	if req.PageSize < 0 {
		return nil, invalid("pageSize: must not be negative")
	}
	if req.PageToken != "" { // the id of the last one of the page before
		all = all[slices.IndexFunc(all, func(p Push) bool { return p.ID == req.PageToken })+1:]
	}
	res := &a2a.ListTaskPushConfigResponse{Configs: []*a2a.PushConfig{}}
	for _, p := range all {
		if req.PageSize > 0 && len(res.Configs) == req.PageSize {
			res.NextPageToken = res.Configs[len(res.Configs)-1].ID
			break
		}
		res.Configs = append(res.Configs, shown(p))
	}
	return res, nil
}

// DeleteTaskPushConfig implements a2asrv.RequestHandler.
func (h *Handler) DeleteTaskPushConfig(ctx context.Context, req *a2a.DeleteTaskPushConfigRequest) error {
	if h.pushes == nil {
		return a2a.ErrPushNotificationNotSupported
	}
	t, err := h.thread(ctx, callerOf(ctx), req.TaskID)
	if err != nil {
		return err
	}
	if err := h.pushes.Delete(ctx, t.GetId(), req.ID); err != nil {
		return errorOf(err)
	}
	callerOf(ctx).empty = true
	return nil
}

// Notification is what is posted of a task.
type Notification struct {
	Body  []byte
	Last  bool          // the task has ended
	Early time.Duration // after which the task should be read again, as the agent has just answered
}

// The errors of Notify that are no failure of the server: its client cannot read the task any more, or
// not before it, or its org, is active again.
var (
	ErrNoTask    = errors.New("a2a: the client can read the task no more")
	ErrNotActive = errors.New("a2a: the client is not active")
)

// Notify returns a task as it is posted to its client: with the last message of the agent and with its
// artifacts, and without history.
func (h *Handler) Notify(ctx context.Context, req Request, task string) (n Notification, err error) {
	c, err := h.caller(ctx, req)
	if err != nil {
		return n, Unreadable(err, b2b.CodeOf(err))
	}
	v, err := h.read(ctx, c, a2a.TaskID(task), 0)
	if err == nil {
		v.task.Artifacts, err = h.artifacts(ctx, c, task, mostPosted)
	}
	if err != nil {
		code := b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED
		if r := (*refusal)(nil); errors.As(err, &r) {
			code = r.code
		}
		return n, Unreadable(err, code)
	}
	n.Last, n.Early = v.task.Status.State.Terminal(), v.early()
	if n.Body, err = json.Marshal(a2a.StreamResponse{Event: v.task}); err != nil {
		return n, fmt.Errorf("encode a task: %w", err)
	}
	return n, nil
}

// Unreadable returns an error of the calls for a notification, with its code, as ErrNoTask if it stays
// and as ErrNotActive if it may pass; another one as it is.
func Unreadable(err error, code b2bv1.ErrorCode) error {
	switch code {
	case b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND, b2bv1.ErrorCode_ERROR_CODE_JOIN_REQUIRED, b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE,
		b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED, b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED:
		return errors.Join(ErrNoTask, err)
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:
		return errors.Join(ErrNotActive, err)
	}
	if errors.Is(err, ErrNoAgent) || errors.Is(err, a2a.ErrTaskNotFound) {
		return errors.Join(ErrNoTask, err)
	}
	return err
}

// ChangingTypes are the types of events after which a task may be another.
func ChangingTypes() []string { return slices.Clone(changing) }
