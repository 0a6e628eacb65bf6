package sqlstore

import (
	"slices"
	"testing"
)

// Deferred statements are merged: many rows into one insertion, and the activities of a thread
// into the newest.
func TestDeferred(t *testing.T) {
	t.Parallel()
	var d deferred
	for seq := range int64(rowsPerDeferred + 2) {
		d.add(appendEvent, []any{"o", seq})
	}
	for _, touch := range []struct {
		thread string
		at     int64
	}{{"b", 5}, {"a", 9}, {"b", 7}, {"a", 8}} {
		d.add(touchThread, []any{touch.at, touch.thread, touch.at})
	}
	if want := onEventLog | onActivity; d.tables() != want {
		t.Errorf("tables %v, want %v", d.tables().names(), want.names())
	}
	kept := d.mark()
	d.add(touchThread, []any{int64(10), "c", int64(10)})
	d.reset(kept) // the change was undone
	if d.add(updateThread, nil) {
		t.Error("a statement is deferred that others may not wait for")
	}
	type ran struct {
		q    *statement
		args []any
	}
	var got []ran
	if err := d.write(func(q *statement, args []any) error {
		got = append(got, ran{q, slices.Clone(args)})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []ran{
		{eventInserts[rowsPerDeferred-1], nil}, {eventInserts[1], []any{"o", int64(rowsPerDeferred), "o", int64(rowsPerDeferred + 1)}},
		{touchThread, []any{int64(9), "a", int64(9)}}, {touchThread, []any{int64(7), "b", int64(7)}},
	}
	if !slices.EqualFunc(got, want, func(a, b ran) bool { return a.q == b.q && (b.args == nil || slices.Equal(a.args, b.args)) }) {
		t.Errorf("ran %v, want %v", got, want)
	}
	if d.tables() != 0 {
		t.Error("statements wait that have run")
	}
}
