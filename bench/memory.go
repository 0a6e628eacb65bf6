package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// memoryConnections is the number of idle connections that make the heap of a server large.
const memoryConnections = 2000

// memory compares ways to limit the memory of a server (decision 0027): the adjustment by b2b serve
// itself, and settings of the Go runtime. Servers with each post and list messages in turn, first
// with a small heap and then beside many idle connections. It has no target.
func memory(ctx context.Context, o options, folder string, r *report) error {
	if _, err := raiseFiles(); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	all := []*tuned{
		{name: "b2b serve"}, {name: "GOGC=100", env: []string{"GOGC=100"}}, {name: "GOGC=300", env: []string{"GOGC=300"}},
		{name: "GOGC=300 GOMEMLIMIT=96MiB", env: []string{"GOGC=300", "GOMEMLIMIT=96MiB"}},
	}
	for i, t := range all {
		if err := t.start(ctx, o, filepath.Join(folder, fmt.Sprint("memory", i))); err != nil {
			return err
		}
		defer t.process.stop()
	}
	for _, heap := range []string{"no connection", fmt.Sprint(memoryConnections, " connections")} {
		for range o.rounds {
			for _, t := range all {
				if err := t.round(ctx, o); err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
		time.Sleep(10 * time.Second)
		for _, t := range all {
			idle, err := t.process.rss()
			if err != nil {
				return err
			}
			r.note("%s, %s: %.0f posts/s, %.0f lists/s; %.0f µs of processor time for a call, %.1f µs for the collector; RSS %.0f MB under load, %.0f MB after it",
				heap, t.name, median(t.posts), median(t.lists), median(t.cpu), median(t.collector), median(t.busy), idle)
			t.posts, t.lists, t.cpu, t.collector, t.busy = nil, nil, nil, nil, nil
		}
		if heap != "no connection" {
			break
		}
		for _, t := range all {
			if err := t.connect(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// tuned is a server with one way to limit its memory.
type tuned struct {
	name    string
	env     []string
	process *process
	fixture *fixture
	log     string // file with the trace of the garbage collector

	posts, lists   []float64 // a second
	cpu, collector []float64 // µs a call
	busy           []float64 // MB of RSS at the end of a load
}

func (t *tuned) start(ctx context.Context, o options, folder string) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	t.log = folder + ".log"
	env := append([]string{
		"B2B_DATA_DIR=" + folder, "B2B_ADMIN_SECRET=bench", "B2B_LOG_LEVEL=error", "B2B_HOST=" + host, "B2B_PORT=" + port, "GODEBUG=gctrace=1",
	}, t.env...)
	if t.process, err = startProcess(ctx, addr, env, "sh", "-c", `exec "$0" serve 2>"$1"`, o.server, t.log); err != nil {
		return err
	}
	t.fixture, err = newFilledFixture(ctx, t.process.url)
	return err
}

// connect opens idle connections, which stay open until ctx ends.
func (t *tuned) connect(ctx context.Context) error {
	var all errgroup.Group
	all.SetLimit(8)
	for first := 0; first < memoryConnections; first += orgSize {
		c, err := newCrowd(ctx, t.process.url, fmt.Sprint("memory-", first), orgSize)
		if err != nil {
			return err
		}
		for _, token := range c.tokens {
			all.Go(func() error {
				conn, err := connect(ctx, t.process.url, token, "")
				if err == nil {
					conn.SetReadLimit(-1)
					go drain(ctx, conn)
				}
				return err
			})
		}
	}
	return all.Wait()
}

func (t *tuned) round(ctx context.Context, o options) error {
	before, err := t.costs()
	if err != nil {
		return err
	}
	post, err := load(ctx, o.clients, o.time, t.fixture.post())
	if err != nil {
		return err
	}
	list, err := load(ctx, o.clients, o.time, t.fixture.read())
	if err != nil {
		return err
	}
	rss, err := t.process.rss()
	if err != nil {
		return err
	}
	after, err := t.costs()
	if err != nil {
		return err
	}
	calls := float64(post.count + list.count)
	t.posts, t.lists, t.busy = append(t.posts, post.perSecond), append(t.lists, list.perSecond), append(t.busy, rss)
	t.cpu = append(t.cpu, (after[0]-before[0])/calls)
	t.collector = append(t.collector, (after[1]-before[1])/calls)
	return nil
}

// costs returns the processor time of the server and the part of its garbage collector, in µs.
func (t *tuned) costs() ([2]float64, error) {
	cpu, err := t.process.cpu()
	if err != nil {
		return [2]float64{}, err
	}
	text, err := os.ReadFile(t.log)
	return [2]float64{float64(cpu.Microseconds()), collectorTime(string(text))}, err
}

// collections finds in a trace the processor time of a collection in ms: sweep termination, then
// assist, background and idle time of marking, then mark termination.
var collections = regexp.MustCompile(`ms clock, ([0-9.]+)\+([0-9.]+)/([0-9.]+)/[0-9.]+\+([0-9.]+) ms cpu`)

// collectorTime returns the sum of a trace in µs, without the time of otherwise idle processors.
func collectorTime(trace string) (us float64) {
	for line := range strings.Lines(trace) {
		if m := collections.FindStringSubmatch(line); m != nil {
			for _, part := range m[1:] {
				ms, _ := strconv.ParseFloat(part, 64) // digits and dots by the pattern
				us += ms * 1000
			}
		}
	}
	return us
}
