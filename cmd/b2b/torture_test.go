package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/torture"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/redistest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// The size of a run, which ends at the first limit. B2B_TORTURE_CHANGES is the number of changes,
// each at least one event, without a limit of time; B2B_TORTURE_SEED repeats the random choices of
// an earlier run.
const (
	tortureChanges = 1200
	tortureLoad    = 12 * time.Second
	tortureMost    = 25 * time.Minute
	tortureOutage  = 5 * time.Second // of PostgreSQL, once, for all nodes
)

// outageMemory is by how much a node may grow while it has no database: clients are refused, not
// queued.
const outageMemory = 96 << 10 // kB

// TestTorture checks that every subscriber receives exactly the events that it may see, in order,
// while servers are killed, connections break and notifications are lost (package torture).
func TestTorture(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, 1)
		f.play(filepath.Join(f.data[0], "b2b.db"), nil)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, 3)
		f.load += tortureOutage
		address := pgtest.URL(t)
		proxy := f.postgres(address)
		began, out := time.Now(), false
		f.play(address, func() {
			proxy.Cut()
			f.silence(address)
			if !out && time.Since(began) > 2*time.Second {
				out = true
				f.outage(proxy)
			}
		})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, 3)
		address := pgtest.URL(t)
		proxy := f.redis(address)
		f.play(address, proxy.Cut)
	})
}

// fleet is the nodes of one installation.
type fleet struct {
	t    *testing.T
	seed uint64
	env  []string
	data []string
	// ahead is how far the clock of each node is ahead; nil: all are that of the machine.
	ahead []string

	changes int
	load    time.Duration
	kills   int

	mu    sync.Mutex
	nodes []*node
}

func newFleet(t *testing.T, size int) *fleet {
	number := func(name string) (uint64, bool) {
		text := os.Getenv(name)
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil && text != "" {
			t.Fatalf("%s: %v", name, err)
		}
		return n, text != ""
	}
	f := &fleet{t: t, seed: rand.Uint64(), changes: tortureChanges, load: tortureLoad, kills: 2, nodes: make([]*node, size)}
	if seed, ok := number("B2B_TORTURE_SEED"); ok {
		f.seed = seed
	}
	if changes, ok := number("B2B_TORTURE_CHANGES"); ok {
		f.changes, f.load = int(changes), tortureMost
		f.kills = max(f.kills, f.changes/1000)
	}
	f.env = []string{"B2B_LOG_LEVEL=info"}
	for range size {
		f.data = append(f.data, t.TempDir())
	}
	return f
}

// Pick returns a random node, running or not.
func (f *fleet) Pick(r *rand.Rand) (name, url string) { return f.at(r.IntN(len(f.nodes))) }

// First returns the node that is not killed while there are others.
func (f *fleet) First() (name, url string) { return f.at(0) }

func (f *fleet) at(i int) (name, url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint("node ", i), f.nodes[i].URL
}

func (f *fleet) start(i int) {
	env := f.env
	if f.ahead != nil {
		env = append(slices.Clip(env), testClock+"="+f.ahead[i])
	}
	n := serve(f.t, f.data[i], env...)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[i] = n
}

// killOne kills a node, like a power failure, and restarts it a little later on another port.
func (f *fleet) killOne(r *rand.Rand) {
	i := 0
	if len(f.nodes) > 1 {
		i = 1 + r.IntN(len(f.nodes)-1)
	}
	f.nodes[i].kill()
	time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond) // Sleeps: the node is down for a while.
	f.start(i)
}

// play runs the test. trouble is called now and then to cause another failure.
func (f *fleet) play(storage string, trouble func()) {
	t := f.t
	plan := torture.Plan{
		Seed: f.seed, AdminSecret: adminSecret, Bots: 50, Threads: 40, Pairs: 40, Writers: 12,
		Changes: f.changes, Steady: len(f.nodes) > 1,
	}
	t.Logf("B2B_TORTURE_SEED=%d", plan.Seed)
	for i := range f.nodes {
		f.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), tortureMost)
	defer cancel()
	began := time.Now()
	w, err := torture.Setup(ctx, plan, f)
	if err != nil {
		t.Fatalf("found the org: %v", err)
	}
	defer w.Close()

	listening, stopListening := context.WithCancel(ctx)
	defer stopListening()
	var listeners, writers sync.WaitGroup
	listeners.Go(func() { w.Listen(listening) })
	defer listeners.Wait()
	defer stopListening()
	written := make(chan struct{})
	loaded := time.Now()
	writing, stopWriting := context.WithTimeout(ctx, f.load)
	defer stopWriting()
	writers.Go(func() {
		defer close(written)
		w.Write(ctx, writing.Done())
	})
	f.disrupt(written, w, trouble)
	writers.Wait()
	load := time.Since(loaded)
	if err := w.End(ctx); err != nil {
		t.Fatalf("end: %v", err)
	}
	stuck := time.AfterFunc(time.Minute, stopListening)
	listeners.Wait()
	stuck.Stop()
	settled := time.Since(loaded) - load

	log := f.readLog(ctx, storage, w.Org)
	history, err := w.ReadHistory(ctx, log)
	if err != nil {
		t.Fatalf("read the histories: %v", err)
	}
	if err := errors.Join(w.Judge(log), history.Judge(log)); err != nil {
		t.Errorf("%v", err)
	}
	connections, entries := 0, 0
	for _, s := range w.Subscribers {
		connections, entries = connections+s.Connections, entries+len(s.Entries)
	}
	t.Logf("%d changes in %d events; %d subscribers took in %d entries over %d connections; founded in %s, loaded in %s, settled in %s",
		w.Done(), len(log), len(w.Subscribers), entries, connections, loaded.Sub(began).Round(time.Millisecond), load.Round(time.Millisecond), settled.Round(time.Millisecond))
	f.end()
}

