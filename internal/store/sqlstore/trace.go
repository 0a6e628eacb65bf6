package sqlstore

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// traceCommit records the batch that committed a change as a part of the call that made it: from
// the beginning of the batch to its result. Each call of a batch has such a span, which tells how
// many changes the batch had, and how long this one waited for its beginning.
func (s *Store) traceCommit(ctx context.Context, j *job) {
	system := "sqlite"
	if s.pool.d.database == forPostgres {
		system = "postgresql"
	}
	s.tracer.Part(ctx, "COMMIT", trace.SpanKindClient, j.began,
		attribute.String("db.system.name", system),
		attribute.String("db.operation.name", "COMMIT"),
		attribute.Int("db.operation.batch.size", j.batch),
		attribute.Float64("b2b.commit.wait_seconds", j.began.Sub(j.since).Seconds()))
}
