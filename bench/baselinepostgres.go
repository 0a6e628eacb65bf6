package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	postgresSchema = `CREATE SCHEMA IF NOT EXISTS baseline;
	CREATE TABLE IF NOT EXISTS baseline.messages (id TEXT PRIMARY KEY, thread_id TEXT, sender_id TEXT, sender_name TEXT, content TEXT,
		content_type TEXT, mention_all INTEGER, created_at BIGINT);
	CREATE INDEX IF NOT EXISTS messages_thread ON baseline.messages (thread_id, created_at, id)`
	postgresInsert = `INSERT INTO baseline.messages (id, thread_id, sender_id, sender_name, content, content_type, mention_all, created_at)
		VALUES ($1,$2,$3,$4,$5,$6,0,$7)`
)

// postgresInserts creates a table in a schema of the baseline. The inserts of a transaction are one
// pipeline, which waits for the database once.
func postgresInserts(ctx context.Context, url string) (inserter, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if _, err := conn.Exec(ctx, postgresSchema); err != nil {
		return nil, fmt.Errorf("create the table of the baseline: %w", err)
	}
	return func(batch []baselineWrite) error {
		var b pgx.Batch
		for _, w := range batch {
			b.Queue(postgresInsert, w.m.arguments()...)
		}
		return conn.SendBatch(ctx, &b).Close() // the pipeline is one transaction
	}, nil
}
