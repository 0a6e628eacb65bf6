// Command bench measures the server beside a floor: the least program that can
// answer the same requests (bare net/http, encoding/json, the same driver,
// synchronous=FULL, one writer that commits what waits together, no checks). Both
// run as processes of their own on this machine, driven by the same load generator
// in turn, several rounds each, so that what counts is the ratio, not the machine.
//
//	go run ./bench                  all of it
//	go run ./bench -rounds 5 -time 10s
//	go run ./bench -postgres URL    the server on PostgreSQL, too
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
	var o options
	flag.StringVar(&o.server, "server", "", "the b2b binary; built when empty")
	flag.StringVar(&o.postgres, "postgres", "", "PostgreSQL URL of an empty database: measure the server on it, too")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each measurement")
	flag.IntVar(&o.clients, "clients", 32, "concurrent clients")
	flag.DurationVar(&o.time, "time", 5*time.Second, "length of each round")
	flag.BoolVar(&o.strict, "strict", false, "exit with 1 when a target is missed")
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
}
