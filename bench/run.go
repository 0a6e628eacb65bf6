package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	content  = 220 // bytes of a message
	messages = 50  // messages of a thread that is read
)

// run makes the selected measurements, prints the results, and reports whether all targets are met.
func run(ctx context.Context, o options, out io.Writer) (bool, error) {
	folder, err := os.MkdirTemp("", "b2b-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(folder)
	if o.server == "" {
		o.server = filepath.Join(folder, "b2b")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.server, "./cmd/b2b")
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return false, fmt.Errorf("build the server: %w", err)
		}
	}
	r := &report{out: out}
	if err := embedded(ctx, o, folder, r); err != nil {
		return false, err
	}
	if o.wants("features") {
		if err := features(ctx, o, folder, r); err != nil {
			return false, err
		}
	}
	if o.wants("neighbours") {
		if err := neighbours(ctx, o, folder, r); err != nil {
			return false, fmt.Errorf("neighbours: %w", err)
		}
	}
	if o.only != "" && o.wants("memory") {
		if err := memory(ctx, o, folder, r); err != nil {
			return false, fmt.Errorf("memory: %w", err)
		}
	}
	if err := removals(ctx, o, folder, r); err != nil {
		return false, err
	}
	if o.postgres != "" && o.wants("post") {
		if err := postgres(ctx, o, folder, r); err != nil {
			return false, err
		}
	}
	return r.ok(), nil
}

func embedded(ctx context.Context, o options, folder string, r *report) error {
	baselineAddr, err := freeAddr()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base, err := startProcess(ctx, baselineAddr, nil, self, "baseline", folder, baselineAddr)
	if err != nil {
		return err
	}
	defer base.stop()
	env := []string{"B2B_DATA_DIR=" + filepath.Join(folder, "data")}
	first, err := startServer(ctx, o, env)
	if err != nil {
		return err
	}
	first.stop()
	ours, err := startServer(ctx, o, env) // on an existing database
	if err != nil {
		return err
	}
	defer ours.stop()
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"start", func() error { return start(ours, r) }},
		{"post", func() error { return postAndRead(ctx, o, base, ours, r) }},
		{"fanout", func() error { return fanOut(ctx, o, base, ours, r) }},
		{"resume", func() error { return resume(ctx, o, ours, r) }},
		{"idle", func() error { return idle(ctx, o, folder, r) }},
		{"uploads", func() error { return uploads(ctx, o, folder, base, r) }},
	} {
		if !o.wants(part.name) {
			continue
		}
		if err := part.do(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func start(ours *process, r *report) error {
	r.most("start to first /health, existing database", ms(ours.start), 150, "ms")
	time.Sleep(2 * time.Second)
	rss, err := ours.rss()
	if err != nil {
		return err
	}
	r.most("idle memory", rss, 30, "MB RSS")
	return nil
}

func postAndRead(ctx context.Context, o options, base, ours *process, r *report) error {
	w, err := newFilledFixture(ctx, ours.url)
	if err != nil {
		return err
	}
	baselineFixture := &fixture{url: base.url, token: "none", thread: "thread", peer: "peer"}
	if err := baselineFixture.fill(ctx); err != nil {
		return err
	}
	if err := compare(ctx, o, r, "post a 220-byte direct message", 0.6, baselineFixture.post(), w.post()); err != nil {
		return err
	}
	return compare(ctx, o, r, "read 50 messages of a thread", 0.95, baselineFixture.read(), w.read())
}

func startServer(ctx context.Context, o options, env []string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	env = append(slices.Clone(env), "B2B_ADMIN_SECRET=bench", "B2B_LOG_LEVEL=warn", "B2B_HOST="+host, "B2B_PORT="+port)
	return startProcess(ctx, addr, env, o.server, "serve")
}

// compare measures the baseline and the server in turn, and checks the median of the ratios.
func compare(ctx context.Context, o options, r *report, name string, least float64, baseline, ours target) error {
	var ratios, baselines, rates, p99s []float64
	for range o.rounds {
		a, err := load(ctx, o.clients, o.time, baseline)
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		b, err := load(ctx, o.clients, o.time, ours)
		if err != nil {
			return fmt.Errorf("server: %w", err)
		}
		baselines, rates = append(baselines, a.perSecond), append(rates, b.perSecond)
		ratios, p99s = append(ratios, b.perSecond/a.perSecond), append(p99s, ms(b.p99))
	}
	r.note("%s: baseline %.0f/s, server %.0f/s (medians of %d rounds, %d clients)", name, median(baselines), median(rates), o.rounds, o.clients)
	r.least(name+", relative to the baseline", median(ratios), least, "×")
	if ours.method == http.MethodPost {
		r.most(name+", p99", median(p99s), 20, "ms")
	}
	return nil
}

func postgres(ctx context.Context, o options, folder string, r *report) error {
	ours, err := startServer(ctx, o, []string{"B2B_DATA_DIR=" + folder, "B2B_DATABASE_URL=" + o.postgres})
	if err != nil {
		return err
	}
	defer ours.stop()
	w, err := newFilledFixture(ctx, ours.url)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name  string
		t     target
		least float64
	}{{"PostgreSQL: post a direct message, one org", w.post(), 3000}, {"PostgreSQL: read 50 messages", w.read(), 0}} {
		var rates, p99s []float64
		for range o.rounds {
			res, err := load(ctx, o.clients, o.time, m.t)
			if err != nil {
				return err
			}
			rates, p99s = append(rates, res.perSecond), append(p99s, ms(res.p99))
		}
		r.least(m.name, median(rates), m.least, "/s")
		r.note("%s: p99 %.1f ms", m.name, median(p99s))
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// report prints results and counts missed targets.
type report struct {
	out    io.Writer
	missed int
}

func (r *report) ok() bool { return r.missed == 0 }

func (r *report) note(format string, args ...any) { fmt.Fprintf(r.out, "  "+format+"\n", args...) }

func (r *report) least(name string, got, want float64, unit string) {
	r.judge(name, got, want, unit, got >= want, "≥")
}

func (r *report) most(name string, got, want float64, unit string) {
	r.judge(name, got, want, unit, got <= want, "≤")
}

func (r *report) judge(name string, got, want float64, unit string, held bool, sign string) {
	verdict := "ok    "
	if !held {
		verdict = "MISSED"
		r.missed++
	}
	fmt.Fprintf(r.out, "%s %-50s %s (target %s %s)\n", verdict, name, number(got, unit), sign, number(want, unit))
}

func number(v float64, unit string) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.2f", v), "0"), ".0") + " " + unit
}
