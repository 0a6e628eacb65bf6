package torture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Judge compares everything with the log, and returns the first difference of each subscriber.
func (w *Scenario) Judge(log []Row) error {
	start, err := w.seqOf(w.started)
	if err != nil {
		return err
	}
	end := slices.IndexFunc(log, func(r Row) bool { return r.Event.GetBotRenamed().GetNewName() == w.end })
	if end < 0 {
		return errors.New("the end is not in the log")
	}
	var faults []error
	for _, s := range w.Subscribers {
		expected, err := s.Viewer.Expected(log[:end+1])
		if err != nil {
			return err
		}
		expected = slices.DeleteFunc(expected, func(r *Row) bool { return r.Seq <= start })
		if err := errors.Join(s.Failed, compare(s.Viewer, expected, s.Entries)); err != nil {
			faults = append(faults, fmt.Errorf("%s, after %d connections: %w", s.Name, s.Connections, err))
		}
	}
	faults = append(faults, w.judgeWrites(log)...)
	for i, fault := range faults {
		faults[i] = fmt.Errorf("seed %d: %w", w.Seed, fault)
	}
	const most = 10
	return errors.Join(faults[:min(most, len(faults))]...)
}

// judgeWrites looks for every text that was sent.
func (w *Scenario) judgeWrites(log []Row) (faults []error) {
	found := map[string][]string{} // the ids that have a text
	for i := range log {
		if id, text := content(&log[i]); id != "" {
			found[text] = append(found[text], id)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if err := s.judge(found[s.text]); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// judge checks the ids under which a text was found.
func (s *sent) judge(ids []string) error {
	switch {
	case s.fate == acknowledged && !slices.Equal(ids, []string{s.id}):
		return fmt.Errorf("%s was acknowledged as %s, the log has it as %v", s.text, s.id, ids)
	case s.fate == refused && len(ids) > 0:
		return fmt.Errorf("%s was refused, the log has it as %v", s.text, ids)
	case len(ids) > 1:
		return fmt.Errorf("%s had no answer, the log has it as %v", s.text, ids)
	}
	return nil
}

// content returns the id and text of a message or artifact.
func content(r *Row) (id, text string) {
	switch m, t, a := r.Event.GetMessage().GetMessage(), r.Event.GetThreadMessage().GetMessage(), r.Event.GetThreadArtifact().GetArtifact(); {
	case m != nil:
		return m.GetId(), m.GetContent()
	case t != nil:
		return t.GetId(), t.GetContent()
	case a != nil:
		return a.GetId(), a.GetContent()
	}
	return "", ""
}

// History is the messages of threads and channels as REST lists them, oldest first: ids by path.
type History map[string][]string

// ReadHistory reads the messages of all threads and channels of a log.
func (w *Scenario) ReadHistory(ctx context.Context, log []Row) (History, error) {
	h := History{}
	for path := range histories(log) {
		o := w.human
		_, o.url = w.servers.First()
		var ids []string // newest first
		before := "none"
		for {
			var page struct {
				Messages []struct{ ID string }
				More     bool `json:"has_more"`
			}
			res, err := call(ctx, o, http.MethodGet, path+"?limit=200&before="+before, nil, &page)
			if err != nil {
				return nil, err
			}
			if res.StatusCode != http.StatusOK {
				return nil, fmt.Errorf("GET %s: %d", path, res.StatusCode)
			}
			for _, m := range page.Messages {
				ids = append(ids, m.ID)
			}
			if !page.More {
				break
			}
			before = ids[len(ids)-1]
		}
		slices.Reverse(ids)
		h[path] = ids
	}
	return h, nil
}

// histories returns what REST must list, according to the log.
func histories(log []Row) History {
	h := History{}
	for i := range log {
		path := ""
		switch e := log[i].Event; {
		case e.GetChannelCreated() != nil:
			path = "/api/channels/" + e.GetChannelCreated().GetChannel().GetId() + "/messages"
			h[path] = nil
		case e.GetThreadCreated() != nil:
			path = "/api/org/threads/" + e.GetThreadCreated().GetThread().GetId() + "/messages"
			h[path] = nil
		case e.GetMessage() != nil:
			path = "/api/channels/" + e.GetMessage().GetChannelId() + "/messages"
			h[path] = append(h[path], e.GetMessage().GetMessage().GetId())
		case e.GetThreadMessage() != nil:
			path = "/api/org/threads/" + e.GetThreadMessage().GetThreadId() + "/messages"
			h[path] = append(h[path], e.GetThreadMessage().GetMessage().GetId())
		}
	}
	return h
}

// Judge compares with the log: the same messages in the same order.
func (h History) Judge(log []Row) error {
	for path, want := range histories(log) {
		got := h[path]
		if slices.Equal(got, want) {
			continue
		}
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		return fmt.Errorf("%s: has %d messages, the log %d; at %d it has %s, the log %s", path, len(got), len(want), at+1,
			strings.Join(got[at:min(at+3, len(got))], " "), strings.Join(want[at:min(at+3, len(want))], " "))
	}
	return nil
}
