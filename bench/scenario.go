package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

// scenarioOptions are those of the parts scenario and coefficients.
type scenarioOptions struct {
	size      scenario.Size
	rate      float64       // operations a second
	length    time.Duration // of a load
	listeners int           // connected bots
	nodes     int           // on PostgreSQL
	on        string        // the only database: sqlite, postgres, or memory; empty: all
	folder    string        // of what was filled before; empty: fill anew
	bound     time.Duration // of the 99th percentile
	warm      time.Duration // before a load is measured
}

// flags reads the options from the command line.
func (o *scenarioOptions) flags() {
	flag.Uint64Var(&o.size.Seed, "seed", 1, "for scenario: what the org and its load are made from")
	flag.IntVar(&o.size.Bots, "bots", 10_000, "for scenario: bots")
	flag.IntVar(&o.size.Threads, "threads", 100_000, "for scenario: threads")
	flag.IntVar(&o.size.Messages, "messages", 1_000_000, "for scenario: messages before the load")
	flag.Float64Var(&o.rate, "rate", 200, "for scenario: operations a second")
	flag.IntVar(&o.listeners, "listeners", 500, "for scenario: connected bots")
	flag.StringVar(&o.folder, "filled", "", "for scenario and coefficients: a folder that keeps the filled databases for the next run with it, of the same -postgres")
	flag.StringVar(&o.on, "on", "", "for scenario and coefficients: measure only sqlite or postgres, or for coefficients only memory")
	flag.IntVar(&o.nodes, "nodes", 3, "for scenario: on PostgreSQL, measure from one node up to as many")
	flag.DurationVar(&o.length, "length", 10*time.Second, "for scenario: how long a load takes")
	flag.DurationVar(&o.warm, "warm", 2*time.Second, "for scenario: how long a load takes before it is measured")
	flag.DurationVar(&o.bound, "bound", 50*time.Millisecond, "for scenario: find the highest rate with a p99 of at most this; 0: do not")
}

// site is a server with one or more nodes, its database, and the org in it.
type site struct {
	name     string
	nodes    []*process
	agents   *agents
	path     string // of the SQLite database; empty with PostgreSQL
	postgres string // its URL; empty with SQLite
}

