package config

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/tracing"
)

const (
	exampleCollector = "http://localhost:4318"
	usualSampler     = "parentbased_always_on"
	usualService     = "b2b"
)

// traces reads the settings of traces under the names that OpenTelemetry gives them. Unless an
// endpoint is set, the others are looked up but not checked: they may be meant for other programs.
func (r *reader) traces() tracing.Settings {
	off := tracing.Settings{Service: usualService, Sampler: usualSampler, Ratio: 1}
	whole := r.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	base := r.text("OTEL_EXPORTER_OTLP_ENDPOINT")
	disabled := r.text("OTEL_SDK_DISABLED")
	protocol := r.text("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	headers := r.text("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
	service := r.text("OTEL_SERVICE_NAME")
	resource := r.text("OTEL_RESOURCE_ATTRIBUTES")
	sampler := r.text("OTEL_TRACES_SAMPLER")
	ratio := r.text("OTEL_TRACES_SAMPLER_ARG")
	join := r.text("B2B_TRACE_JOIN")
	if whole.value == "" && base.value == "" || strings.EqualFold(disabled.value, "true") {
		return off
	}
	s := off
	switch {
	case whole.value != "":
		s.Endpoint = r.collector(whole, "")
	default:
		s.Endpoint = r.collector(base, "/v1/traces")
	}
	if protocol.value == "grpc" {
		r.note("%s=grpc: spans are sent as OTLP/HTTP JSON; collectors expect that at another port, usually 4318", protocol.name)
	}
	s.Headers = r.pairs(headers, true)
	s.Resource = r.pairs(resource, false)
	s.Resource = slices.DeleteFunc(s.Resource, func(p tracing.Pair) bool {
		if p.Name == "service.name" {
			s.Service = p.Value
		}
		return p.Name == "service.name"
	})
	if service.value != "" {
		s.Service = service.value
	}
	if sampler.value != "" {
		if s.Sampler = sampler.value; !slices.Contains(tracing.Samplers(), s.Sampler) {
			r.problem(sampler, "must be one of "+strings.Join(tracing.Samplers(), ", "), "parentbased_traceidratio")
		}
	}
	if ratio.value != "" {
		n, err := strconv.ParseFloat(ratio.value, 64)
		if s.Ratio = n; err != nil || !(n >= 0 && n <= 1) { // NaN is neither
			r.problem(ratio, "must be a number from 0 to 1", "0.01")
		}
	}
	s.Join = r.truth(join, false)
	return s
}

// collector checks the address of a collector and appends a path.
func (r *reader) collector(at setting, path string) string {
	u, err := url.Parse(at.value)
	if err == nil {
		u.Scheme = strings.ToLower(u.Scheme)
	}
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		r.problem(at, "must be an http or https URL", exampleCollector+path)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		r.problem(at, "must have no user, query or fragment: credentials belong in OTEL_EXPORTER_OTLP_HEADERS", exampleCollector+path)
	default:
		if path != "" {
			u.Path = strings.TrimRight(u.Path, "/") + path
		}
		return u.String()
	}
	return ""
}

// pairs reads name=value,… with values in which special characters are percent-encoded. Problems
// do not show the value of headers, which is a secret.
func (r *reader) pairs(of setting, headers bool) (all []tracing.Pair) {
	if of.value == "" {
		return nil
	}
	for pair := range strings.SplitSeq(of.value, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		why := ""
		switch {
		case !found || name == "" || err != nil:
			why = "must be a list of name=value, with special characters of values as %20"
		case headers && (!token(name) || strings.ContainsFunc(value, unprintable)):
			why = "has a name or value that a header cannot have"
		case headers && slices.Contains([]string{"Content-Type", "Content-Length", "Host", "Transfer-Encoding", "Connection"}, http.CanonicalHeaderKey(name)):
			why = "has a header that the server sets itself"
		}
		if why != "" {
			if headers {
				of.value = "***"
			}
			r.problem(of, why, "x-api-key=secret")
			return nil
		}
		all = append(all, tracing.Pair{Name: name, Value: value})
	}
	return all
}

// token reports whether a text can be the name of a header.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	})
}

func unprintable(c rune) bool { return c < ' ' || c > '~' }

// traceSettings returns the settings of traces for people, without secrets.
func (c Config) traceSettings() []Setting {
	t := c.Traces
	var headers, resource []string
	for _, h := range t.Headers {
		headers = append(headers, h.Name+"=***")
	}
	for _, a := range t.Resource {
		resource = append(resource, a.Name+"="+a.Value)
	}
	all := []Setting{{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", orNone(t.Endpoint)}}
	if t.Endpoint == "" {
		return append(all, Setting{"B2B_TRACE_JOIN", "none: traces are off"})
	}
	return append(all,
		Setting{"OTEL_EXPORTER_OTLP_HEADERS", orNone(strings.Join(headers, ","))},
		Setting{"OTEL_SERVICE_NAME", t.Service},
		Setting{"OTEL_RESOURCE_ATTRIBUTES", orNone(strings.Join(resource, ","))},
		Setting{"OTEL_TRACES_SAMPLER", t.Sampler},
		Setting{"OTEL_TRACES_SAMPLER_ARG", strconv.FormatFloat(t.Ratio, 'g', -1, 64)},
		Setting{"B2B_TRACE_JOIN", strconv.FormatBool(t.Join)})
}
