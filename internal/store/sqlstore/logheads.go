package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/eventtype"
)

// head is a row of log_heads.
type head struct {
	scope, typ, party string
	seq, at           int64
	// other is the last event of another party in this batch; 0: the row in the table knows.
	other, otherAt int64
}

// heads returns the heads after some events, one for each scope and type, in order.
func heads(events []indexed) []head {
	var all []head
	at := map[[2]string]int{} // index in all
	for i := range events {
		e := &events[i]
		if e.scope == "" {
			continue
		}
		key := [2]string{e.scope, e.typ}
		k, ok := at[key]
		if !ok {
			at[key] = len(all)
			all = append(all, head{scope: e.scope, typ: e.typ, party: e.party, seq: e.seq, at: e.at})
			continue
		}
		h := &all[k]
		if h.party != e.party {
			h.other, h.otherAt = h.seq, h.at
		}
		h.party, h.seq = e.party, e.seq
		if e.typ != eventtype.ImportedRow || e.at > h.at { // imported rows are not in the order of their times
			h.at = e.at
		}
	}
	slices.SortFunc(all, func(a, b head) int { return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.typ, b.typ)) })
	return all
}

// saveHeads writes the heads of the scopes with new events.
func saveHeads(ctx context.Context, c conn, org string, events []indexed) error {
	for some := range slices.Chunk(heads(events), headsPerInsert) {
		args := make([]any, 0, len(some)*8)
		for i := range some {
			h := &some[i]
			args = append(args, org, h.scope, h.typ, h.party, h.seq, h.at, h.other, h.otherAt)
		}
		if err := c.exec(ctx, putHeads[len(some)-1], args...); err != nil {
			return err
		}
	}
	return nil
}

const headsPerInsert = 16 // heads that one statement writes

const (
	headRow      = "(?, ?, ?, ?, ?, ?, ?, ?)"
	headConflict = ` ON CONFLICT (org_id, scope_id, type) DO UPDATE SET
		other_seq = CASE WHEN excluded.other_seq > 0 THEN excluded.other_seq WHEN log_heads.party <> excluded.party THEN log_heads.seq ELSE log_heads.other_seq END,
		other_at = CASE WHEN excluded.other_seq > 0 THEN excluded.other_at WHEN log_heads.party <> excluded.party THEN log_heads.at ELSE log_heads.other_at END,
		seq = excluded.seq, party = excluded.party,
		at = CASE WHEN excluded.type = 'catchup_carried' AND log_heads.at > excluded.at THEN log_heads.at ELSE excluded.at END`
)

// putHeads write 1 to headsPerInsert heads. Of the row that is there, they keep what the new head
// must know of events before this batch.
var putHeads = func() (out [headsPerInsert]*statement) {
	for i := range out {
		out[i] = insert(onLogHeads, "INSERT INTO log_heads (org_id, scope_id, type, party, seq, at, other_seq, other_at) VALUES "+
			headRow+strings.Repeat(", "+headRow, i)+headConflict)
	}
	return out
}()
