package tracing

import (
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Settings are the operator's settings of traces.
type Settings struct {
	Endpoint string // http(s) URL that spans are posted to; empty: traces are off
	Headers  []Pair // of each post; their values are secrets
	Service  string // service.name
	Resource []Pair // further attributes of all spans
	Sampler  string // one of Samplers; empty: parentbased_always_on
	Ratio    float64
	// Join reports that the traceparent of a request is believed: its trace goes on, and its flag
	// decides whether it is recorded. Otherwise a call begins a trace with a link to it.
	Join bool
}

// Pair is a name with a value.
type Pair struct{ Name, Value string }

// Samplers are the names of the samplers, as OpenTelemetry has them. Those whose name ends in
// "traceidratio" record the share Ratio of the traces.
func Samplers() []string {
	return []string{
		"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
}

func (s Settings) sampler() sdktrace.Sampler {
	switch s.Sampler {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(s.Ratio)
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(s.Ratio))
	}
	return sdktrace.ParentBased(sdktrace.AlwaysSample())
}

// resource returns the attributes that all spans share. Those of the settings take precedence.
func (s Settings) resource(version string) *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("service.version", version),
		attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.version", otel.Version()),
	}
	for _, p := range s.Resource {
		attrs = append(attrs, attribute.String(p.Name, p.Value))
	}
	return resource.NewSchemaless(append(attrs, attribute.String("service.name", s.Service))...)
}

// New returns a Tracer, or nil if traces are off. Run must run for spans to be exported.
func New(s Settings, version string, log *slog.Logger) *Tracer {
	if s.Endpoint == "" {
		return nil
	}
	q := newQueue(newExporter(s, s.resource(version)), log)
	t := NewTo(q, s, version)
	t.queue = q
	return t
}

// NewTo returns a Tracer that passes ended spans to a processor instead of exporting them.
func NewTo(p sdktrace.SpanProcessor, s Settings, version string) *Tracer {
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(s.resource(version)), sdktrace.WithSampler(s.sampler()), sdktrace.WithSpanProcessor(p))
	return &Tracer{tracer: provider.Tracer("b2b"), join: s.Join}
}
