// Package metrics measures the server for Prometheus.
//
// A [Metrics] owns a registry; nothing is registered globally, and no other package imports
// Prometheus. Others state what they report where they use it ([call.Meter], sqlstore.Meter, a
// function in their Config) and this package implements it, or they have a method that returns
// their numbers, which is called when somebody scrapes ([Sources]). What can be read at a scrape is
// not counted a second time.
//
// Labels have few values that are known before: names of operations, bindings, codes, tables. No
// metric has a label with an org, a bot or another id, since each value would be a series of its
// own, and callers could make as many as they like.
//
// docs/operate/monitoring.md lists all metrics; a test compares it with the registry.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build is what b2b_build_info has.
type Build struct {
	Version  string // of the server
	Database string // "sqlite" or "postgresql"
}

// Metrics are the metrics of one server.
type Metrics struct {
	registry *prometheus.Registry
	calls    *calls
}

// New returns metrics of the process and of the build, to which the methods add those of a server.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "b2b_build_info", Help: "1, with the version of the server, that of Go, and the kind of database.",
		ConstLabels: prometheus.Labels{"version": b.Version, "goversion": runtime.Version(), "database": b.Database},
	})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const (
	scrapes    = 4 // at the same time; further ones get 503
	scrapeTime = 10 * time.Second
)

// Handler returns the handler of scrapes. What cannot be gathered is left out and logged.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapes, Timeout: scrapeTime, ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})
}

// histogram registers a histogram.
func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

// histograms registers a histogram with labels.
func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// counters registers a counter with labels.
func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}
