package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/capacity"
	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

// memoryThreads is the number of threads with which the memory of a thread is measured.
const memoryThreads = 20_000

// coefficients measures what each operation takes, and writes it to the file from which the
// capacity is computed; what is not measured keeps its figures there. It then compares the
// prediction for the mix with measurements.
func coefficients(ctx context.Context, o options, folder string, base *process, r *report) error {
	if _, err := raiseFiles(); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	c, err := capacity.Read(o.capacity.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m := machine()
	c.Measured, c.Processor = time.Now().UTC().Format(time.RFC3339), fmt.Sprintf("%s, %d cores", m.Processor, m.Cores)
	floor, err := load(ctx, o.clients, o.time, (&fixture{url: base.url, token: "none", peer: "peer"}).post())
	if err != nil {
		return err
	}
	c.Direct = floor.perSecond
	org, folder := scenario.New(o.scenario.size), cmp.Or(o.scenario.folder, folder)
	if o.scenario.on == "" || o.scenario.on == "memory" {
		if err := fillSite(ctx, o, org, folder, "", r); err != nil {
			return err
		}
		if c.Memory, err = memoryCosts(ctx, o, org, folder); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	for _, postgres := range o.databases() {
		if err := fillSite(ctx, o, org, folder, postgres, r); err != nil {
			return err
		}
		costs := &c.SQLite
		if postgres != "" {
			costs = &c.Postgres
		}
		if *costs, err = costsOn(ctx, o, org, folder, postgres, &c); err != nil {
			return fmt.Errorf("database %q: %w", postgres, err)
		}
		if postgres != "" {
			if costs.Follow, err = followCost(ctx, o, org, folder, postgres); err != nil {
				return fmt.Errorf("a second node: %w", err)
			}
		}
		for nodes := 1; nodes == 1 || postgres != "" && nodes <= o.scenario.nodes; nodes++ {
			if err := predict(ctx, o, org, folder, postgres, nodes, *costs, r); err != nil {
				return fmt.Errorf("compare with the prediction: %w", err)
			}
		}
	}
	c.Describe(r.out)
	return c.WriteFile(o.capacity.file)
}

// costsOn measures the costs on one database.
func costsOn(ctx context.Context, o options, org *scenario.Org, folder, postgres string, all *capacity.Coefficients) (costs capacity.Costs, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startSite(ctx, o, org, folder, postgres, 1)
	if err != nil {
		return costs, err
	}
	defer s.stop()
	if all.Version, err = version(ctx, s.nodes[0].url); err != nil {
		return costs, err
	}
	if costs.Delivery, err = deliveryCost(ctx, o, s.nodes[0]); err != nil {
		return costs, fmt.Errorf("deliveries: %w", err)
	}
	idle, err := s.idle(ctx, o.scenario.length)
	if err != nil {
		return costs, err
	}
	costs.Idle = capacity.Cost{Server: us(idle.nodes), Database: us(idle.database)}.Times(1 / o.scenario.length.Seconds())
	costs.Operations = map[string]capacity.Cost{}
	for _, share := range scenario.Mix {
		if share.Kind == scenario.SocketPost {
			continue // needs connections, to which every post is delivered
		}
		u, err := s.one(ctx, o, share.Kind, idle)
		if err != nil {
			return costs, fmt.Errorf("%s: %w", share.Kind, err)
		}
		costs.Operations[string(share.Kind)] = capacity.Cost{Server: us(u.nodes) / u.done, Database: us(u.database) / u.done}
	}
	if err := s.writesInTurn(ctx, o, &costs); err != nil {
		return costs, err
	}
	if err := s.agents.listen(ctx, o.scenario.listeners); err != nil {
		return costs, err
	}
	u, err := s.one(ctx, o, scenario.SocketPost, idle)
	if err != nil {
		return costs, fmt.Errorf("posts over connections: %w", err)
	}
	costs.Operations[string(scenario.SocketPost)] = capacity.Cost{
		Server: max(0, us(u.nodes)-u.delivered*costs.Delivery) / u.done, Database: us(u.database) / u.done,
	}
	return costs, nil
}

// one plays operations of one kind, and returns what they used beyond an idle server.
func (s *site) one(ctx context.Context, o options, kind scenario.Kind, idle used) (used, error) {
	mix := []scenario.Share{{Kind: kind, Of: 1}}
	name := string(kind) + fmt.Sprint(len(s.agents.sockets))
	if _, err := play(ctx, s.agents.org.Load("warm "+name, o.scenario.rate, mix), o.scenario.warm, s.agents.do); err != nil {
		return used{}, err
	}
	p, u, err := s.measured(ctx, s.agents.org.Load(name, o.scenario.rate, mix), o.scenario.length)
	if err != nil {
		return u, err
	}
	if p.failed+p.lost > 0 {
		return u, fmt.Errorf("%d of %d operations failed: %w", p.failed+p.lost, p.offered, errors.Join(p.firstErr))
	}
	part := float64(p.length) / float64(o.scenario.length)
	u.nodes = max(0, u.nodes-time.Duration(part*float64(idle.nodes)))
	u.database = max(0, u.database-time.Duration(part*float64(idle.database)))
	return u, nil
}

// idle returns what the site uses while nobody calls.
func (s *site) idle(ctx context.Context, length time.Duration) (u used, err error) {
	before, err := s.usage(ctx)
	if err != nil {
		return u, err
	}
	sleep(ctx, length)
	after, err := s.usage(ctx)
	after.nodes -= before.nodes
	after.database -= before.database
	after.last -= before.last
	return after, err
}

// writesInTurn posts as fast as the server accepts, and sets the rate and what a post takes on disk.
// So many posts fill the pages of the database to the usual degree, which few do not.
func (s *site) writesInTurn(ctx context.Context, o options, costs *capacity.Costs) error {
	posts := s.agents.org.Load("writes", 1, []scenario.Share{{Kind: scenario.Post, Of: 1}})
	ops := make([]scenario.Op, 1<<16)
	for i := range ops {
		ops[i] = posts.Next()
	}
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	res, err := loadEach(ctx, 2*o.clients, 3*o.scenario.length, func(ctx context.Context, _ *http.Client, n int) error {
		return s.agents.do(ctx, ops[n%len(ops)])
	})
	if err != nil {
		return err
	}
	after, err := s.usage(ctx)
	costs.Writes, costs.OneOrg = res.perSecond, s.postgres != ""
	costs.Bytes, costs.Log = (after.size-before.size)/float64(res.count), (after.log-before.log)/float64(res.count)
	return err
}

// deliveredTo is the number of connections with which the cost of a delivery is measured.
const deliveredTo = 100

// deliveryCost measures the processor time of a node for each delivery to a connection, of posts
// one after another.
func deliveryCost(ctx context.Context, o options, p *process) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, _, err := newAudience(ctx, p, "deliveries", deliveredTo+1)
	if err != nil {
		return 0, err
	}
	res, err := a.run(ctx, o.scenario.length, 1)
	return us(res.server), err
}

// followCost measures the processor time of a node for each write of another node.
func followCost(ctx context.Context, o options, org *scenario.Org, folder, postgres string) (float64, error) {
	s, err := startSite(ctx, o, org, folder, postgres, 2)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	idle, err := s.idle(ctx, o.scenario.length)
	if err != nil {
		return 0, err
	}
	s.agents.nodes = s.nodes[:1]
	mix := []scenario.Share{{Kind: scenario.Post, Of: 1}}
	_, u, err := s.measured(ctx, org.Load("follow", o.scenario.rate, mix), o.scenario.length)
	return max(0, us(u.last-idle.last)) / u.done, err
}

// predict plays the mix at a rate and prints the processor time that the model computes beside
// that which was measured.
func predict(ctx context.Context, o options, org *scenario.Org, folder, postgres string, nodes int, costs capacity.Costs, r *report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startSite(ctx, o, org, folder, postgres, nodes)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.agents.listen(ctx, o.scenario.listeners); err != nil {
		return err
	}
	if _, err := play(ctx, org.Load("warm", o.scenario.rate, scenario.Mix), o.scenario.warm, s.agents.do); err != nil {
		return err
	}
	p, u, err := s.measured(ctx, org.Load("predicted", o.scenario.rate, scenario.Mix), o.scenario.length)
	if err != nil {
		return err
	}
	d := capacity.Demand{Deliveries: u.delivered / float64(max(1, p.writes()))}
	d.Mix, d.Writes = shares(scenario.Mix)
	server, database, err := costs.Cores(d, p.perSecond(), nodes)
	if err != nil {
		return err
	}
	r.note("%s, %.0f operations a second, %.2f deliveries of a write: cores of the nodes %.2f predicted, %.2f measured; of PostgreSQL %.2f predicted, %.2f measured",
		s.name, p.perSecond(), d.Deliveries, server, u.nodes.Seconds()/p.length.Seconds(), database, u.database.Seconds()/p.length.Seconds())
	return nil
}

// memoryCosts measures the memory of a node on SQLite: at its start, then with bots, threads and
// connections.
func memoryCosts(ctx context.Context, o options, org *scenario.Org, folder string) (m capacity.Memory, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startSite(ctx, o, org, folder, "", 1)
	if err != nil {
		return m, err
	}
	defer s.stop()
	settled := func() (float64, error) {
		mb, _, err := stillRSS(ctx, s.nodes[0], 8*time.Second, 40*time.Second)
		return mb, err
	}
	calls := func(count int, path func(n int) (string, int32)) (float64, error) {
		var next, begun atomic.Int64
		more := func() bool { return begun.Add(1) <= int64(count) }
		_, err := loadWhile(ctx, o.clients, more, func(ctx context.Context, client *http.Client, _ int) error {
			path, bot := path(int(next.Add(1)) - 1)
			return once(ctx, client, target{method: http.MethodGet, url: s.nodes[0].url + path, token: org.Token(bot)})
		})
		if err != nil {
			return 0, err
		}
		return settled()
	}
	if m.Node, err = settled(); err != nil {
		return m, err
	}
	// The first calls make the buffers of a busy node.
	busy, err := calls(memoryThreads, func(int) (string, int32) { return "/api/me", 0 })
	if err != nil {
		return m, err
	}
	m.Working = max(0, busy-m.Node)
	// What a node keeps of an org once some of its bots are connected counts for the bots.
	some := max(1, o.scenario.listeners/4)
	if err := newAgents(org, s.nodes).listen(ctx, some); err != nil {
		return m, err
	}
	bots, err := calls(org.Bots, func(n int) (string, int32) { return "/api/me", int32(n) })
	if err != nil {
		return m, err
	}
	count := min(memoryThreads, org.Threads)
	threads, err := calls(count, func(n int) (string, int32) {
		return "/api/threads/" + org.ID("thread", n), org.Participants(n)[0]
	})
	if err != nil {
		return m, err
	}
	m.Thread = max(0, threads-bots) * 1024 / float64(count)
	listeners := newAgents(org, s.nodes)
	if err := listeners.listen(ctx, o.scenario.listeners); err != nil {
		return m, err
	}
	connected, err := settled()
	m.Connection = max(0, connected-threads) * 1024 / float64(len(listeners.sockets))
	m.Bot = max(0, (bots-busy)*1024-float64(some)*m.Connection) / float64(org.Bots)
	return m, err
}
