// Package capacity computes what a number of bots and messages needs: processor cores, nodes,
// memory and disk. It multiplies demand by coefficients that were measured, such as the processor
// time of an operation, because a small machine can measure these but cannot run many nodes.
//
// What the model assumes: processor time adds up and does not depend on the rate; a node must also
// look at each write of the other nodes; and one process writes to SQLite, while PostgreSQL takes
// the writes of one org in turn.
package capacity

import (
	"errors"
	"fmt"
	"math"
)

// Cost is what an operation takes.
type Cost struct {
	Server   float64 `json:"server_us"`             // processor time of the node, µs
	Database float64 `json:"database_us,omitempty"` // processor time of PostgreSQL, µs
}

// Times returns the cost of a number of operations.
func (c Cost) Times(n float64) Cost { return Cost{c.Server * n, c.Database * n} }

// Costs are the coefficients of a database.
type Costs struct {
	// Operations has the cost of each kind of operation.
	Operations map[string]Cost `json:"operations"`
	// Idle is what a node takes in a second without a call.
	Idle Cost `json:"idle"`
	// Delivery is the processor time of the node to send an event to one connection, µs.
	Delivery float64 `json:"delivery_us"`
	// Follow is the processor time of each other node for a write of one node, µs.
	Follow float64 `json:"follow_us,omitempty"`
	// Bytes are stored for a message, the event log and indexes included.
	Bytes float64 `json:"bytes"`
	// Log is what PostgreSQL writes to its write-ahead log for a message, in bytes.
	Log float64 `json:"log_bytes,omitempty"`
	// Writes is the highest rate of writes that was measured. SQLite takes all writes in turn, and
	// PostgreSQL those of one org.
	Writes float64 `json:"writes_per_second"`
	OneOrg bool    `json:"writes_of_one_org,omitempty"`
}

// Memory are the coefficients of memory.
type Memory struct {
	Node       float64 `json:"node_mb"`       // a node at its start, MB
	Connection float64 `json:"connection_kb"` // an idle WebSocket connection, KB
	Bot        float64 `json:"bot_kb"`        // a bot that made calls, KB
	Thread     float64 `json:"thread_kb"`     // a thread that was used, KB
	Working    float64 `json:"working_mb"`    // garbage and buffers of a busy node, MB
}

// Coefficients are what was measured, and on what.
type Coefficients struct {
	Version   string  `json:"version"`
	Measured  string  `json:"measured"`
	Processor string  `json:"processor"`
	Direct    float64 `json:"floor_per_second"` // of direct messages: the speed of the machine
	SQLite    Costs   `json:"sqlite"`
	Postgres  Costs   `json:"postgres"`
	Memory    Memory  `json:"memory"`
}

// Demand is what the bots do.
type Demand struct {
	Bots           int
	Orgs           float64 // over which the bots are spread
	MessagesPerDay float64
	// Peak is the rate of the busiest minutes relative to the mean of a day.
	Peak float64
	// Connected is the part of the bots that has a WebSocket connection.
	Connected float64
	// Threads are used in the peak.
	Threads float64
	// Deliveries are the connections to which a write is delivered, on average.
	Deliveries float64
	// Mix has the share of each kind of operation. Writes is the share that stores something.
	Mix    map[string]float64
	Writes float64
	// Days is how long messages are kept.
	Days float64
}

// Machine is a machine of the operator.
type Machine struct {
	Cores    float64 // of a node
	Database float64 // cores of PostgreSQL
	// Busy is the part of the processors that may be in use in the peak. Above it, calls wait for
	// each other.
	Busy float64
	// Speed is that of a core relative to where the coefficients were measured.
	Speed float64
}

// Plan is what a demand needs.
type Plan struct {
	Database      string // "SQLite" or "PostgreSQL"
	Operations    float64
	WritesPerSec  float64
	Nodes         int
	ServerCores   float64 // of all nodes, in use in the peak
	DatabaseCores float64 // of PostgreSQL, in use in the peak
	NodeMemory    float64 // MB of each node
	DiskGB        float64 // of the database, after Days
	LogPerDay     float64 // GB that PostgreSQL writes to its log a day
	Wall          string  // what limits the next growth; empty: nothing that was measured
}

// most is the number of nodes at which the model gives up.
const most = 64

// ErrWall is returned for a demand that no number of nodes meets.
var ErrWall = errors.New("beyond what one database takes: partition the orgs over several")

