package sqlstore

import (
	"slices"
	"testing"
)

// Deferred statements are merged: many rows into one insertion, and the activities and turns of a
// thread into one change.
func TestDeferred(t *testing.T) {
	t.Parallel()
	var d deferred
	for seq := range int64(rowsPerDeferred + 2) {
		d.add(appendEvent, []any{"o", seq})
	}
	for _, touch := range []struct {
		thread string
		touched
	}{{"b", touched{5, 1, 1}}, {"a", touched{9, 1, 1}}, {"b", touched{7, 0, 0}}, {"a", touched{8, 1, 1}}, {"b", touched{6, 1, 1}}, {"z", touched{0, 0, 0}}} {
		d.add(touchThread, touch.args(touch.thread))
	}
	if want := onEventLog | onActivity; d.tables() != want {
		t.Errorf("tables %v, want %v", d.tables().names(), want.names())
	}
	kept := d.mark()
	d.add(touchThread, touched{10, 1, 1}.args("c"))
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
		{touchThread, touched{9, 1, 2}.args("a")}, {touchThread, touched{7, 0, 1}.args("b")}, {touchThread, touched{0, 0, 0}.args("z")},
	}
	if !slices.EqualFunc(got, want, func(a, b ran) bool { return a.q == b.q && (b.args == nil || slices.Equal(a.args, b.args)) }) {
		t.Errorf("ran %v, want %v", got, want)
	}
	if d.tables() != 0 {
		t.Error("statements wait that have run")
	}
}
