package metrics

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// callBuckets are in seconds: from less than the fastest call to the longest wait for a slot.
var callBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// nativeFactor is the growth of the buckets of a native histogram, which a Prometheus that asks for
// it gets beside the fixed buckets. nativeBuckets bounds their number for one operation.
const (
	nativeFactor  = 1.2
	nativeBuckets = 80
)

// The bindings by the index of a series: the texts of call.Info.Via.
const (
	viaREST = iota
	viaRPC
	viaWS
	viaOther
	bindings
)

var bindingNames = [bindings]string{"rest", "rpc", "ws", "other"}

// The outcomes of a call.
const (
	ok       = "ok"
	refused  = "refused"  // for a reason that lies in the request, its caller or a limit
	failed   = "failed"   // for a reason that lies in the server (5xx)
	canceled = "canceled" // it failed when its client was gone
)

// unknown is the operation of requests that name none.
const unknown = "none"

// calls implements call.Meter. The series of an operation by one binding are made with its first
// call; from then on a call costs a look-up in a map that does not change, and no allocation.
type calls struct {
	total    *prometheus.CounterVec
	inFlight *prometheus.GaugeVec
	took     *prometheus.HistogramVec
	errors   [bindings][]prometheus.Counter // by code
	failure  []bool                         // by code
	byOp     map[*call.Operation]*operation
	none     *operation
}

// operation has the series of an operation, by binding.
type operation struct {
	name   string
	series [bindings]atomic.Pointer[series]
}

type series struct {
	ok, refused, failed, canceled prometheus.Counter
	inFlight                      prometheus.Gauge
	took                          prometheus.Observer // nil: the time of the operation depends on the client
}

// Calls registers the metrics of calls, and returns the meter of the pipeline.
func (m *Metrics) Calls(operations []*call.Operation) call.Meter {
	c := &calls{
		total: m.counters("b2b_calls_total", "Calls that have ended, by operation, binding and outcome.", "operation", "binding", "outcome"),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "b2b_calls_in_flight", Help: "Calls that run, open streams included, by operation and binding.",
		}, []string{"operation", "binding"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "b2b_call_duration_seconds",
			Help:    "Time that the server needed for a call, without reading the request and writing the response. Calls that stream or wait have none.",
			Buckets: callBuckets, NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"operation", "binding"}),
		byOp: make(map[*call.Operation]*operation, len(operations)),
		none: &operation{name: unknown},
	}
	m.registry.MustRegister(c.inFlight, c.took)
	c.addErrors(m.counters("b2b_call_errors_total", "Calls that were refused or failed, by binding and code of the error.", "binding", "code"))
	for _, op := range operations {
		c.byOp[op] = &operation{name: operationName(op)}
	}
	m.calls = c
	return c
}

// operationName returns the name of an operation in labels: "ThreadService/CreateThread".
func operationName(op *call.Operation) string {
	return strings.TrimPrefix(op.Procedure, "/b2b.v1.")
}

// addErrors makes the series of all codes, so that they begin with 0.
func (c *calls) addErrors(total *prometheus.CounterVec) {
	codes := b2bv1.ErrorCode(0).Descriptor().Values()
	most := b2bv1.ErrorCode(0)
	for i := range codes.Len() {
		most = max(most, b2bv1.ErrorCode(codes.Get(i).Number()))
	}
	c.failure = make([]bool, most+1)
	for b := range c.errors {
		c.errors[b] = make([]prometheus.Counter, most+1)
	}
	for i := range codes.Len() {
		code := b2bv1.ErrorCode(codes.Get(i).Number())
		if code == b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED {
			continue
		}
		c.failure[code] = call.Spec(code).GetHttpStatus() >= http.StatusInternalServerError
		for b := range bindings - 1 {
			c.errors[b][code] = total.WithLabelValues(bindingNames[b], call.CodeText(code))
		}
	}
}

func binding(via string) int {
	switch via {
	case "rest":
		return viaREST
	case "rpc":
		return viaRPC
	case "ws":
		return viaWS
	}
	return viaOther
}

// of returns the series of a call.
func (c *calls) of(info *call.Info) (*series, int) {
	op := c.byOp[info.Operation]
	if op == nil {
		op = c.none
	}
	b := binding(info.Via)
	if s := op.series[b].Load(); s != nil {
		return s, b
	}
	via := bindingNames[b]
	counter := func(outcome string) prometheus.Counter { return c.total.WithLabelValues(op.name, via, outcome) }
	s := &series{
		ok: counter(ok), refused: counter(refused), failed: counter(failed), canceled: counter(canceled),
		inFlight: c.inFlight.WithLabelValues(op.name, via),
	}
	if o := info.Operation; o != nil && o.Stream == nil && o.Receive == nil && !o.Waits {
		s.took = c.took.WithLabelValues(op.name, via)
	}
	op.series[b].Store(s) // another goroutine may have stored the same series
	return s, b
}

// Begin implements call.Meter.
func (c *calls) Begin(info *call.Info) {
	s, _ := c.of(info)
	s.inFlight.Inc()
}

// End implements call.Meter.
func (c *calls) End(info *call.Info, code b2bv1.ErrorCode, took time.Duration, gone bool) {
	s, b := c.of(info)
	s.inFlight.Dec()
	switch {
	case code == b2bv1.ErrorCode_ERROR_CODE_UNSPECIFIED:
		s.ok.Inc()
	case gone:
		s.canceled.Inc()
		return
	default:
		c.failed(s, b, code)
	}
	if s.took != nil {
		s.took.Observe(took.Seconds())
	}
}

// Refused implements call.Meter.
func (c *calls) Refused(info *call.Info, code b2bv1.ErrorCode) {
	s, b := c.of(info)
	c.failed(s, b, code)
}

// failed counts a call that ended with an error.
func (c *calls) failed(s *series, b int, code b2bv1.ErrorCode) {
	if code <= 0 || int(code) >= len(c.failure) {
		code = b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR
	}
	if c.failure[code] {
		s.failed.Inc()
	} else {
		s.refused.Inc()
	}
	if e := c.errors[b][code]; e != nil {
		e.Inc()
	}
}

// streams returns the number of open streams of events of a binding.
func (c *calls) streams(binding int) float64 {
	n := 0.0
	for op, of := range c.byOp {
		if s := of.series[binding].Load(); s != nil && op.Stream != nil && !op.SendsFile {
			n += gaugeValue(s.inFlight)
		}
	}
	return n
}

// gaugeValue returns the value of a gauge.
func gaugeValue(g prometheus.Gauge) float64 {
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		return 0 // never of a gauge
	}
	return m.GetGauge().GetValue()
}
