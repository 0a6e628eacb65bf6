package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// pair is the agents of one language: one sends to the other.
type pair struct {
	language  string
	settings  settings
	seed      uint64
	to        string // the name of the listening bot
	token     map[string]string
	lanes     map[string]*lane
	positions string // the file of the listener
	start     string // the first position
	transport string
	rng       *rand.Rand
	count     func(fault string)

	sends map[int]sending

	mu       sync.Mutex
	changed  chan struct{} // closed when lives change
	lives    []life
	messages int // that were handled, those that were handled twice twice
	last     string
}

// The roles of agents.
const (
	sender   = "send"
	listener = "listen"
)

// env returns the settings of an agent.
func (p *pair) env(role string, more ...string) []string {
	env := append([]string{"B2B_URL=" + p.lanes[role].url(), "B2B_TOKEN=" + p.token[role], "B2B_ROLE=" + role}, more...)
	if p.rng.IntN(3) == 0 {
		p.count("clock of an agent jumps")
		env = append(env, "B2B_CLOCK=1")
	}
	if p.settings.verbose {
		env = append(env, "B2B_VERBOSE=1")
	}
	return env
}

var positionInFile = regexp.MustCompile(`1\.[0-9a-z]+\.[0-9a-z]+\.[0-9A-Za-z_-]+`)

// stored returns the position in the file of the listener.
func (p *pair) stored() (string, error) {
	text, err := os.ReadFile(p.positions)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return positionInFile.FindString(string(text)), err
}

// listen starts the listener.
func (p *pair) listen() (*agent, error) {
	stored, err := p.stored()
	if err != nil {
		return nil, err
	}
	env := p.env(listener, "B2B_POSITIONS="+p.positions, "B2B_TRANSPORT="+p.transport)
	if stored == "" {
		env = append(env, "B2B_POSITION="+p.start)
	}
	p.lanes[listener].reborn()
	a, err := p.settings.startAgent(p.language, env...)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.lives = append(p.lives, life{stored: stored})
	p.mu.Unlock()
	return a, nil
}

