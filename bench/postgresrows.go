package main

import (
	"context"
	"os"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

// postgresTalkers is the number of participants of the thread on PostgreSQL.
const postgresTalkers = 10

// postgresRows measures the rows of the table on PostgreSQL, relative to the baseline on it.
func postgresRows(ctx context.Context, o options, folder string, r *report) error {
	if !o.wantsRow(table.PostgresPost, table.PostgresSend) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base, err := startBaseline(ctx, self, folder, o.postgres)
	if err != nil {
		return err
	}
	defer base.stop()
	ours, err := startServer(ctx, o, append(unlimited, "B2B_DATA_DIR="+folder, "B2B_DATABASE_URL="+o.postgres))
	if err != nil {
		return err
	}
	defer ours.stop()
	c, err := newCrowd(ctx, ours.url, "postgres", postgresTalkers)
	if err != nil {
		return err
	}
	thread, err := c.newThread("talk")
	if err != nil {
		return err
	}
	floor := &fixture{url: base.url, token: "none", thread: "thread", peer: "peer"}
	w := &fixture{url: ours.url, token: c.tokens[0], thread: thread, peer: c.names[1]}
	return r.measure(ctx, o, []contest{
		{table.PostgresPost, o.repeated(floor.postToThread()), o.repeated(w.postToThread())},
		{table.PostgresSend, o.repeated(floor.post()), o.repeated(w.post())},
	})
}
