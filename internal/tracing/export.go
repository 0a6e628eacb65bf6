package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	postTime    = 10 * time.Second // for one post and its response
	maxResponse = 64 << 10         // read of a response
	maxPause    = time.Minute      // that a collector may ask for
)

// exporter posts spans as OTLP/HTTP JSON. One goroutine at a time may use it.
type exporter struct {
	url      string
	headers  []Pair
	resource resourceJSON
	client   *http.Client
	body     bytes.Buffer
}

func newExporter(s Settings, r *resource.Resource) *exporter {
	return &exporter{
		url: s.Endpoint, headers: s.Headers, resource: resourceJSON{attributes(r.Attributes())},
		client: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
			// A redirect may lead to another host, which must not receive the headers.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       postTime,
		},
	}
}

func (e *exporter) close() { e.client.CloseIdleConnections() }

// retryError is a failure after which the same post can succeed.
type retryError struct {
	err   error
	after time.Duration // that the collector asks to wait
}

func (e *retryError) Error() string { return e.err.Error() }

func (e *retryError) Unwrap() error { return e.err }

// post sends one batch. The error has neither headers nor spans.
func (e *exporter) post(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.body.Reset()
	if err := json.NewEncoder(&e.body).Encode(document(e.resource, spans)); err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(e.body.Bytes()))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, h := range e.headers {
		r.Header.Set(h.Name, h.Value)
	}
	res, err := e.client.Do(r)
	if err != nil {
		var with *url.Error
		if errors.As(err, &with) {
			err = with.Err
		}
		return &retryError{err: err}
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err := errors.Join(err, res.Body.Close()); err != nil && res.StatusCode == http.StatusOK {
		return nil // the spans were accepted
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return rejected(text)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 0
		}
		return &retryError{fmt.Errorf("the collector responded %d", res.StatusCode), min(time.Duration(seconds)*time.Second, maxPause)}
	}
	return fmt.Errorf("the collector responded %d", res.StatusCode)
}

// rejected returns an error if a collector accepted only a part of the spans. Any other text is
// ignored: it accepted them all.
func rejected(text []byte) error {
	var res struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(text, &res); err != nil {
		return nil
	}
	if n := string(bytes.Trim(res.PartialSuccess.RejectedSpans, `"`)); n != "" && n != "0" && n != "null" {
		return fmt.Errorf("the collector rejected %.20s spans", n)
	}
	return nil
}