// follow records what the listener prints until it ends.
func (p *pair) follow(a *agent) {
	for line := range a.lines {
		if len(line) != 3 {
			continue // it was killed
		}
		p.mu.Lock()
		l := &p.lives[len(p.lives)-1]
		l.items = append(l.items, item{kind: line[0], position: line[1], content: line[2]})
		if line[0] == "event" {
			p.messages++
			p.last = line[2]
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

// resync returns the position of the first resync with a reason that the listener has handled. The
// caller holds mu.
func (p *pair) resync(reason string) (position string, ok bool) {
	for _, l := range p.lives {
		for _, it := range l.items {
			if it.kind == "resync" && it.content == reason {
				return it.position, true
			}
		}
	}
	return "", false
}

// running is a listener that can be replaced.
type running struct {
	*pair
	agent *agent
	ended chan struct{}
}

func (p *pair) run() (*running, error) {
	r := &running{pair: p}
	return r, r.begin()
}

func (r *running) begin() (err error) {
	if r.agent, err = r.listen(); err != nil {
		return err
	}
	r.ended = make(chan struct{})
	a, ended := r.agent, r.ended
	go func() {
		defer close(ended)
		r.follow(a)
	}()
	return nil
}

// until waits for what the listener has handled.
func (r *running) until(ctx context.Context, what string, ok func() bool) error {
	for {
		r.mu.Lock()
		done, changed, last := ok(), r.changed, r.last
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-r.ended:
			return fmt.Errorf("the listener ended before %s: %s", what, &r.agent.errors)
		case <-ctx.Done():
			return fmt.Errorf("no %s, the last message is %s: %w", what, last, ctx.Err())
		}
	}
}

// resynced waits until the listener has handled a resync with a reason and has stored its position.
// Before that, a listener that is started again begins with the invalid position: it may miss what
// is sent meanwhile, and learns that by another resync.
func (r *running) resynced(ctx context.Context, reason string) error {
	var position string
	if err := r.until(ctx, "resync", func() (ok bool) {
		position, ok = r.resync(reason)
		return ok
	}); err != nil {
		return err
	}
	for ; ; r.lanes[listener].pause(ctx, 10*time.Millisecond) {
		stored, err := r.stored()
		if err != nil {
			return err
		}
		if reached, err := isAtLeast(stored, position); reached || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the listener has stored %q, not the position %q of its resync: %w", stored, position, ctx.Err())
		}
	}
}

// stop ends the agent: at once, or by asking it.
func (r *running) stop(kill bool) error {
	if kill {
		r.agent.signal(syscall.SIGKILL)
	} else {
		r.agent.signal(syscall.SIGTERM)
		timer := time.AfterFunc(closeTime, func() { r.agent.signal(syscall.SIGKILL) })
		defer timer.Stop()
	}
	<-r.ended
	err := r.agent.end(kill)
	if r.settings.verbose || err != nil {
		fmt.Printf("%s listener: %s\n", r.language, &r.agent.errors)
	}
	r.mu.Lock()
	r.lives[len(r.lives)-1].closed = !kill
	r.mu.Unlock()
	return err
}

// closeTime is how long an agent may take to end.
const closeTime = 20 * time.Second

// disturb kills, ends or suspends the listener when it has handled a number of messages.
func (r *running) disturb(ctx context.Context, after int) error {
	act := r.rng.IntN(4)
	pause := time.Duration(300+r.rng.IntN(1500)) * time.Millisecond
	if err := r.until(ctx, "message", func() bool { return r.messages >= after }); err != nil {
		return err
	}
	if act == 0 { // it continues as if its clock had jumped, with connections that may have ended
		r.count("listener suspended")
		r.agent.signal(syscall.SIGSTOP)
		time.Sleep(pause)
		r.agent.signal(syscall.SIGCONT)
		return nil
	}
	if act == 1 {
		r.count("listener closed")
	} else {
		r.count("listener killed")
	}
	if err := r.stop(act > 1); err != nil {
		return err
	}
	return r.begin()
}

// send sends messages from one number to another, with agents that are killed.
func (p *pair) send(ctx context.Context, rng *rand.Rand, env []string, from, until int) error {
	kills := []int{from + rng.IntN(until-from)}
	if p.settings.thorough {
		kills = append(kills, from+rng.IntN(until-from))
		slices.Sort(kills)
	}
	for next := from; next < until; {
		victim := -1
		if len(kills) > 0 {
			victim, kills = kills[0], kills[1:]
		}
		var err error
		if next, err = p.sendUntil(ctx, rng, env, next, until, victim); err != nil {
			return err
		}
	}
	return nil
}

// sendUntil runs one agent that sends, and kills it at a message. It returns the next message.
func (p *pair) sendUntil(ctx context.Context, rng *rand.Rand, env []string, from, until, victim int) (next int, err error) {
	a, err := p.settings.startAgent(p.language, append(slices.Clone(env),
		fmt.Sprintf("B2B_FROM=%d", from), fmt.Sprintf("B2B_UNTIL=%d", until))...)
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { a.signal(syscall.SIGKILL) })()
	killed, begun := false, from-1
	for line := range a.lines {
		if len(line) != 2 {
			continue
		}
		n, err := strconv.Atoi(line[1])
		if err != nil {
			continue
		}
		switch line[0] {
		case "sending":
			begun = n
			p.sends[n] = unsure
			if n == victim {
				killed = true
				p.count("sender killed")
				time.AfterFunc(time.Duration(rng.IntN(8000))*time.Microsecond, func() { a.signal(syscall.SIGKILL) })
			}
		case "sent":
			p.sends[n] = sent
			next = n + 1
		case "failed":
			next = n + 1
		}
	}
	if err := a.end(killed); err != nil {
		return 0, fmt.Errorf("%s sender: %w", p.language, err)
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%s: sending message %d: %w: %s", p.language, begun, err, &a.errors)
	}
	if own := begun%2 == 1 || begun == until-1; begun >= next && !own {
		next = begun + 1 // nobody knows its request_id
	}
	return max(next, from), nil
}

func positionsFile(folder, language string) string {
	return filepath.Join(folder, language+".positions")
}
