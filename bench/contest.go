package main

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

// contest is a load of the server and the same load of the baseline, its floor.
type contest struct {
	name        string
	floor, ours runner
}

// runner makes calls for some time and returns how many a second.
type runner func(ctx context.Context, length time.Duration) (perSecond float64, err error)

// repeated returns a runner that repeats a request from all clients.
func (o options) repeated(t target) runner {
	return func(ctx context.Context, length time.Duration) (float64, error) {
		res, err := load(ctx, o.clients, length, t)
		return res.perSecond, err
	}
}

// run runs the contests in turn, for all rounds. The one that begins alternates, so that neither is
// always the one after a pause.
func (o options) run(ctx context.Context, contests []contest) ([]table.Row, error) {
	rows := make([]table.Row, len(contests))
	for n := range o.rounds {
		for i, c := range contests {
			rows[i].Name, rows[i].Unit = c.name, "/s"
			runs := []struct {
				who string
				do  runner
				out *[]float64
			}{{"baseline", c.floor, &rows[i].Floor}, {"server", c.ours, &rows[i].Ours}}
			if n%2 == 1 {
				runs[0], runs[1] = runs[1], runs[0]
			}
			for _, r := range runs {
				rate, err := r.do(ctx, o.time)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", c.name, r.who, err)
				}
				*r.out = append(*r.out, rate)
			}
		}
	}
	return rows, nil
}
