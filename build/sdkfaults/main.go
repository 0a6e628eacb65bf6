// Command sdkfaults runs the three SDKs against the built server with all that can go wrong between
// them, and checks that nothing is lost, doubled or reordered.
//
// A run has one server and, for each language, one bot that sends numbered messages to another that
// listens. Each is an agent: a program of a few lines that uses the public API of its SDK only.
// Between an agent and the server is a [lane], a proxy that breaks what passes through it: see
// [callFaults] and [streamFaults]. Meanwhile agents and the server are killed and started again,
// agents are stopped for a while, their clocks jump, and their positions become invalid.
//
// At the end, [judge] compares what each listener handled with the messages of the server. The
// choices of a run follow from its seed; their timing relative to the programs does not.
//
//	go run ./build/sdkfaults -server bin/b2b -agent bin/agent -typescript sdk/typescript/dist -runs 10
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// settings are the programs of all runs, and the size of a run.
type settings struct {
	server     string // the built server
	agent      string // the built agent of the Go SDK
	typescript string // the folder of the compiled TypeScript SDK
	python     string // the interpreter
	events     int    // that each listener receives in a run
	most       time.Duration
	thorough   bool // with faults that take longer than a run of a test may
	verbose    bool
}

func main() {
	var s settings
	flag.StringVar(&s.server, "server", "", "the built server")
	flag.StringVar(&s.agent, "agent", "", "the built agent of the Go SDK")
	flag.StringVar(&s.typescript, "typescript", "", "the folder of the compiled TypeScript SDK")
	flag.StringVar(&s.python, "python", "python3", "the Python interpreter; PYTHONPATH has the SDK")
	flag.IntVar(&s.events, "events", 1000, "how many messages each listener receives in a run")
	flag.DurationVar(&s.most, "most", 5*time.Minute, "how long a run may take")
	flag.BoolVar(&s.thorough, "thorough", false, "with faults that take longer, such as connections that stay silent")
	flag.BoolVar(&s.verbose, "v", false, "print what agents and servers report")
	runs := flag.Int("runs", 1, "how many runs")
	parallel := flag.Int("parallel", 1, "how many of them at the same time")
	seed := flag.Uint64("seed", rand.Uint64(), "of the first run; each further run has the next one")
	languages := flag.String("languages", "go,typescript,python", "which SDKs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		total  = counts{}
		failed []uint64
	)
	next := make(chan uint64)
	for range *parallel {
		all.Go(func() {
			for seed := range next {
				begun := time.Now()
				faults, err := s.run(ctx, seed, strings.Split(*languages, ","))
				mu.Lock()
				total.add(faults)
				verdict := "nothing lost, doubled or reordered"
				if err != nil {
					failed = append(failed, seed)
					verdict = fmt.Sprintf("FAILED: %v", err)
				}
				fmt.Printf("seed %d, %.1f s: %s\n", seed, time.Since(begun).Seconds(), verdict)
				mu.Unlock()
			}
		})
	}
	for i := 0; i < *runs && ctx.Err() == nil; i++ {
		next <- *seed + uint64(i)
	}
	close(next)
	all.Wait()
	total.print()
	if len(failed) > 0 {
		fmt.Printf("%d of %d runs failed: the seeds are %v\n", len(failed), *runs, failed)
		os.Exit(1)
	}
}

// run makes one run, and returns the faults in it.
func (s settings) run(ctx context.Context, seed uint64, languages []string) (counts, error) {
	r, err := newRun(s, seed, languages)
	if err != nil {
		return nil, err
	}
	err = r.execute(ctx)
	err = errors.Join(err, r.close())
	return r.counts, err
}

// counts says how often each fault happened to each language.
type counts map[string]map[string]int

func (c counts) add(others counts) {
	for language, faults := range others {
		for fault, n := range faults {
			c.count(language, fault, n)
		}
	}
}

func (c counts) count(language, fault string, n int) {
	if c[language] == nil {
		c[language] = map[string]int{}
	}
	c[language][fault] += n
}

func (c counts) print() {
	for _, language := range slices.Sorted(maps.Keys(c)) {
		var parts []string
		for _, fault := range slices.Sorted(maps.Keys(c[language])) {
			parts = append(parts, fmt.Sprintf("%s %d", fault, c[language][fault]))
		}
		fmt.Printf("%s: %s\n", language, strings.Join(parts, ", "))
	}
}
