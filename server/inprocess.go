package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// inProcess makes HTTP requests to the handler of the server itself, without a network. Each is made
// as a part of a request from outside, which its context has (within): with its credential, its address
// and its trace. So everything that holds for calls from outside holds for it.
type inProcess struct{ handler func() http.Handler }

type outsideKey struct{}

// within returns a context for requests that are a part of one from outside.
func within(ctx context.Context, outside *http.Request) context.Context {
	return context.WithValue(ctx, outsideKey{}, outside)
}

// passedOn are the headers that a request takes from the one that it is a part of.
var passedOn = []string{
	"Authorization", "X-Org-Id", "User-Agent", "Traceparent", "Tracestate", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// Do implements connect.HTTPClient.
func (p inProcess) Do(r *http.Request) (*http.Response, error) {
	outside, ok := r.Context().Value(outsideKey{}).(*http.Request)
	if !ok {
		return nil, errors.New("server: a request within the process is not a part of one from outside")
	}
	in := r.WithContext(r.Context())
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/2.0", 2, 0
	in.RemoteAddr, in.Host, in.TLS, in.RequestURI = outside.RemoteAddr, outside.Host, outside.TLS, r.URL.RequestURI()
	in.Header = r.Header.Clone()
	in.Header.Del("Accept-Encoding")
	for _, name := range passedOn {
		if values := outside.Header.Values(name); len(values) > 0 {
			in.Header[name] = values
		}
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if strings.HasPrefix(in.Header.Get("Content-Type"), "application/connect+") {
		return p.stream(in)
	}
	w := &whole{header: http.Header{}}
	if err := p.serve(w, in); err != nil {
		return nil, err
	}
	return w.response(in, io.NopCloser(&w.body)), nil
}

// serve calls the handler. A handler that panics has not responded: of the errors that it reports with
// a panic, the network would tell a client no more.
func (p inProcess) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("server: a request within the process was aborted: %v", v)
		}
	}()
	p.handler().ServeHTTP(w, r)
	return nil
}

// stream calls the handler beside the reader of its response. The handler ends with the context of the
// request, or when the response is closed; when it has returned, nothing more of the request is read.
func (p inProcess) stream(in *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(in.Context())
	body := newBuffered()
	w := &piped{header: http.Header{}, body: body, began: make(chan struct{})}
	go func() {
		err := p.serve(w, in.WithContext(ctx))
		w.WriteHeader(http.StatusOK)
		body.CloseWrite(err)
		_ = in.Body.Close() // whoever sends it learns that nobody reads on
	}()
	select {
	case <-w.began:
		return response(in, w.status, w.header, &closing{buffered: body, end: cancel}), nil
	case <-ctx.Done():
		cancel()
		return nil, errors.Join(ctx.Err(), body.Close())
	}
}

// whole is a response that is read when it is complete.
type whole struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *whole) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *whole) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *whole) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher.
func (w *whole) Flush() {}

func (w *whole) response(r *http.Request, body io.ReadCloser) *http.Response {
	w.WriteHeader(http.StatusOK)
	return response(r, w.status, w.header, body)
}

func response(r *http.Request, status int, header http.Header, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: header, Body: body, ContentLength: -1, Request: r,
	}
}

// piped is a response that is read while it is written.
type piped struct {
	header http.Header
	body   *buffered
	once   sync.Once
	status int
	began  chan struct{} // closed when status is set
}

// Header implements http.ResponseWriter.
func (w *piped) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *piped) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.header = status, w.header.Clone()
		close(w.began)
	})
}

// Write implements http.ResponseWriter.
func (w *piped) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher.
func (w *piped) Flush() {}

// closing is the body of a stream; closing it ends the handler.
type closing struct {
	*buffered
	end context.CancelFunc
}

// Close implements io.Closer.
func (c *closing) Close() error {
	c.end()
	return c.buffered.Close()
}
