package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	crewBots  = 5                // of a crew: those that are asked
	crewLease = 10 * time.Second // a slow machine needs seconds for a claim and an answer
	crewMost  = 3                // deliveries that a worker claims at once
)

// Crew is an org in which the workers of a few bots answer what their bots are asked, each question
// once. A worker may end at any moment, as if it was killed, hold a delivery for too long, or give it
// back; another worker answers then.
type Crew struct {
	*Scenario
	workers int

	mu        sync.Mutex
	questions map[string]bool // by text: the call was acknowledged
	holds     []hold
	ends      map[string]int // how workers ended with a delivery
	faults    []error        // what a server must not do
}

// hold is a time in which a worker certainly had a delivery: from the response to its claim until it
// began to answer, or its lease may have ended.
type hold struct {
	delivery, lease, scope, bot string
	from, until                 time.Time
}

// SetupCrew makes the org, its threads, the bots that ask, and those that are asked.
func SetupCrew(ctx context.Context, plan Plan, workers int, servers Servers) (*Crew, error) {
	plan.Bots = crewBots + plan.Writers
	w, err := found(ctx, plan, servers)
	if err != nil {
		return nil, err
	}
	c := &Crew{Scenario: w, workers: workers, questions: map[string]bool{}, ends: map[string]int{}}
	if _, err := w.must(ctx, w.bots[0].who, http.MethodPatch, "/api/org/settings", map[string]any{"delivery_attempts": 100}); err != nil {
		return nil, err
	}
	var ids []string
	for _, b := range w.bots[1:] {
		ids = append(ids, b.id)
	}
	for range plan.Threads {
		answer, err := w.must(ctx, w.bots[0].who, http.MethodPost, "/api/threads", map[string]any{"topic": w.text("topic"), "participants": ids})
		if err != nil {
			return nil, err
		}
		w.threads = append(w.threads, &thread{id: idOf(answer)})
	}
	for _, b := range w.bots[:crewBots] { // opens the inbox; what it has was not asked
		if _, err := w.must(ctx, b.who, http.MethodPost, "/api/inbox/claim", map[string]any{"backlog_seconds": 0}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Ask lets each writer ask, directly or in a thread, until enough is acknowledged or enough is closed.
func (c *Crew) Ask(ctx context.Context, enough <-chan struct{}) {
	var all sync.WaitGroup
	for i := range c.Writers {
		all.Go(func() {
			r := c.rand(1 + uint64(i))
			for n := 0; c.Done() < c.Changes && ctx.Err() == nil; n++ {
				select {
				case <-enough:
					return
				default:
				}
				c.make(ctx, r, c.question(r, c.bots[crewBots+i].who), fmt.Sprintf("%d-%d", i, n))
				sleep(ctx, time.Duration(r.IntN(60))*time.Millisecond)
			}
		})
	}
	all.Wait()
}

// question asks one bot directly, or one to three in a thread.
func (c *Crew) question(r *rand.Rand, by opening) *change {
	text := c.text("ask")
	q := &change{who: by, method: http.MethodPost, body: map[string]any{}}
	asked := r.Perm(crewBots)[:1+r.IntN(3)]
	if r.IntN(3) == 0 {
		asked = asked[:1]
		q.path, q.body["to"] = "/api/send", c.bots[asked[0]].name
	} else {
		q.path = "/api/threads/" + c.threads[r.IntN(len(c.threads))].id + "/messages"
	}
	for _, bot := range asked {
		text += " @" + c.bots[bot].name
	}
	q.body["content"] = text
	c.mu.Lock()
	c.questions[text] = false
	c.mu.Unlock()
	q.done = func(map[string]any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.questions[text] = true
	}
	return q
}

// Work runs the workers until ctx ends.
func (c *Crew) Work(ctx context.Context) {
	var all sync.WaitGroup
	for i := range c.workers {
		all.Go(func() {
			w := &worker{crew: c, bot: c.bots[i%crewBots], rng: c.rand(500 + uint64(i))}
			for n := 0; ctx.Err() == nil; n++ {
				w.live(ctx, fmt.Sprintf("worker-%d-%d", i, n))
			}
		})
	}
	all.Wait()
}

// Settled waits until the inboxes are empty.
func (c *Crew) Settled(ctx context.Context) error {
	for empty := 0; empty < 4*crewBots; sleep(ctx, 100*time.Millisecond) {
		left := ""
		for _, b := range c.bots[:crewBots] {
			err := outlast(ctx, func() error {
				answer, err := c.must(ctx, b.who, http.MethodGet, "/api/inbox/deliveries?limit=1", nil)
				if items, _ := answer["items"].([]any); len(items) > 0 {
					left = fmt.Sprint(b.name, ": ", items[0])
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("list what is not settled: %w; %s", err, left)
			}
			if empty++; left != "" {
				empty = 0
				break
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not all is settled: %w; %s", ctx.Err(), left)
		}
	}
	return nil
}

// Ends returns how workers ended with deliveries, for the log of a test.
func (c *Crew) Ends() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(c.ends), "map")
}

func (c *Crew) note(end string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[end]++
}

func (c *Crew) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}
