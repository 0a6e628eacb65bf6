package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/table"
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
	if o.wants("memory") {
		if err := memory(ctx, o, folder, r); err != nil {
			return false, fmt.Errorf("memory: %w", err)
		}
	}
	if o.wants("scenario") {
		if err := scenarios(ctx, o, folder, r); err != nil {
			return false, fmt.Errorf("scenario: %w", err)
		}
	}
	if err := removals(ctx, o, folder, r); err != nil {
		return false, err
	}
	if o.wants("table") {
		if err := resources(ctx, o, folder, r); err != nil {
			return false, fmt.Errorf("idle memory and disk: %w", err)
		}
		if o.postgres != "" {
			if err := postgresRows(ctx, o, folder, r); err != nil {
				return false, fmt.Errorf("PostgreSQL: %w", err)
			}
		}
	}
	same, err := r.finish(o)
	return same && r.ok(), err
}

func embedded(ctx context.Context, o options, folder string, r *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base, err := startBaseline(ctx, self, folder, "")
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
	if r.results.Version, err = version(ctx, ours.url); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"start", func() error { return start(ours, r) }},
		{"table", func() error { return rows(ctx, o, folder, base, r) }},
		{"fanout", func() error { return fanOut(ctx, o, base, ours, r) }},
		{"resume", func() error { return resume(ctx, o, ours, r) }},
		{"idle", func() error { return idle(ctx, o, folder, r) }},
		{"inbox", func() error { return inboxes(ctx, o, folder, ours, r) }},
		{"storm", func() error { return storms(ctx, o, folder, base, r) }},
		{"uploads", func() error { return uploads(ctx, o, folder, base, r) }},
		{"coefficients", func() error { return coefficients(ctx, o, folder, base, r) }},
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
	time.Sleep(10 * time.Second) // by then a server that is idle has returned what its start used
	rss, err := ours.rss()
	if err != nil {
		return err
	}
	r.most("idle memory, 10 s after the start", rss, 25, "MB RSS")
	return nil
}

// startBaseline starts the baseline on SQLite in a folder, or on PostgreSQL.
func startBaseline(ctx context.Context, self, folder, postgres string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, addr, nil, self, "baseline", folder, addr, postgres)
}

func startServer(ctx context.Context, o options, env []string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return startServerAt(ctx, o, addr, env)
}

// startServerAt starts the server at an address.
func startServerAt(ctx context.Context, o options, addr string, env []string) (*process, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	env = append(slices.Clone(env), "B2B_ADMIN_SECRET=bench", "B2B_LOG_LEVEL=warn", "B2B_HOST="+host, "B2B_PORT="+port)
	return startProcess(ctx, addr, env, o.server, "serve")
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// report prints results, counts missed targets, and collects the rows of the table.
type report struct {
	out     io.Writer
	missed  int
	results table.Results
}

// add adds a row to the table.
func (r *report) add(row table.Row) { r.results.Rows = table.Put(r.results.Rows, row) }

// finish prints the table, writes it to the file of -json, and compares it with that of -compare.
// It reports whether no row got worse.
func (r *report) finish(o options) (same bool, err error) {
	if len(r.results.Rows) == 0 {
		return true, nil
	}
	r.results.Measured, r.results.Machine = time.Now().UTC().Format(time.RFC3339), machine()
	fmt.Fprintf(r.out, "\nVersion %s, %s, %d cores\n\n", r.results.Version, r.results.Machine.Processor, r.results.Machine.Cores)
	if err := table.Write(r.out, r.results.Rows); err != nil {
		return false, err
	}
	for _, m := range table.Missed(r.results.Rows) {
		r.missed++
		fmt.Fprintln(r.out, "MISSED", m)
	}
	if o.json != "" {
		if err := r.results.WriteFile(o.json); err != nil {
			return false, err
		}
	}
	if o.compare == "" {
		return true, nil
	}
	old, err := table.Read(o.compare)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(r.out, "\nCompared with version %s of %s (%s):\n", old.Version, o.compare, old.Machine.Processor)
	return table.WriteChanges(r.out, table.Compare(old.Rows, r.results.Rows)), nil
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
