// Package tracing makes OpenTelemetry spans and sends them to a collector.
//
// It is off unless the operator names a collector: then there is a [Tracer], else a nil *Tracer,
// which every method accepts. A caller that would compute something for a span compares with nil
// first, so that tracing costs nothing while it is off.
//
// Spans go into a queue of [maxQueue]. [Tracer.Run] posts them in batches as OTLP/HTTP JSON. When
// the collector is slow or unreachable, the queue fills and further spans are dropped and counted;
// nothing else waits. The SDK's own exporters import google.golang.org/grpc, which makes the
// program 18 MB larger; hence an exporter here (docs/decisions).
//
// Names and attributes follow the semantic conventions of OpenTelemetry, or begin with "b2b.".
// They never hold tokens, names of bots, topics or content.
package tracing
