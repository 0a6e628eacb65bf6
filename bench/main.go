// Command bench measures the server relative to a baseline: a minimal program that handles the same
// requests (net/http, encoding/json, the same SQLite driver, synchronous=FULL, one writer that
// commits waiting messages together, no checks). Both run as separate processes on this machine.
// The same load generator drives them in turn for several rounds, so that the ratio does not
// depend on the machine.
//
// It prints a table of loads with their ratio to the baseline, their targets, and the published
// figures of HXA-Connect. Beside it, it measures the start of a process; one thread with 200
// WebSocket listeners, relative to a baseline with the same WebSocket library and one queue and
// writer per connection; the memory of idle connections; and how fast clients that reconnect
// receive the events they missed. On a machine with other load, compare the CPU time per delivery
// rather than deliveries per second.
//
//	go run ./bench                  what make bench measures
//	go run ./bench -only all        also what follows, for half an hour
//	go run ./bench -only fanout,idle
//	go run ./bench -only table -row 'posts|sends'  the rows with a name that matches
//	go run ./bench -json new.json -compare bench/results/v0.2.0.json
//	go run ./bench -only features     audit, limits and webhooks, relative to a server without them
//	go run ./bench -only storm        bots of one org that connect at once, and a restart of the server
//	go run ./bench -only destroy,retention  posts of an org while data of another org is removed
//	go run ./bench -only uploads      files, relative to a baseline that only stores them
//	go run ./bench -only inbox        claims and acks, the wake-up of a claim that waits, a full inbox
//	go run ./bench -only neighbours   calls of an org while another org sends as many as it can
//	go run ./bench -only neighbours -abuse uploads   only the abuses with this word in their name
//	go run ./bench -only memory       ways to limit the memory of the server; only when named
//	go run ./bench -only scenario     an org of 10,000 bots and 100,000 threads at work, at a rate (-h: its flags)
//	go run ./bench -only coefficients  what each operation takes: the file from which the capacity is computed
//	go run ./bench -only capacity     what numbers of bots and messages need, without measuring
//	go run ./bench -rounds 20 -time 5s
//	go run ./bench -postgres URL    also the server on PostgreSQL
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "baseline" {
		if err := runBaseline(context.Background(), os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, "baseline:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "abuse" {
		if err := runAbuse(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, "abuse:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.server, "server", "", "the b2b binary; default: build it")
	flag.StringVar(&o.postgres, "postgres", "", "PostgreSQL URL of an empty database: also measure the server on it")
	flag.IntVar(&o.rounds, "rounds", 10, "rounds of each measurement")
	flag.IntVar(&o.clients, "clients", 32, "concurrent clients")
	flag.DurationVar(&o.time, "time", time.Second, "length of each round")
	flag.BoolVar(&o.strict, "strict", false, "exit with status 1 if a target is missed or a row of the table got worse")
	flag.StringVar(&o.only, "only", "start,table,fanout,idle,resume,storm", "measure these: a comma-separated list of start, table, fanout, idle, storm, resume, features, uploads, retention, destroy, inbox, neighbours, memory, scenario, coefficients, or all; or capacity alone")
	flag.Func("row", "for table: only the rows with a name that matches this regular `expression`", func(text string) (err error) {
		o.row, err = regexp.Compile(text)
		return err
	})
	flag.StringVar(&o.json, "json", "", "write the table to this file, or add its rows to it")
	flag.StringVar(&o.compare, "compare", "", "compare the table with this file")
	flag.IntVar(&o.participants, "participants", 200, "listeners of the thread of fanout")
	flag.IntVar(&o.idle, "idle", 5000, "connections of idle")
	flag.IntVar(&o.storm, "storm", 1000, "bots of storm; its restart has twice as many")
	flag.IntVar(&o.mass, "mass", 250_000, "messages of the org that retention and destroy remove, and events that table adds to a log")
	flag.StringVar(&o.abuse, "abuse", "", "for neighbours: only the abuses with this text in their name")
	o.scenario.flags()
	o.capacity.flags()
	flag.Parse()
	if o.only == "capacity" {
		if err := printCapacity(o.capacity, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	// When ctx ends, the processes that a measurement started end.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if o.strict && !ok {
		os.Exit(1)
	}
}

type options struct {
	server   string
	postgres string
	rounds   int
	clients  int
	time     time.Duration
	strict   bool
	only     string
	row      *regexp.Regexp // nil: all
	json     string
	compare  string

	participants int
	idle         int
	storm        int
	mass         int
	abuse        string

	scenario scenarioOptions
	capacity capacityOptions
}

// wantsRow reports whether one of the rows of the table is measured.
func (o options) wantsRow(names ...string) bool {
	return o.row == nil || slices.ContainsFunc(names, o.row.MatchString)
}

// wants reports whether a part is measured.
func (o options) wants(part string) bool {
	return o.only == "all" || slices.Contains(strings.Split(o.only, ","), part)
}
