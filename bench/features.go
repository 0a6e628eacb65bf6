package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// cuts are what a server without audit and limits does not do: a statement at the
// beginning of a function of the service.
var cuts = []struct{ file, function, statement string }{
	{"server/service/events.go", "audit", `if action == "message.send" { return nil };`},
	{"server/service/rate.go", "take", `if limit > 0 { return nil };`},
}

// features compares direct messages to a bot with a webhook, audited and counted against
// the limit of their sender, with those to one without that a server takes which was built
// without audit and limits. What counts is the rate of acknowledged messages; deliveries
// follow from the log, one after another, and none may be missing. The processor time of
// the server, deliveries included, is told beside it: it depends less on what else the
// machine does.
func features(ctx context.Context, o options, folder string, r *report) error {
	bare := o
	bare.server = filepath.Join(folder, "bare")
	if err := buildBare(ctx, folder, bare.server); err != nil {
		return err
	}
	var received atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go receive(l, &received)
	without, err := startServer(ctx, bare, []string{"B2B_DATA_DIR=" + filepath.Join(folder, "without")})
	if err != nil {
		return err
	}
	defer without.stop()
	full, err := startServer(ctx, o, []string{"B2B_DATA_DIR=" + filepath.Join(folder, "full"), "B2B_WEBHOOK_ALLOW=127.0.0.1"})
	if err != nil {
		return err
	}
	defer full.stop()
	off, err := newWorld(ctx, without.url)
	if err != nil {
		return err
	}
	on, err := newWorld(ctx, full.url)
	if err != nil {
		return err
	}
	if err := on.hook(ctx, "hooked", "http://"+l.Addr().String()+"/"); err != nil {
		return err
	}
	on.peer = "hooked"

	var a, b series
	var ratios, delivered, costs []float64
	var sent int64
	for range o.rounds {
		if err := a.round(ctx, o, without, off.post(), func() error { return nil }); err != nil {
			return fmt.Errorf("without audit, limits and webhooks: %w", err)
		}
		err := b.round(ctx, o, full, on.post(), func() error {
			sent += int64(b.count)
			return arrived(ctx, &received, sent)
		})
		if err != nil {
			return fmt.Errorf("with audit, limits and webhooks: %w", err)
		}
		ratios = append(ratios, last(b.rates)/last(a.rates))
		delivered = append(delivered, last(b.drained)/last(a.rates))
		costs = append(costs, last(b.costs)/last(a.costs))
	}
	r.note("direct messages: %.0f/s without audit, limits and webhooks, %.0f/s with all three, %.0f/s to the last delivery (medians of %d rounds)",
		median(a.rates), median(b.rates), median(b.drained), o.rounds)
	r.note("delivered, of those without: %.2f; processor time of the server %.0f and %.0f µs a message: %.2f times",
		median(delivered), median(a.costs), median(b.costs), median(costs))
	slices.Sort(ratios)
	r.note("ratios of acknowledged messages: %.2f", ratios)
	r.least("direct messages with audit, limits and webhooks, of those without", median(ratios), 0.8, "×")
	return nil
}

// series is what the rounds of one server made.
type series struct {
	count   int       // messages of the last round
	rates   []float64 // acknowledged messages a second
	drained []float64 // the same, to the end of what follows
	costs   []float64 // processor time of the server, µs a message
}

func last(all []float64) float64 { return all[len(all)-1] }

// round loads a server, and waits for what follows from it.
func (s *series) round(ctx context.Context, o options, p *process, t target, follow func() error) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	begin := time.Now()
	res, err := load(ctx, o.clients, o.time, t)
	if err != nil {
		return err
	}
	s.count = res.count
	if err := follow(); err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	after, err := p.cpu()
	if err != nil {
		return err
	}
	s.rates = append(s.rates, res.perSecond)
	s.drained = append(s.drained, float64(res.count)/took)
	s.costs = append(s.costs, float64((after-before).Microseconds())/float64(res.count))
	return nil
}

// arrived waits until so many deliveries have come.
func arrived(ctx context.Context, received *atomic.Int64, sent int64) error {
	for begin := time.Now(); received.Load() < sent; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil || time.Since(begin) > drainMost {
			return errors.Join(ctx.Err(), fmt.Errorf("%d deliveries are missing", sent-received.Load()))
		}
	}
	return nil
}

// buildBare builds the server with the cuts.
func buildBare(ctx context.Context, folder, binary string) error {
	replace := map[string]string{}
	for i, c := range cuts {
		text, err := cut(c.file, c.function, c.statement)
		if err != nil {
			return fmt.Errorf("leave out %s: %w", c.function, err)
		}
		source, err := filepath.Abs(c.file)
		if err != nil {
			return err
		}
		replace[source] = filepath.Join(folder, fmt.Sprintf("cut%d.go", i))
		if err := os.WriteFile(replace[source], text, 0o600); err != nil {
			return err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", path, "-o", binary, "./cmd/b2b")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the server without audit and limits: %w", err)
	}
	return nil
}

// cut gives a source file with a statement at the beginning of one of its functions.
func cut(file, function, statement string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function {
			at := set.Position(f.Body.Lbrace).Offset + 1
			return append(append(text[:at:at], statement...), text[at:]...), nil
		}
	}
	return nil, fmt.Errorf("%s has no function %s", file, function)
}
