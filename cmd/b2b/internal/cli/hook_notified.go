package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/state"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// notified remembers of which items the sessions of an agent program were notified.
type notified struct {
	path     string
	now      func() time.Time
	sessions map[string]*notifiedSession
}

// notifiedSession is of what one session was notified.
type notifiedSession struct {
	At    time.Time      `json:"at"`
	Items map[string]int `json:"items"` // how often, by delivery
}

// Sessions are remembered for some days, and so many at most.
const (
	notifiedTime  = 14 * 24 * time.Hour
	mostSessions  = 200
	mostOfSession = 1000 // items
)

// openNotified reads of what the sessions of a bot were notified. A damaged file is begun anew: then a
// session is notified of an item once more.
func (r *run) openNotified(bot string) (*notified, error) {
	folder, err := r.stateFolder("hook", bot)
	if err != nil {
		return nil, err
	}
	n := &notified{path: filepath.Join(folder, "notified.json"), now: r.app.Now}
	n.sessions, err = state.Read[*notifiedSession](n.path)
	switch {
	case errors.Is(err, state.ErrDamaged):
		n.sessions = map[string]*notifiedSession{}
	case err != nil:
		return nil, fmt.Errorf("read of what sessions were notified: %w", err)
	}
	for id, s := range n.sessions {
		if s == nil || s.Items == nil || n.now().Sub(s.At) > notifiedTime {
			delete(n.sessions, id)
		}
	}
	return n, nil
}

// news returns the items of which a session was notified less than most times.
func (n *notified) news(session string, items []*b2bv1.Delivery, most int) (news []*b2bv1.Delivery) {
	s := n.sessions[session]
	for _, d := range items {
		if s == nil || s.Items[d.GetId()] < most {
			news = append(news, d)
		}
	}
	return news
}

// add counts that a session is notified of items.
func (n *notified) add(session string, items []*b2bv1.Delivery) error {
	s := n.sessions[session]
	if s == nil || len(s.Items) > mostOfSession {
		s = &notifiedSession{Items: map[string]int{}}
		n.sessions[session] = s
	}
	s.At = n.now().UTC()
	for _, d := range items {
		s.Items[d.GetId()]++
	}
	if err := state.Write(n.path, n.sessions, mostSessions, func(s *notifiedSession) time.Time { return s.At }); err != nil {
		return fmt.Errorf("store of what sessions were notified: %w", err)
	}
	return nil
}
