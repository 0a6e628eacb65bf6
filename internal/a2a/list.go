package a2a

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	usualPage   = 50
	mostPage    = 100
	mostScanned = 1000 // threads of the caller that are looked through, those with the latest activity
)

// ListTasks implements a2asrv.RequestHandler: the tasks that the caller gave the agent, the one that was
// changed last first (B2B-A2A-013).
func (h *Handler) ListTasks(ctx context.Context, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	c := callerOf(ctx)
	size := cmp.Or(req.PageSize, usualPage)
	switch {
	case size < 1 || size > mostPage:
		return nil, invalid("pageSize: must be from 1 to %d", mostPage)
	case req.Status != a2a.TaskStateUnspecified && mayBeIn(req.Status) == nil:
		return nil, invalid("status: %.64q is no state of a task", string(req.Status))
	}
	history := 0 // a list has none unless it is asked for
	if req.HistoryLength != nil {
		var err error
		if history, err = historyOf(req.HistoryLength); err != nil {
			return nil, err
		}
	}
	after, err := parseToken(req.PageToken)
	if err != nil {
		return nil, err
	}
	threads, err := h.tasksOf(ctx, c, req)
	if err != nil {
		return nil, err
	}
	found := make([]*a2a.Task, 0, size)
	res, bytes := &a2a.ListTasksResponse{PageSize: size}, 0
	filtered := req.Status != a2a.TaskStateUnspecified
	for _, t := range threads {
		var task *a2a.Task
		onPage := after.before(t) && len(found) < size && res.NextPageToken == ""
		if onPage || filtered {
			v, err := h.viewOf(ctx, c, t, history)
			if err != nil {
				return nil, err
			}
			if task = v.task; filtered && task.Status.State != req.Status {
				continue
			}
			if onPage && req.IncludeArtifacts {
				if task.Artifacts, err = h.artifacts(ctx, c, string(task.ID), mostBytes); err != nil {
					return nil, err
				}
			}
			if onPage {
				bytes += sizeOf(task)
				onPage = len(found) == 0 || bytes <= 2*mostBytes
			}
		}
		res.TotalSize++
		switch {
		case onPage:
			found = append(found, task)
		case after.before(t) && res.NextPageToken == "":
			last := found[len(found)-1]
			res.NextPageToken = token{at: last.Status.Timestamp.UnixMilli(), id: string(last.ID)}.String()
		}
	}
	res.Tasks = found
	return res, nil
}

// sizeOf returns about how many bytes a task has in a response.
func sizeOf(task *a2a.Task) (n int) {
	parts := func(all a2a.ContentParts) {
		for _, p := range all {
			raw, _ := p.Data().(json.RawMessage)
			n += len(p.Text()) + len(raw) + len(p.URL()) + len(p.Filename)
		}
	}
	for _, m := range task.History {
		parts(m.Parts)
	}
	for _, a := range task.Artifacts {
		parts(a.Parts)
	}
	if m := task.Status.Message; m != nil {
		parts(m.Parts)
	}
	return n
}

// tasksOf returns the threads that are tasks of the caller for the agent and pass the filters of a
// request that need no more than the thread, the last change first.
func (h *Handler) tasksOf(ctx context.Context, c *caller, req *a2a.ListTasksRequest) ([]*b2bv1.Thread, error) {
	var out []*b2bv1.Thread
	statuses := mayBeIn(req.Status)
	if statuses != nil && len(statuses) == 0 {
		return nil, nil
	}
	q := &b2bv1.ListThreadsRequest{Limit: proto.Int32(100), Cursor: proto.String("")}
	if len(statuses) == 1 {
		q.Status = &statuses[0]
	}
	for scanned := 0; scanned < mostScanned; {
		res, err := h.client.Threads.ListThreads(ctx, q)
		if err != nil {
			return nil, errorOf(err)
		}
		for _, t := range res.GetItems() {
			switch {
			case !c.owns(t),
				len(statuses) > 0 && !slices.Contains(statuses, t.GetStatus()),
				req.ContextID != "" && contextOf(t) != req.ContextID && t.GetId() != req.ContextID,
				req.StatusTimestampAfter != nil && changedAt(t).Before(*req.StatusTimestampAfter):
			default:
				out = append(out, t)
			}
		}
		scanned += len(res.GetItems())
		if res.NextCursor == nil {
			break
		}
		q.Cursor = res.NextCursor
	}
	slices.SortStableFunc(out, func(a, b *b2bv1.Thread) int {
		if by := changedAt(b).Compare(changedAt(a)); by != 0 {
			return by
		}
		return strings.Compare(a.GetId(), b.GetId())
	})
	return out, nil
}

// token is where a page ends: after the task with an id that was changed at a time, in Unix
// milliseconds. The zero token is before all tasks.
type token struct {
	at int64
	id string
}

func (t token) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", t.at, t.id))
}

func parseToken(text string) (t token, err error) {
	if text == "" {
		return token{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d %s", &t.at, &t.id)
	}
	if err != nil {
		return token{}, invalid("pageToken: is not from an earlier page")
	}
	return t, nil
}

// before reports whether a task comes after the token.
func (t token) before(thread *b2bv1.Thread) bool {
	if t.id == "" {
		return true
	}
	at := changedAt(thread)
	mark := time.UnixMilli(t.at)
	return at.Before(mark) || at.Equal(mark) && thread.GetId() > t.id
}