// scenarios plays an org at work on each database: at one rate, and then up to the highest rate
// with which the 99th percentile stays within the bound.
func scenarios(ctx context.Context, o options, folder string, r *report) error {
	if _, err := raiseFiles(); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	org, folder := scenario.New(o.scenario.size), cmp.Or(o.scenario.folder, folder)
	for _, postgres := range o.databases() {
		if err := fillSite(ctx, o, org, folder, postgres, r); err != nil {
			return err
		}
		for nodes := 1; nodes == 1 || postgres != "" && nodes <= o.scenario.nodes; nodes++ {
			if err := scenarioOn(ctx, o, org, folder, postgres, nodes, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// databases returns the URLs of the databases to measure; the empty one is SQLite.
func (o options) databases() (urls []string) {
	if o.scenario.on == "" || o.scenario.on == "sqlite" {
		urls = append(urls, "")
	}
	if o.postgres != "" && (o.scenario.on == "" || o.scenario.on == "postgres") {
		urls = append(urls, o.postgres)
	}
	return urls
}

// fillSite fills a database, unless an earlier run with the same folder has.
func fillSite(ctx context.Context, o options, org *scenario.Org, folder, postgres string, r *report) error {
	data := dataFolder(folder, postgres)
	mark := filepath.Join(data, "filled.json")
	size, err := json.Marshal(org.Size)
	if err != nil {
		return err
	}
	switch old, err := os.ReadFile(mark); {
	case err == nil && bytes.Equal(old, size):
		return nil
	case err == nil:
		return fmt.Errorf("%s has another org, of %s: name another folder", data, old)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	into := []string{"--data", data}
	if postgres != "" {
		into = append(into, "--database", postgres)
	}
	if err := fillDatabase(ctx, o, org, folder, into, r.out); err != nil {
		return err
	}
	return os.WriteFile(mark, size, 0o600)
}

// dataFolder is the folder of the data of a database of the scenario.
func dataFolder(folder, postgres string) string {
	if postgres == "" {
		return filepath.Join(folder, "scenario")
	}
	return filepath.Join(folder, "scenario-postgres")
}

// startSite starts the nodes of a filled database and connects the listeners.
func startSite(ctx context.Context, o options, org *scenario.Org, folder, postgres string, nodes int) (*site, error) {
	data := dataFolder(folder, postgres)
	s := &site{name: "SQLite", path: filepath.Join(data, "b2b.db")}
	if postgres != "" {
		s = &site{name: fmt.Sprintf("PostgreSQL, %d nodes", nodes), postgres: postgres}
	}
	for range nodes {
		p, err := startServer(ctx, o, append(unlimited, "B2B_DATA_DIR="+data, "B2B_DATABASE_URL="+postgres))
		if err != nil {
			s.stop()
			return nil, err
		}
		s.nodes = append(s.nodes, p)
	}
	s.agents = newAgents(org, s.nodes)
	return s, nil
}

func (s *site) stop() {
	for _, p := range s.nodes {
		p.stop()
	}
}

func scenarioOn(ctx context.Context, o options, org *scenario.Org, folder, postgres string, nodes int, r *report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := startSite(ctx, o, org, folder, postgres, nodes)
	if err != nil {
		return err
	}
	defer s.stop()
	empty, err := s.rss()
	if err != nil {
		return err
	}
	if err := s.agents.listen(ctx, o.scenario.listeners); err != nil {
		return err
	}
	if _, err := play(ctx, org.Load("warm", o.scenario.rate, scenario.Mix), o.scenario.warm, s.agents.do); err != nil {
		return err
	}
	run, used, err := s.measured(ctx, org.Load("run", o.scenario.rate, scenario.Mix), o.scenario.length)
	if err != nil {
		return err
	}
	after, err := s.rss()
	if err != nil {
		return err
	}
	r.note("%s: %d bots, %d threads, %d messages, %d of the bots connected", s.name, org.Bots, org.Threads, org.Messages, len(s.agents.sockets))
	r.note("%.0f operations a second offered, %.0f done; %d failed (%v), %d lost; %.0f events a second delivered",
		o.scenario.rate, run.perSecond(), run.failed, run.firstErr, run.lost, used.delivered/run.length.Seconds())
	for _, kind := range run.kinds() {
		took := run.took[kind]
		r.note("  %-28s %6d  p50 %7.2f  p99 %7.2f  max %7.2f ms", kind, len(took), ms(took.at(50)), ms(took.at(99)), ms(took.slowest()))
	}
	r.note("CPU of an operation: %s; load generator %.0f µs", used, us(used.own)/float64(run.done()))
	r.note("memory of the nodes: %.0f MB at the start, %.0f MB after; the database grew by %.2f KB for each write, its log by %.2f KB",
		empty, after, used.size/1024/float64(max(1, run.writes())), used.log/1024/float64(max(1, run.writes())))
	if o.scenario.bound == 0 {
		return nil
	}
	tries := 0
	best, err := highest(o.scenario.rate, func(rate float64) (bool, error) {
		tries++
		p, err := play(ctx, org.Load(fmt.Sprint("ceiling ", tries), rate, scenario.Mix), o.scenario.length/2, s.agents.do)
		if err != nil {
			return false, err
		}
		return p.held(o.scenario.bound), nil
	})
	if err != nil {
		return err
	}
	r.note("highest rate with a p99 of at most %v: %.0f operations a second (%d tries of %v)", o.scenario.bound, best, tries, o.scenario.length/2)
	return nil
}

// used is what a load used up.
type used struct {
	done      float64       // operations
	nodes     time.Duration // processor time of all nodes
	last      time.Duration // of the last node
	database  time.Duration // processor time of PostgreSQL
	own       time.Duration // processor time of the load generator
	delivered float64       // events over sockets
	size, log float64       // growth of the database and of the log of PostgreSQL, in bytes
}

func (u used) String() string {
	text := fmt.Sprintf("server %.0f µs", us(u.nodes)/u.done)
	if u.database > 0 {
		text += fmt.Sprintf(", PostgreSQL %.0f µs", us(u.database)/u.done)
	}
	return text
}

// measured plays a load and returns what it used up.
func (s *site) measured(ctx context.Context, load *scenario.Load, length time.Duration) (*played, used, error) {
	before, err := s.usage(ctx)
	if err != nil {
		return nil, used{}, err
	}
	p, err := play(ctx, load, length, s.agents.do)
	if err != nil {
		return nil, used{}, err
	}
	after, err := s.usage(ctx)
	after.done = float64(max(1, p.done()))
	after.nodes -= before.nodes
	after.last -= before.last
	after.database -= before.database
	after.own -= before.own
	after.delivered -= before.delivered
	after.size -= before.size
	after.log -= before.log
	return p, after, err
}

// usage returns what was used up to this moment.
func (s *site) usage(ctx context.Context) (u used, err error) {
	for _, p := range s.nodes {
		if u.last, err = p.cpu(); err != nil {
			return u, err
		}
		u.nodes += u.last
	}
	u.delivered = float64(s.agents.received.Load())
	if u.own, err = ownCPU(); err != nil {
		return u, err
	}
	if s.postgres == "" {
		size, err := databaseBytes(ctx, s.path)
		u.size = float64(size)
		return u, err
	}
	pg, err := usePostgres(ctx, s.postgres)
	u.database, u.size, u.log = pg.cpu, float64(pg.size), float64(pg.log)
	return u, err
}

// rss returns the memory of all nodes in MB.
func (s *site) rss() (total float64, err error) {
	for _, p := range s.nodes {
		mb, err := p.rss()
		if err != nil {
			return 0, err
		}
		total += mb
	}
	return total, nil
}
