package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// neighbourMost is how many times its quiet figure a call of an org may take while
// another org asks for all it can (B2B-LIM-020): the 99th percentile.
const neighbourMost = 3

const (
	history      = 1600     // messages of the org that abuses
	historySize  = 60 << 10 // bytes of each
	probePace    = 20 * time.Millisecond
	hangingHooks = 200
	warmUp       = 2 * time.Second // of an abuse, before it counts
)

// neighbours measures the calls of an org while another org uses a shared resource as much as it
// can, and compares their 99th percentile with that of an idle server in the same run. It measures
// two orgs: a single caller, and an org at work, several bots of which call at a fixed rate.
// Who abuses is a process of its own with the least priority: its own processor time, which
// a client elsewhere would not take from the server, stays out of the figure.
func neighbours(ctx context.Context, o options, folder string, r *report) error {
	server, err := startServer(ctx, o, []string{
		"B2B_DATA_DIR=" + filepath.Join(folder, "neighbours"), "B2B_WEBHOOK_ALLOW=127.0.0.1", "B2B_MAX_MSG_LEN=100000", "B2B_FILE_UPLOAD_MB_PER_DAY=1000000000",
	})
	if err != nil {
		return err
	}
	defer server.stop()
	victim, err := newFilledFixture(ctx, server.url)
	if err != nil {
		return err
	}
	abuser, err := newFixture(ctx, server.url)
	if err != nil {
		return err
	}
	if err := abuser.fillHistory(ctx); err != nil {
		return err
	}
	hook, err := newDeliveryProbe(ctx, victim)
	if err != nil {
		return err
	}
	defer hook.close()
	probes, err := victim.probes(hook)
	if err != nil {
		return err
	}
	abuses, err := abuser.abuses(ctx)
	if err != nil {
		return err
	}
	if _, err := runProbes(ctx, probes, warmUp); err != nil {
		return err
	}
	working, err := newWorkingOrg(ctx, victim, probes)
	if err != nil {
		return err
	}
	abuses = slices.DeleteFunc(abuses, func(a abuse) bool { return !strings.Contains(a.Name, o.abuse) })
	if len(abuses) == 0 {
		return fmt.Errorf("no abuse has %q in its name", o.abuse)
	}
	for _, a := range abuses {
		if err := neighbour(ctx, o, r, a, probes, working); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}

// neighbour measures one abuse for several rounds. In each, the calls are also measured before and
// after the abuse.
func neighbour(ctx context.Context, o options, r *report, a abuse, probes []probe, working *workingOrg) error {
	single, atWork := make([]cell, len(probes)), make([]cell, len(probes))
	spell := func(length time.Duration) (a, b []latencies, err error) {
		if a, err = singleCaller(ctx, probes, length); err == nil {
			b, err = working.run(ctx, length)
		}
		return a, b, err
	}
	for range o.rounds {
		quiet, quietWork, err := spell(o.time / 2)
		if err != nil {
			return fmt.Errorf("quiet: %w", err)
		}
		stop, err := a.start(ctx)
		if err != nil {
			return err
		}
		loud, loudWork, err := spell(o.time)
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
		again, againWork, err := spell(o.time / 2)
		if err != nil {
			return fmt.Errorf("quiet again: %w", err)
		}
		for i := range probes {
			single[i].add(append(quiet[i], again[i]...), loud[i])
			atWork[i].add(append(quietWork[i], againWork[i]...), loudWork[i])
		}
	}
	r.neighbourTable(a.Name+", beside a single caller", probes, nil, single)
	r.neighbourTable(a.Name+", beside an org at work", probes, working.rates, atWork)
	return nil
}

// singleCaller measures the calls of an org that makes one at a time.
func singleCaller(ctx context.Context, probes []probe, length time.Duration) ([]latencies, error) {
	// The last probe reads a log, and takes a processor for longer than the others take
	// in all: it would be a neighbour of its own.
	light := len(probes) - 1
	a, err := runProbes(ctx, probes[:light], length*3/4)
	if err != nil {
		return nil, err
	}
	b, err := runProbes(ctx, probes[light:], length/4)
	return append(a, b...), err
}

// cell has the percentiles of a call, one of each for a round.
type cell struct{ quiet50, loud50, quiet99, loud99, ratios []float64 }

func (c *cell) add(quiet, loud latencies) {
	c.quiet50, c.loud50 = append(c.quiet50, ms(quiet.at(50))), append(c.loud50, ms(loud.at(50)))
	c.quiet99, c.loud99 = append(c.quiet99, ms(quiet.at(99))), append(c.loud99, ms(loud.at(99)))
	c.ratios = append(c.ratios, float64(loud.at(99))/float64(quiet.at(99)))
}

// neighbourTable prints the medians of the rounds in ms, quiet → under abuse, and checks the ratio
// of the 99th percentiles. rates are in calls a second; nil: none.
func (r *report) neighbourTable(name string, probes []probe, rates []float64, cells []cell) {
	fmt.Fprintf(r.out, "%s (ms, quiet → under abuse; medians of %d rounds; target p99 ≤ %d ×)\n", name, len(cells[0].ratios), neighbourMost)
	for i, p := range probes {
		c, verdict, rate := cells[i], "ok    ", ""
		if median(c.ratios) > neighbourMost {
			verdict = "MISSED"
			r.missed++
		}
		if rates != nil {
			rate = fmt.Sprintf("%6.0f/s", rates[i])
		}
		fmt.Fprintf(r.out, "%s %-32s%s  p50 %6.2f → %6.2f  p99 %6.2f → %6.2f  %6.2f ×\n", verdict, p.name, rate,
			median(c.quiet50), median(c.loud50), median(c.quiet99), median(c.loud99), median(c.ratios))
	}
}

// fillHistory posts long messages, which are slow to search and fill pages.
func (w *fixture) fillHistory(ctx context.Context) error {
	text, err := json.Marshal(map[string]string{"content": strings.Repeat("history ", historySize/8)})
	if err != nil {
		return err
	}
	post := target{method: http.MethodPost, url: w.url + "/api/threads/" + w.thread + "/messages", token: w.token, body: text}
	for range history {
		if err := once(ctx, http.DefaultClient, post); err != nil {
			return fmt.Errorf("fill the history: %w", err)
		}
	}
	return nil
}