// Operation returns the mean cost of an operation of a mix, deliveries of writes included.
func (c Costs) Operation(d Demand) (Cost, error) {
	var sum Cost
	var shares float64
	for kind, share := range d.Mix {
		cost, known := c.Operations[kind]
		if !known {
			return sum, fmt.Errorf("the cost of %q was not measured", kind)
		}
		sum.Server += share * cost.Server
		sum.Database += share * cost.Database
		shares += share
	}
	if shares <= 0 {
		return sum, errors.New("the mix has no operation")
	}
	sum.Server = sum.Server/shares + d.Writes*d.Deliveries*c.Delivery
	sum.Database /= shares
	return sum, nil
}

const micro = 1e-6

// Cores returns the processors in use at a rate of operations with a number of nodes.
func (c Costs) Cores(d Demand, operations float64, nodes int) (server, database float64, err error) {
	cost, err := c.Operation(d)
	cost.Server += d.Writes * c.Follow * float64(nodes-1)
	cost, idle := cost.Times(operations*micro), c.Idle.Times(float64(nodes)*micro)
	return cost.Server + idle.Server, cost.Database + idle.Database, err
}

// Rate returns the operations a second that a number of nodes can do beside PostgreSQL on a machine
// of its own, and what limits them.
func (c Costs) Rate(d Demand, m Machine, nodes int) (operations float64, wall string, err error) {
	idleServer, idleDatabase, err := c.Cores(d, 0, nodes)
	if err != nil {
		return 0, "", err
	}
	server, database, err := c.Cores(d, 1, nodes)
	if err != nil {
		return 0, "", err
	}
	busy := m.Busy * m.Speed
	operations, wall = (float64(nodes)*m.Cores*busy-idleServer)/(server-idleServer), "processors of the nodes"
	if each := database - idleDatabase; each > 0 && (m.Database*busy-idleDatabase)/each < operations {
		operations, wall = (m.Database*busy-idleDatabase)/each, "processors of PostgreSQL"
	}
	writes := c.Writes * busy
	if c.OneOrg {
		writes *= math.Max(1, d.Orgs)
	}
	if d.Writes > 0 && writes > 0 && writes/d.Writes < operations {
		operations, wall = writes/d.Writes, "writes in turn"
	}
	return operations, wall, nil
}

// For returns the smallest plan for a demand: SQLite on one machine if that holds it, otherwise
// PostgreSQL with the fewest nodes, but at least two, so that one can fail or be upgraded.
func (c Coefficients) For(d Demand, m Machine) (Plan, error) {
	if d.Writes <= 0 {
		return Plan{}, errors.New("the demand has no writes")
	}
	p := Plan{WritesPerSec: d.MessagesPerDay / 86_400 * d.Peak}
	p.Operations = p.WritesPerSec / d.Writes
	rate, wall, err := c.SQLite.Rate(d, m, 1)
	if err != nil {
		return p, err
	}
	if rate >= p.Operations {
		p.Database, p.Nodes, p.Wall = "SQLite", 1, wall
		return c.fill(p, d, m, c.SQLite)
	}
	p.Database = "PostgreSQL"
	for p.Nodes = 2; p.Nodes <= most; p.Nodes++ {
		if rate, wall, err = c.Postgres.Rate(d, m, p.Nodes); err != nil {
			return p, err
		}
		if rate >= p.Operations {
			p.Wall = wall
			return c.fill(p, d, m, c.Postgres)
		}
		if wall != "processors of the nodes" {
			break // more nodes do not help
		}
	}
	p.Wall = wall
	return p, fmt.Errorf("%.0f operations a second: %s: %w", p.Operations, wall, ErrWall)
}

// fill computes the sizes of a plan.
func (c Coefficients) fill(p Plan, d Demand, m Machine, costs Costs) (Plan, error) {
	var err error
	p.ServerCores, p.DatabaseCores, err = costs.Cores(d, p.Operations, p.Nodes)
	p.ServerCores, p.DatabaseCores = p.ServerCores/m.Speed, p.DatabaseCores/m.Speed
	bots := float64(d.Bots)
	share := 1 / float64(p.Nodes)
	kb := bots*d.Connected*share*c.Memory.Connection + bots*c.Memory.Bot + d.Threads*c.Memory.Thread
	p.NodeMemory = c.Memory.Node + c.Memory.Working + kb/1024
	p.DiskGB = d.MessagesPerDay * d.Days * costs.Bytes / (1 << 30)
	p.LogPerDay = d.MessagesPerDay * costs.Log / (1 << 30)
	return p, err
}

// ceil rounds up, and to at least one.
func ceil(v float64) float64 { return math.Max(1, math.Ceil(v)) }