// end stops the nodes.
func (f *fleet) end() {
	for i, n := range f.nodes {
		if err := n.stop(); err != nil {
			f.t.Errorf("node %d: stop: %v", i, err)
		}
		if f.t.Failed() {
			f.t.Logf("node %d:\n%s", i, n.logs)
		}
	}
}

// disrupt kills nodes, evenly over the load, and causes other failures until all is written.
func (f *fleet) disrupt(written <-chan struct{}, w interface{ Done() int }, trouble func()) {
	r := rand.New(rand.NewPCG(f.seed, 7))
	began := time.Now()
	for killed := 0; ; {
		select {
		case <-written:
			if killed == 0 {
				f.t.Error("no node was killed before all was written")
			}
			for ; killed < f.kills; killed++ { // a trouble took longer than the rest of the load
				f.killOne(r)
			}
			return
		case <-time.After(time.Duration(100+r.IntN(400)) * time.Millisecond):
		}
		progress := max(float64(w.Done())/float64(f.changes), float64(time.Since(began))/float64(f.load))
		if killed < f.kills && progress >= float64(killed+1)/float64(f.kills+2) {
			f.killOne(r)
			killed++
		}
		if trouble != nil {
			trouble()
		}
	}
}

// outage disconnects all nodes from the database for a while. They report it, and do not grow.
func (f *fleet) outage(p *torture.Proxy) {
	healthy := func(want bool) {
		f.t.Helper()
		for i, n := range f.nodes {
			if !waittest.Within(time.Minute, func() bool { return n.healthy(f.t.Context()) == want }) {
				f.t.Errorf("node %d: healthy is not %v", i, want)
				return
			}
		}
	}
	healthy(true)
	var before []int
	for _, n := range f.nodes {
		before = append(before, n.resident())
	}
	p.Down(true)
	over := time.After(tortureOutage)
	healthy(false)
	most := make([]int, len(f.nodes))
	sample := time.NewTicker(100 * time.Millisecond)
	defer sample.Stop()
	for down := true; down; {
		select {
		case <-over:
			down = false
		case <-sample.C:
		}
		for i, n := range f.nodes {
			most[i] = max(most[i], n.resident()-before[i])
		}
	}
	for i, kB := range most {
		if kB > outageMemory {
			f.t.Errorf("node %d grew by %d kB without a database", i, kB)
		}
	}
	f.t.Logf("nodes grew by %v kB without a database", most)
	p.Down(false)
	healthy(true)
}

func (f *fleet) readLog(ctx context.Context, storage, org string) []torture.Row {
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: storage, Shared: true})
	if err != nil {
		f.t.Fatalf("open the store: %v", err)
	}
	log, err := torture.ReadLog(ctx, st, org)
	if err := errors.Join(err, st.Close()); err != nil {
		f.t.Fatalf("read the log: %v", err)
	}
	return log
}

// postgres puts a proxy between the nodes and their database.
func (f *fleet) postgres(address string) *torture.Proxy {
	c, err := pgx.ParseConfig(address)
	if err != nil {
		f.t.Fatal(err)
	}
	network, at := "tcp", net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if filepath.IsAbs(c.Host) {
		network, at = "unix", filepath.Join(c.Host, fmt.Sprintf(".s.PGSQL.%d", c.Port))
	}
	p, err := torture.NewPostgresProxy(f.seed, network, at)
	if err != nil {
		f.t.Fatal(err)
	}
	f.guard(p)
	u := url.URL{Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Host: p.Addr(), Path: "/" + c.Database, RawQuery: "sslmode=disable"}
	f.env = append(f.env, "B2B_DATABASE_URL="+u.String())
	return p
}

// redis gives the nodes a Redis as their notifier, behind a proxy.
func (f *fleet) redis(database string) *torture.Proxy {
	socket := strings.TrimPrefix(redistest.Start(f.t).URL, "unix://")
	p, err := torture.NewRedisProxy(f.seed, "unix", socket)
	if err != nil {
		f.t.Fatal(err)
	}
	f.guard(p)
	f.env = append(f.env, "B2B_DATABASE_URL="+database, "B2B_REDIS_URL=redis://"+p.Addr())
	return p
}

// guard closes a proxy after the nodes, and checks that notifications passed through it.
func (f *fleet) guard(p *torture.Proxy) {
	f.t.Cleanup(func() {
		p.Close()
		if all, lost := p.Notifications(); lost == 0 {
			f.t.Errorf("of %d notifications none was lost", all)
		} else {
			f.t.Logf("%d of %d notifications were lost", lost, all)
		}
	})
}

// silence ends the connections that listen for notifications.
func (f *fleet) silence(address string) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err == nil {
		_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'`)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		f.t.Errorf("end the connections that listen: %v", err)
	}
}
