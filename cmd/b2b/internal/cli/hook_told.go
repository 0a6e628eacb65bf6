package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// told remembers which items the sessions of an agent program were told of.
type told struct {
	path string
	now  func() time.Time
	bot  string // name
	all  map[string]*toldSession
}

// toldSession is what one session was told.
type toldSession struct {
	At    time.Time      `json:"at"`
	Items map[string]int `json:"items"` // how often, by delivery
}

// Sessions are remembered for some days, and so many at most.
const (
	toldTime     = 14 * 24 * time.Hour
	mostSessions = 200
	mostToldOf   = 1000 // items of a session
)

// openTold reads what the sessions of the bot were told. A file that cannot be read is begun anew: then an
// item is told once more.
func (r *run) openTold(c *b2b.Client) (*told, error) {
	me, err := c.Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return nil, err
	}
	folder, err := r.stateFolder("hook", me.GetBot().GetId())
	if err != nil {
		return nil, err
	}
	t := &told{path: filepath.Join(folder, "told.json"), now: r.app.Now, bot: me.GetBot().GetName(), all: map[string]*toldSession{}}
	text, err := os.ReadFile(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read what sessions were told: %w", err)
	case json.Unmarshal(text, &t.all) != nil:
		t.all = map[string]*toldSession{}
	}
	for id, s := range t.all {
		if s == nil || s.Items == nil || t.now().Sub(s.At) > toldTime {
			delete(t.all, id)
		}
	}
	return t, nil
}

// news returns the items that a session was told of less than most times.
func (t *told) news(session string, items []*b2bv1.Delivery, most int) (news []*b2bv1.Delivery) {
	s := t.all[session]
	for _, d := range items {
		if s == nil || s.Items[d.GetId()] < most {
			news = append(news, d)
		}
	}
	return news
}

// tell counts that a session is told of items.
func (t *told) tell(session string, items []*b2bv1.Delivery) error {
	s := t.all[session]
	if s == nil || len(s.Items) > mostToldOf {
		s = &toldSession{Items: map[string]int{}}
		t.all[session] = s
	}
	s.At = t.now().UTC()
	for _, d := range items {
		s.Items[d.GetId()]++
	}
	for len(t.all) > mostSessions {
		oldest := ""
		for id, s := range t.all {
			if oldest == "" || s.At.Before(t.all[oldest].At) {
				oldest = id
			}
		}
		delete(t.all, oldest)
	}
	text, err := json.Marshal(t.all)
	if err != nil {
		return fmt.Errorf("store what sessions were told: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return fmt.Errorf("store what sessions were told: %w", err)
	}
	if err := profile.Replace(t.path, text, 0o600); err != nil {
		return fmt.Errorf("store what sessions were told: %w", err)
	}
	return nil
}
