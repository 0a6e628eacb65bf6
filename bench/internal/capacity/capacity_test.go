package capacity_test

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/bench/internal/capacity"
)

// round are coefficients with which the sums can be done in the head.
var round = capacity.Coefficients{
	SQLite: capacity.Costs{
		Operations: map[string]capacity.Cost{"write": {Server: 400}, "read": {Server: 100}},
		Delivery:   50, Bytes: 1 << 20, Writes: 2000,
	},
	Postgres: capacity.Costs{
		Operations: map[string]capacity.Cost{"write": {Server: 400, Database: 200}, "read": {Server: 100, Database: 100}},
		Delivery:   50, Follow: 40, Bytes: 2 << 20, Log: 4 << 20, Writes: 10_000, OneOrg: true,
	},
	Memory: capacity.Memory{Node: 20, Working: 30, Connection: 16, Bot: 1, Thread: 2},
}

// demand writes in half of its operations, each of which is delivered twice.
func demand(messagesPerDay float64) capacity.Demand {
	return capacity.Demand{
		Bots: 1024, MessagesPerDay: messagesPerDay, Peak: 2, Connected: 0.5, Threads: 1024, Deliveries: 2,
		Mix: map[string]float64{"write": 5, "read": 5}, Writes: 0.5, Days: 10,
	}
}

var machine = capacity.Machine{Cores: 2, Database: 2, Busy: 0.5, Speed: 1}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

func TestOperation(t *testing.T) {
	t.Parallel()
	d := demand(1)
	// (400 + 100) / 2 and half a write with two deliveries of 50.
	got, err := round.Postgres.Operation(d)
	if err != nil || !near(got.Server, 300) || !near(got.Database, 150) {
		t.Errorf("%+v, %v; want 300 and 150 µs", got, err)
	}
	server, database, err := round.Postgres.Cores(d, 1000, 3)
	// 300 µs, and half a write that two other nodes follow for 40 µs each.
	if err != nil || !near(server, 0.34) || !near(database, 0.15) {
		t.Errorf("%v and %v cores, %v; want 0.34 and 0.15", server, database, err)
	}
	idle := round.Postgres
	idle.Idle = capacity.Cost{Server: 10_000, Database: 20_000} // a second of each of the nodes
	server, database, err = idle.Cores(d, 1000, 3)
	if err != nil || !near(server, 0.37) || !near(database, 0.21) {
		t.Errorf("%v and %v cores, %v; want 0.37 and 0.21 with idle nodes", server, database, err)
	}
	rate, _, err := idle.Rate(d, machine, 1)
	if err != nil || !near(rate, 0.99/300e-6) {
		t.Errorf("%v operations a second, %v; want %v of what the node has left", rate, err, 0.99/300e-6)
	}
	d.Mix = map[string]float64{"unknown": 1}
	if _, err := round.Postgres.Operation(d); err == nil {
		t.Error("an operation without a cost is free")
	}
	d.Mix = nil
	if _, err := round.Postgres.Operation(d); err == nil {
		t.Error("a mix without operations has a cost")
	}
}

// TestRate: each limit applies when it is the lowest.
func TestRate(t *testing.T) {
	t.Parallel()
	writing := round.Postgres
	writing.Writes = 100
	for _, c := range []struct {
		name  string
		costs capacity.Costs
		nodes int
		m     capacity.Machine
		rate  float64
		wall  string
	}{
		{"SQLite", round.SQLite, 1, machine, 1 / 300e-6, "writes in turn"},
		{"one node", round.Postgres, 1, machine, 1 / 300e-6, "processors of the nodes"},
		{"two nodes", round.Postgres, 2, machine, 2 / 320e-6, "processors of the nodes"},
		{"nodes enough", round.Postgres, 4, machine, 1 / 150e-6, "processors of PostgreSQL"},
		{"twice as fast", round.Postgres, 4, capacity.Machine{Cores: 2, Database: 2, Busy: 0.5, Speed: 2}, 2 / 150e-6, "processors of PostgreSQL"},
		{"a large PostgreSQL", round.Postgres, 4, capacity.Machine{Cores: 2, Database: 20, Busy: 0.5, Speed: 1}, 10_000, "writes in turn"},
		{"one org", writing, 4, machine, 100 * 0.5 / 0.5, "writes in turn"},
	} {
		rate, wall, err := c.costs.Rate(demand(1), c.m, c.nodes)
		d := demand(1)
		d.Orgs = 50
		if many, _, err := writing.Rate(d, machine, 4); err != nil || !near(many, 50*100*0.5/0.5) {
			t.Errorf("fifty orgs: %v, %v; want fifty times the writes of one", many, err)
		}
		if c.name == "SQLite" { // 2000 writes, half of the time, in half of the operations
			c.rate = 2000 * 0.5 / 0.5
		}
		if err != nil || !near(rate, c.rate) || wall != c.wall {
			t.Errorf("%s: %v, %q, %v; want %v, %q", c.name, rate, wall, err, c.rate, c.wall)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	const perDay = 86_400 / 2.0 // messages for one write a second in the peak
	for _, c := range []struct {
		writes   float64 // a second in the peak
		database string
		nodes    int
	}{{1, "SQLite", 1}, {999, "SQLite", 1}, {1001, "PostgreSQL", 2}, {3100, "PostgreSQL", 2}, {3200, "PostgreSQL", 3}} {
		p, err := round.For(demand(c.writes*perDay), machine)
		if err != nil || p.Database != c.database || p.Nodes != c.nodes || !near(p.WritesPerSec, c.writes) || !near(p.Operations, 2*c.writes) {
			t.Errorf("%v writes a second: %+v, %v; want %s, %d nodes", c.writes, p, err, c.database, c.nodes)
		}
	}
	if p, err := round.For(demand(3400*perDay), machine); !errors.Is(err, capacity.ErrWall) || p.Wall != "processors of PostgreSQL" {
		t.Errorf("more than one PostgreSQL takes: %+v, %v", p, err)
	}
	p, err := round.For(demand(1024), machine)
	if err != nil {
		t.Fatal(err)
	}
	// 50 MB, 512 connections of 16 KB, 1024 bots of 1 KB, 1024 threads of 2 KB; 10,240 messages of 1 MB.
	if !near(p.NodeMemory, 50+8+1+2) || !near(p.DiskGB, 10) || p.LogPerDay != 0 {
		t.Errorf("%+v; want 61 MB and 10 GB", p)
	}
	fast := machine
	fast.Speed = 2
	q, err := round.For(demand(1024), fast)
	if err != nil || !near(q.ServerCores, p.ServerCores/2) {
		t.Errorf("a core of twice the speed: %v cores instead of %v, %v", q.ServerCores, p.ServerCores, err)
	}
	none := demand(1)
	none.Writes = 0
	if _, err := round.For(none, machine); err == nil {
		t.Error("a demand without writes has a plan")
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	round.Describe(&out)
	if err := round.Table(&out, []capacity.Demand{demand(10_000), demand(100_000_000), demand(1e10)}, machine); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| write | 400 | 400 | 200 |", "| 1,024 | 10,000 |", "SQLite", "PostgreSQL | 2 |", "several PostgreSQL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "coefficients.json")
	if err := round.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := capacity.Read(path)
	if err != nil || got.Memory != round.Memory || got.Postgres.Operations["write"] != round.Postgres.Operations["write"] {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := capacity.Read(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file is read")
	}
}
