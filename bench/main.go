// Command bench measures the server beside a floor: the least program that can
// answer the same requests (bare net/http, encoding/json, the same driver,
// synchronous=FULL, one writer that commits what waits together, no checks). Both
// run as processes of their own on this machine, driven by the same load generator
// in turn, several rounds each, so that what counts is the ratio, not the machine.
//
// What is measured: how a process starts; posting and reading; one thread with 200
// WebSocket listeners, beside a floor with the same WebSocket library and one queue
// and writer a connection; what idle connections hold in memory; and how fast those
// who were away have what they missed. On a machine that does other things, too,
// look at the CPU time of a delivery rather than at deliveries a second.
//
//	go run ./bench                  all of it
//	go run ./bench -only fanout,idle
//	go run ./bench -only features     audit, limits and webhooks beside a server without them
//	go run ./bench -only destroy,retention  an org's posts while what another has left is removed
//	go run ./bench -only uploads      files, beside a floor that copies them to the disk
//	go run ./bench -only neighbours   an org's calls while another org asks for all it can
//	go run ./bench -rounds 5 -time 10s
//	go run ./bench -postgres URL    the server on PostgreSQL, too
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "floor" {
		if err := runFloor(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "floor:", err)
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
	flag.StringVar(&o.server, "server", "", "the b2b binary; built when empty")
	flag.StringVar(&o.postgres, "postgres", "", "PostgreSQL URL of an empty database: measure the server on it, too")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each measurement")
	flag.IntVar(&o.clients, "clients", 32, "concurrent clients")
	flag.DurationVar(&o.time, "time", 5*time.Second, "length of each round")
	flag.BoolVar(&o.strict, "strict", false, "exit with 1 when a target is missed")
	flag.StringVar(&o.only, "only", "", "measure these alone: a comma list of start, post, fanout, idle, resume, features, uploads, retention, destroy, neighbours")
	flag.IntVar(&o.participants, "participants", 200, "listeners of the thread of fanout")
	flag.IntVar(&o.idle, "idle", 5000, "connections of idle")
	flag.IntVar(&o.mass, "mass", 200_000, "messages of the org that retention and destroy remove")
	flag.StringVar(&o.abuse, "abuse", "", "of neighbours, the abuses alone whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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

	participants int
	idle         int
	mass         int
	abuse        string
}

// wants tells whether a part is to be measured.
func (o options) wants(part string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), part)
}
