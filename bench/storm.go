package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

// stormClients is the number of bots that connect at once.
const stormClients = 64

// stormBot is a bot of a storm. The goroutine that reads its connection owns online.
type stormBot struct {
	token  string
	socket *rawSocket
	order  int64        // of the end of its handshake, among all bots
	told   atomic.Int64 // the number of bots of which the newest state received is online
	online []bool       // by bot
	frames atomic.Int64 // presence frames received
}

// storm is one org with bots that all connect at once.
type storm struct {
	url    string
	bots   []*stormBot
	byName map[string]int
	order  atomic.Int64
	ends   sync.WaitGroup
}

// storms measures how fast the bots of one org connect and are told of each other, and how fast
// they are back after a restart of the server.
func storms(ctx context.Context, o options, folder string, base *process, r *report) error {
	if _, err := raiseFiles(); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	row := table.Row{Name: table.Connecting, Unit: "/s"}
	for round := range o.rounds {
		floor, err := connectBaseline(ctx, base.url, o.storm)
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		ours, err := stormRound(ctx, o, filepath.Join(folder, fmt.Sprint("storm-", round)), o.storm, false, r)
		if err != nil {
			return err
		}
		row.Floor, row.Ours = append(row.Floor, floor), append(row.Ours, ours)
	}
	r.add(row)
	_, err := stormRound(ctx, o, filepath.Join(folder, "storm-restart"), 2*o.storm, true, r)
	return err
}

// connectBaseline opens connections to the baseline, with a request before each, and returns how
// many a second.
func connectBaseline(ctx context.Context, url string, count int) (perSecond float64, err error) {
	begin := time.Now()
	conns := make([]*rawSocket, count)
	var all errgroup.Group
	all.SetLimit(stormClients)
	for i := range conns {
		all.Go(func() (err error) {
			if err := once(ctx, caller, target{method: http.MethodGet, url: url + "/health"}); err != nil {
				return err
			}
			conns[i], err = dialRaw(ctx, url, "none", "")
			return err
		})
	}
	err = all.Wait()
	perSecond = float64(count) / time.Since(begin).Seconds()
	for _, c := range conns {
		if c != nil {
			c.close() // the next round must not wait for it
		}
	}
	return perSecond, err
}

// stormRound connects the bots of a new server and returns how many a second. It then restarts the
// server if so asked.
func stormRound(ctx context.Context, o options, folder string, bots int, restart bool, r *report) (perSecond float64, err error) {
	addr, err := freeAddr()
	if err != nil {
		return 0, err
	}
	env := []string{"B2B_DATA_DIR=" + folder}
	ours, err := startServerAt(ctx, o, addr, env)
	if err != nil {
		return 0, err
	}
	defer func() { ours.stop() }()
	s, err := newStorm(ctx, ours.url, bots)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := s.connect(ctx); err != nil {
		return 0, err
	}
	connected := time.Since(begin)
	perSecond = float64(bots) / connected.Seconds()
	if err := s.settled(ctx); err != nil {
		return 0, err
	}
	r.note("%d bots of one org connected in %.2f s; all were told of each other after %.2f s; %d presence frames", bots, connected.Seconds(), time.Since(begin).Seconds(), s.frames())
	if !restart {
		return perSecond, nil
	}
	begin = time.Now()
	ours.stop()
	s.ends.Wait()
	stopped := time.Since(begin)
	if ours, err = startServerAt(ctx, o, addr, env); err != nil {
		return 0, err
	}
	if err := s.connect(ctx); err != nil {
		return 0, err
	}
	connected = time.Since(begin)
	if err := s.settled(ctx); err != nil {
		return 0, err
	}
	r.note("restart: stopped after %.2f s, all %d bots back after %.2f s; %d presence frames", stopped.Seconds(), bots, connected.Seconds(), s.frames())
	r.most(fmt.Sprintf("restart until %d bots are back and told of each other", bots), time.Since(begin).Seconds(), 5, "s")
	return perSecond, nil
}

func newStorm(ctx context.Context, url string, bots int) (*storm, error) {
	c, err := newCrowd(ctx, url, "storm", bots)
	if err != nil {
		return nil, err
	}
	s := &storm{url: url, byName: map[string]int{}}
	for i, token := range c.tokens {
		s.bots = append(s.bots, &stormBot{token: token})
		s.byName[c.names[i]] = i
	}
	return s, nil
}

// connect connects all bots.
func (s *storm) connect(ctx context.Context) error {
	s.order.Store(0)
	var all errgroup.Group
	all.SetLimit(stormClients)
	for _, b := range s.bots {
		all.Go(func() error {
			var err error
			if b.socket, err = connectRaw(ctx, s.url, b.token, ""); err != nil {
				return err
			}
			b.order, b.online = s.order.Add(1), make([]bool, len(s.bots))
			b.told.Store(0)
			b.frames.Store(0)
			s.ends.Go(func() { s.read(b) })
			return nil
		})
	}
	return all.Wait()
}

var (
	onlineType  = []byte(`"type":"bot_online"`)
	offlineType = []byte(`"type":"bot_offline"`)
	nameKey     = []byte(`"name":"`)
)

// read reads the frames of a bot until its connection ends.
func (s *storm) read(b *stormBot) {
	defer b.socket.close()
	for {
		frame, err := b.socket.next()
		if err != nil {
			return
		}
		online := bytes.Contains(frame, onlineType)
		if !online && !bytes.Contains(frame, offlineType) {
			continue
		}
		b.frames.Add(1)
		_, name, _ := bytes.Cut(frame, nameKey)
		name, _, _ = bytes.Cut(name, []byte{'"'})
		i, known := s.byName[string(name)]
		if !known || b.online[i] == online {
			continue
		}
		if b.online[i] = online; online {
			b.told.Add(1)
		} else {
			b.told.Add(-1)
		}
	}
}

// settled waits until each bot was told of all that connected after it.
func (s *storm) settled(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		missing := 0
		for _, b := range s.bots {
			if b.told.Load() < int64(len(s.bots))-b.order-stormClients {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d bots were not told of all that connected after them", missing, len(s.bots))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (s *storm) frames() (n int64) {
	for _, b := range s.bots {
		n += b.frames.Load()
	}
	return n
}
