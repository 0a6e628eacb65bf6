package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/tracing"
)

// TestTraces: the names and forms of OpenTelemetry, the address of traces before the general one.
func TestTraces(t *testing.T) {
	t.Parallel()
	off := tracing.Settings{Service: "b2b", Sampler: "parentbased_always_on", Ratio: 1}
	at := func(endpoint string, change func(*tracing.Settings)) tracing.Settings {
		s := off
		s.Endpoint = endpoint
		if change != nil {
			change(&s)
		}
		return s
	}
	for name, c := range map[string]struct {
		env  []string
		want tracing.Settings
		note string
	}{
		"off": {nil, off, ""},
		"nothing is checked while they are off": {
			[]string{"OTEL_TRACES_SAMPLER", "jaeger_remote", "OTEL_EXPORTER_OTLP_HEADERS", "?"}, off, "",
		},
		"disabled": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_SDK_DISABLED", "true"}, off, ""},
		"base":     {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "HTTP://c:4318/"}, at("http://c:4318/v1/traces", nil), ""},
		"base with a path": {
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp"}, at("https://c/otlp/v1/traces", nil), "",
		},
		"whole": {
			[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/x", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://d"}, at("https://c/x", nil), "",
		},
		"grpc": {
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, at("http://c:4317/v1/traces", nil), "4318",
		},
		"all": {
			[]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c", "OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, y=c=d,", "OTEL_SERVICE_NAME", "mine",
				"OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test", "OTEL_TRACES_SAMPLER", "traceidratio",
				"OTEL_TRACES_SAMPLER_ARG", "0.25", "B2B_TRACE_JOIN", "true",
			},
			at("http://c/v1/traces", func(s *tracing.Settings) {
				s.Headers = []tracing.Pair{{Name: "x-key", Value: "a b"}, {Name: "y", Value: "c=d"}}
				s.Service, s.Resource = "mine", []tracing.Pair{{Name: "deployment.environment.name", Value: "test"}}
				s.Sampler, s.Ratio, s.Join = "traceidratio", 0.25, true
			}), "",
		},
		"name among the attributes": {
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c", "OTEL_RESOURCE_ATTRIBUTES", "service.name=other"},
			at("http://c/v1/traces", func(s *tracing.Settings) { s.Service, s.Resource = "other", []tracing.Pair{} }), "",
		},
	} {
		got, err := Load(vars(append(c.env, "B2B_ADMIN_SECRET", "9f86d081884c7d659a2feaa0")...))
		if err != nil || !reflect.DeepEqual(got.Traces, c.want) {
			t.Errorf("%s: %+v, want %+v (%v)", name, got.Traces, c.want, err)
		}
		if notes := strings.Join(got.Warnings(), "\n"); !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
			t.Errorf("%s: warnings %q", name, notes)
		}
	}
}

// TestTraceProblems: what cannot be used is named, without the values of headers.
func TestTraceProblems(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@c"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c?key=hunter2"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "hunter2"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0d%0ab"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%zz"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "content-type=hunter2"},
		{"OTEL_RESOURCE_ATTRIBUTES", "=x"},
		{"OTEL_TRACES_SAMPLER", "sometimes"},
		{"OTEL_TRACES_SAMPLER_ARG", "1.5"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN"},
		{"B2B_TRACE_JOIN", "maybe"},
	} {
		env := []string{"B2B_ADMIN_SECRET", "9f86d081884c7d659a2feaa0", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces", c[0], c[1]}
		if c[0] == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			env = append(env[:2], env[4:]...)
		}
		_, err := Load(vars(env...))
		if err == nil || !strings.HasPrefix(err.Error(), c[0]+"=") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s=%s: %v", c[0], c[1], err)
		}
	}
	shown := Config{Traces: tracing.Settings{Endpoint: "http://c/v1/traces", Headers: []tracing.Pair{{Name: "x-key", Value: "hunter2"}}, Service: "b2b", Sampler: "always_on"}}
	found := false
	for _, s := range shown.Settings() {
		found = found || s.Name == "OTEL_EXPORTER_OTLP_HEADERS" && s.Value == "x-key=***"
		if s.Value == "" || strings.Contains(s.Value, "hunter2") {
			t.Errorf("%s is shown as %q", s.Name, s.Value)
		}
	}
	if !found {
		t.Error("the headers are not shown")
	}
}
