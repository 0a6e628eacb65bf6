package tracing

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// These types are the JSON of an ExportTraceServiceRequest of OTLP: ids in hex, times and 64-bit
// integers as text, enums as numbers.
type (
	requestJSON struct {
		ResourceSpans []resourceSpansJSON `json:"resourceSpans"`
	}
	resourceSpansJSON struct {
		Resource   resourceJSON     `json:"resource"`
		ScopeSpans []scopeSpansJSON `json:"scopeSpans"`
	}
	resourceJSON struct {
		Attributes []attributeJSON `json:"attributes"`
	}
	scopeSpansJSON struct {
		Scope scopeJSON  `json:"scope"`
		Spans []spanJSON `json:"spans"`
	}
	scopeJSON struct {
		Name string `json:"name"`
	}
	spanJSON struct {
		contextJSON
		ParentSpanID      string          `json:"parentSpanId,omitempty"`
		Name              string          `json:"name"`
		Kind              int             `json:"kind"`
		StartTimeUnixNano string          `json:"startTimeUnixNano"`
		EndTimeUnixNano   string          `json:"endTimeUnixNano"`
		Attributes        []attributeJSON `json:"attributes,omitempty"`
		DroppedAttributes int             `json:"droppedAttributesCount,omitempty"`
		Links             []contextJSON   `json:"links,omitempty"`
		Status            *statusJSON     `json:"status,omitempty"`
	}
	contextJSON struct {
		TraceID    string `json:"traceId"`
		SpanID     string `json:"spanId"`
		TraceState string `json:"traceState,omitempty"`
		Flags      uint32 `json:"flags,omitempty"`
	}
	statusJSON struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
	attributeJSON struct {
		Key   string    `json:"key"`
		Value valueJSON `json:"value"`
	}
	valueJSON struct {
		String *string  `json:"stringValue,omitempty"`
		Bool   *bool    `json:"boolValue,omitempty"`
		Int    *string  `json:"intValue,omitempty"`
		Double *float64 `json:"doubleValue,omitempty"`
	}
)

// Flags above those of W3C: whether the context is of a span in another process is known, and is so.
const (
	remoteKnown = 0x100
	remote      = 0x200
)

// statusError is STATUS_CODE_ERROR, which the SDK numbers otherwise.
const statusError = 2

// document returns the JSON document of spans. They have no events: nothing adds any.
func document(r resourceJSON, spans []sdktrace.ReadOnlySpan) requestJSON {
	out := make([]spanJSON, len(spans))
	for i, s := range spans {
		out[i] = spanJSON{
			contextJSON: contextOf(s.SpanContext()),
			Name:        s.Name(), Kind: int(s.SpanKind()), // numbered as in OTLP
			StartTimeUnixNano: nanos(s.StartTime()), EndTimeUnixNano: nanos(s.EndTime()),
			Attributes: attributes(s.Attributes()), DroppedAttributes: s.DroppedAttributes(),
		}
		out[i].Flags |= remoteKnown
		if parent := s.Parent(); parent.HasSpanID() {
			out[i].ParentSpanID = parent.SpanID().String()
			if parent.IsRemote() {
				out[i].Flags |= remote
			}
		}
		for _, l := range s.Links() {
			link := contextOf(l.SpanContext)
			link.Flags |= remoteKnown
			if l.SpanContext.IsRemote() {
				link.Flags |= remote
			}
			out[i].Links = append(out[i].Links, link)
		}
		if status := s.Status(); status.Code == codes.Error {
			out[i].Status = &statusJSON{statusError, status.Description}
		}
	}
	return requestJSON{[]resourceSpansJSON{{r, []scopeSpansJSON{{scopeJSON{"b2b"}, out}}}}}
}

func contextOf(c trace.SpanContext) contextJSON {
	return contextJSON{c.TraceID().String(), c.SpanID().String(), c.TraceState().String(), uint32(c.TraceFlags())}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func attributes(all []attribute.KeyValue) []attributeJSON {
	out := make([]attributeJSON, len(all))
	for i, kv := range all {
		out[i] = attributeJSON{string(kv.Key), value(kv.Value)}
	}
	return out
}

// value returns the value of an attribute; lists, of which there are none, as text.
func value(v attribute.Value) valueJSON {
	switch v.Type() {
	case attribute.BOOL:
		b := v.AsBool()
		return valueJSON{Bool: &b}
	case attribute.INT64:
		n := strconv.FormatInt(v.AsInt64(), 10)
		return valueJSON{Int: &n}
	case attribute.FLOAT64:
		f := v.AsFloat64()
		return valueJSON{Double: &f}
	}
	text := v.String()
	return valueJSON{String: &text}
}
