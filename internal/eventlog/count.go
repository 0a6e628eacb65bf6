package eventlog

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Counts are the numbers of rows of a catch-up, by kind (B2B-CATCH-006).
type Counts struct {
	ThreadInvites       int64
	ThreadStatusChanges int64
	ThreadActivities    int64 // messages, artifacts and removals
	ChannelMessages     int64
	Total               int64
}

// Count returns the numbers of rows that CatchUp would return.
//
// The events behind the index and the heads of the log say of each thread and channel whether a message or an artifact of another
// bot came after since, so one read is enough for these. Where they do not, because the viewer
// left or the times of events are out of order, and for the other rows, the log is asked.
func Count(ctx context.Context, r Store, v Viewer, since int64) (c Counts, err error) {
	if v.human() {
		return c, errCatchUpHuman()
	}
	w := window{since: within(since), top: math.MaxInt64, found: math.MaxInt64}
	all, err := w.changes(ctx, r, v, 0, 0)
	if err != nil || len(all.streams) == 0 {
		return c, err
	}
	w.top, w.parts = all.Top, []store.LogPart{{Settled: all.Top, UpTo: all.Top}}
	k := collector{viewer: v, window: &w, first: all.First, groups: map[string]int{}}
	var open []*stream // not known yet
	some := map[*stream]bool{}
	for i := range all.streams {
		s := &all.streams[i]
		if summed(s.typ) == "" {
			open = append(open, s)
			continue
		}
		switch _, found := k.newest(s); found {
		case foundSome:
			some[s] = true
		case foundUnknown:
			open = append(open, s)
		}
	}
	if slices.ContainsFunc(open, func(s *stream) bool { return len(s.spans) > 0 }) {
		if err := w.find(ctx, r, v.OrgID); err != nil {
			return c, err
		}
	}
	if len(open) > 0 {
		if err := k.ask(ctx, r, open, some, &c); err != nil {
			return c, err
		}
	}
	for s := range some {
		if _, imported := k.groups[groupOf(summed(s.typ), s.id)]; imported {
			continue // counted as the imported row
		}
		c.add(summed(s.typ), 1)
	}
	return c, nil
}

// add counts rows of a type.
func (c *Counts) add(row string, n int64) {
	switch row {
	case eventtype.CatchUpThreadInvited:
		c.ThreadInvites += n
	case eventtype.CatchUpThreadStatusChanged:
		c.ThreadStatusChanges += n
	case eventtype.CatchUpChannelMessageSummary:
		c.ChannelMessages += n
	default:
		c.ThreadActivities += n
	}
	c.Total += n
}

// ask counts the rows of streams in the log. It adds to some the streams with events that a row
// sums up.
func (k *collector) ask(ctx context.Context, r Store, open []*stream, some map[*stream]bool, c *Counts) error {
	var ranges []store.LogRange
	var of []*stream
	var single []store.LogRange
	for _, s := range open {
		if summed(s.typ) == "" && s.typ != eventtype.ThreadStatusChanged {
			single = append(single, k.single(s)...)
			continue
		}
		for _, in := range k.window.ranges(s) {
			ranges, of = append(ranges, in), append(of, s)
		}
	}
	if err := k.read(ctx, r, single); err != nil {
		return err
	}
	if err := k.readTails(ctx, r, open); err != nil {
		return err
	}
	tallies, err := r.TallyLog(ctx, k.viewer.OrgID, k.viewer.BotID, k.window.since, ranges)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	for i := range tallies {
		switch {
		case tallies[i].Count == 0:
		case of[i].typ == eventtype.ThreadStatusChanged:
			c.add(eventtype.CatchUpThreadStatusChanged, tallies[i].Count)
		default:
			some[of[i]] = true
		}
	}
	for i := range k.rows {
		c.add(k.rows[i].Type, 1)
	}
	return nil
}
