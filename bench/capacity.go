package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/bench/internal/capacity"
	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

// capacityOptions are those of the part capacity.
type capacityOptions struct {
	file    string // of the coefficients
	demands string // such as 1000:100000: bots and messages a day
	machine capacity.Machine
}

// flags reads the options from the command line.
func (o *capacityOptions) flags() {
	flag.StringVar(&o.file, "coefficients", "bench/results/capacity.json", "for capacity: the file to compute from, which the part coefficients writes")
	flag.StringVar(&o.demands, "demand", "100:10000,1000:100000,1000:1000000,10000:1000000,10000:10000000,100000:20000000,100000:50000000,1000000:100000000", "for capacity: bots and messages a day")
	flag.Float64Var(&o.machine.Cores, "cores", 4, "for capacity: cores of the machine of a node")
	flag.Float64Var(&o.machine.Database, "database-cores", 16, "for capacity: cores of the machine of PostgreSQL")
	flag.Float64Var(&o.machine.Speed, "speed", 1, "for capacity: speed of a core, relative to where the coefficients were measured")
	flag.Float64Var(&o.machine.Busy, "busy", 0.3, "for capacity: the part of the cores that may be busy in the peak")
}

// What a bot does in an org as the scenario makes it, apart from the mix of operations.
const (
	peakFactor  = 5   // rate of the busiest minutes relative to the mean of a day
	connected   = 0.5 // of the bots
	keptDays    = 365
	threadsEach = 10 // of a bot, used in the peak
	deliveries  = 4.4
	botsOfOrg   = 1000 // bots
)

// demandOf is what a number of bots with a number of messages a day does, by the mix of the
// scenario. A write is delivered to 4.4 connections: the mean of the participants of a thread.
func demandOf(bots int, messagesPerDay float64) capacity.Demand {
	d := capacity.Demand{
		Bots: bots, Orgs: float64(bots) / botsOfOrg, MessagesPerDay: messagesPerDay, Peak: peakFactor, Connected: connected, Threads: float64(bots) * threadsEach,
		Deliveries: deliveries, Days: keptDays, Mix: map[string]float64{},
	}
	d.Mix, d.Writes = shares(scenario.Mix)
	return d
}

// shares returns the part of each kind of operation, and that of those that write.
func shares(mix []scenario.Share) (parts map[string]float64, writes float64) {
	total := 0
	for _, s := range mix {
		total += s.Of
	}
	parts = map[string]float64{}
	for _, s := range mix {
		part := float64(s.Of) / float64(total)
		parts[string(s.Kind)] += part
		if s.Kind.Writes() {
			writes += part
		}
	}
	return parts, writes
}

// parseDemands reads pairs of bots and messages a day, such as 100:10000,1000:100000.
func parseDemands(text string) (demands []capacity.Demand, err error) {
	for pair := range strings.SplitSeq(text, ",") {
		left, right, found := strings.Cut(strings.TrimSpace(pair), ":")
		bots, botsErr := strconv.Atoi(left)
		messages, messagesErr := strconv.ParseFloat(right, 64)
		if !found || botsErr != nil || messagesErr != nil || bots < 1 || messages <= 0 {
			return nil, fmt.Errorf("-demand %q: want bots and messages a day, such as 1000:100000", pair)
		}
		demands = append(demands, demandOf(bots, messages))
	}
	return demands, nil
}

// printCapacity prints the coefficients of a file, and what the demands need.
func printCapacity(o capacityOptions, out io.Writer) error {
	if o.machine.Cores <= 0 || o.machine.Database <= 0 || o.machine.Speed <= 0 || o.machine.Busy <= 0 || o.machine.Busy > 1 {
		return errors.New("-cores, -database-cores and -speed are above 0, -busy is above 0 and at most 1")
	}
	demands, err := parseDemands(o.demands)
	if err != nil {
		return err
	}
	c, err := capacity.Read(o.file)
	if err != nil {
		return err
	}
	c.Describe(out)
	fmt.Fprintf(out, "Nodes of %.0f cores and a PostgreSQL of %.0f, of %.2g times that speed, %.0f %% busy at most in the peak, which is %d times the mean:\n\n",
		o.machine.Cores, o.machine.Database, o.machine.Speed, 100*o.machine.Busy, peakFactor)
	return c.Table(out, demands, o.machine)
}
