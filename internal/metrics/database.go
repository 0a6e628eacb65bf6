package metrics

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/webhook"
)

var (
	// coarse are in seconds. Statements have many series, so they have few buckets.
	coarse = []float64{.0001, .001, .01, .1, 1}
	// batchBuckets and lagBuckets are in seconds. Times of the log are in milliseconds.
	batchBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	lagBuckets   = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}
	slowBuckets  = []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30}
	// changeBuckets and statementBuckets are numbers.
	changeBuckets    = []float64{1, 2, 4, 8, 16, 32, 64, 128}
	statementBuckets = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
)

// Database implements sqlstore.Meter.
type Database struct {
	changes    prometheus.Histogram
	took       prometheus.Histogram
	pipelines  prometheus.Histogram
	statements *prometheus.HistogramVec
}

// Database registers the measurements of a database, and returns its meter.
func (m *Metrics) Database() *Database {
	return &Database{
		changes:   m.histogram("b2b_database_batch_changes", "Changes that were committed together.", changeBuckets),
		took:      m.histogram("b2b_database_batch_duration_seconds", "Time from the beginning of a transaction with changes to the end of its commit.", batchBuckets),
		pipelines: m.histogram("b2b_database_pipeline_statements", "Statements that were sent to PostgreSQL for one wait. SQLite has none.", statementBuckets),
		statements: m.histograms("b2b_database_statement_duration_seconds",
			"Time of a statement, by its kind and the first of its tables. What the cache has is none. On PostgreSQL a deferred change counts for the statement that it was sent with.",
			coarse, "kind", "table"),
	}
}

// Batch implements sqlstore.Meter.
func (d *Database) Batch(changes int, took time.Duration) {
	d.changes.Observe(float64(changes))
	d.took.Observe(took.Seconds())
}

// Pipeline implements sqlstore.Meter.
func (d *Database) Pipeline(statements int) { d.pipelines.Observe(float64(statements)) }

// Statement implements sqlstore.Meter.
func (d *Database) Statement(kind, table string) func(time.Duration) {
	h := d.statements.WithLabelValues(kind, table)
	return func(took time.Duration) { h.Observe(took.Seconds()) }
}

// Lag registers the delay of events, and returns the function that gets that of each one.
func (m *Metrics) Lag() func(lag time.Duration, here bool) {
	lags := m.histograms("b2b_log_delivery_lag_seconds",
		"Time from the commit of an event to its delivery to the subscriptions of this node, by the node that committed it. The clocks of nodes may differ.",
		lagBuckets, "committed")
	own, others := lags.WithLabelValues("here"), lags.WithLabelValues("elsewhere")
	return func(lag time.Duration, here bool) {
		if here {
			own.Observe(lag.Seconds())
		} else {
			others.Observe(lag.Seconds())
		}
	}
}

// WebhookAttempts registers the attempts to deliver events to webhooks, and returns the function
// that gets each one.
func (m *Metrics) WebhookAttempts() func(o webhook.Outcome, took time.Duration) {
	attempts := m.histograms("b2b_webhook_attempt_duration_seconds", "Time of an attempt to deliver an event to a webhook, by its outcome.", slowBuckets, "outcome")
	by := map[webhook.Outcome]prometheus.Observer{}
	for _, o := range []webhook.Outcome{webhook.Delivered, webhook.Refused, webhook.Failed, webhook.Blocked} {
		by[o] = attempts.WithLabelValues(string(o))
	}
	return func(o webhook.Outcome, took time.Duration) { by[o].Observe(took.Seconds()) }
}

// fileStore measures a store of files. What readers read of an open file is not measured.
type fileStore struct {
	files.Store
	took   *prometheus.HistogramVec
	stored prometheus.Counter
}

// Files registers the metrics of stored files, and returns the store with its calls measured.
func (m *Metrics) Files(s files.Store) files.Store {
	f := &fileStore{
		Store: s,
		took: m.histograms("b2b_files_operation_duration_seconds",
			"Time of an operation of the file storage, by the operation and its result. A put reads the upload, so it depends on the client.", slowBuckets, "operation", "result"),
		stored: prometheus.NewCounter(prometheus.CounterOpts{Name: "b2b_files_stored_bytes_total", Help: "Bytes of files that were stored."}),
	}
	m.registry.MustRegister(f.stored)
	return f
}

// done records an operation.
func (f *fileStore) done(operation string, begun time.Time, err error) {
	result := ok
	switch {
	case errors.Is(err, files.ErrNotFound):
		result = "not_found"
	case errors.Is(err, context.Canceled):
		result = canceled
	case err != nil:
		result = failed
	}
	f.took.WithLabelValues(operation, result).Observe(time.Since(begun).Seconds())
}

// source marks the errors of the reader of a Put, which lie in the upload and not in the storage.
type source struct {
	io.Reader
	failed bool
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = true
	}
	return n, err
}

// Put implements files.Store.
func (f *fileStore) Put(ctx context.Context, key files.Key, r io.Reader) (int64, error) {
	begun, from := time.Now(), &source{Reader: r}
	n, err := f.Store.Put(ctx, key, from)
	switch {
	case err == nil:
		f.stored.Add(float64(n))
		f.done("put", begun, nil)
	case from.failed:
		f.done("put", begun, context.Canceled)
	default:
		f.done("put", begun, err)
	}
	return n, err
}

// Open implements files.Store.
func (f *fileStore) Open(ctx context.Context, key files.Key) (files.Object, error) {
	begun := time.Now()
	o, err := f.Store.Open(ctx, key)
	f.done("open", begun, err)
	return o, err
}

// Delete implements files.Store.
func (f *fileStore) Delete(ctx context.Context, key files.Key) error {
	begun := time.Now()
	err := f.Store.Delete(ctx, key)
	f.done("delete", begun, err)
	return err
}
