package b2b

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

const (
	firstPause    = 250 * time.Millisecond
	longestPause  = 8 * time.Second
	retryAfterMax = 60 * time.Second // a server that asks for more gets no retry, and a listener after this time
)

// retry is an interceptor that makes calls again (B2B-SDK-001 to 005). It does nothing to streams.
type retry struct {
	most    int           // how often again
	timeout time.Duration // of an attempt; 0: none
}

// WrapStreamingClient implements connect.Interceptor.
func (r retry) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor. A client never calls it.
func (r retry) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// WrapUnary implements connect.Interceptor.
func (r retry) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		repeatable := identify(req) || isRead(req.Spec()) // a read has no request id
		for attempt := 0; ; attempt++ {
			res, got, err := r.attempt(ctx, req, next)
			if err == nil || attempt == r.most || ctx.Err() != nil || ctx.Value(onceKey{}) != nil {
				return res, err
			}
			o := outcomeOf(err, got)
			if o == refusedForGood || o == unknown && !repeatable {
				return res, err
			}
			pause, worth := pauseAfter(err, got, attempt)
			if deadline, ok := ctx.Deadline(); !worth || ok && time.Until(deadline) <= pause {
				return res, err
			}
			if sleep(ctx, pause) != nil {
				return res, err
			}
		}
	}
}

func (r retry) attempt(ctx context.Context, req connect.AnyRequest, next connect.UnaryFunc) (connect.AnyResponse, received, error) {
	if r.timeout > 0 {
		timeout := r.timeout
		if m, waits := req.Any().(interface{ GetWaitSeconds() int32 }); waits {
			timeout += time.Duration(m.GetWaitSeconds()) * time.Second
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	note := &note{}
	res, err := next(context.WithValue(ctx, noteKey{}, note), req)
	return res, note.read(), err
}

// received is what an attempt got over HTTP. Connect does not say it in its errors.
type received struct {
	status     int
	retryAfter string
	err        error // there was no response
}

type noteKey struct{}

// note has what the attempt of a context received.
type note struct {
	mu  sync.Mutex
	got received
}

func (n *note) read() received {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.got
}

// noting is an HTTP client that notes what it receives.
type noting struct{ connect.HTTPClient }

// Do implements connect.HTTPClient.
func (n noting) Do(r *http.Request) (*http.Response, error) {
	if err := buffer(r); err != nil {
		return nil, err
	}
	res, err := n.HTTPClient.Do(r)
	if note, ok := r.Context().Value(noteKey{}).(*note); ok {
		note.mu.Lock()
		defer note.mu.Unlock()
		note.got.err = err
		if err == nil {
			note.got.status, note.got.retryAfter = res.StatusCode, res.Header.Get("Retry-After")
		}
	}
	return res, err
}

type onceKey struct{}

// once returns a context of calls that are not made again: the caller does that.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// sleep waits, and returns the error of ctx if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// isRead reports whether a call changes nothing: its REST route is a GET.
func isRead(spec connect.Spec) bool {
	method, ok := spec.Schema.(protoreflect.MethodDescriptor)
	if !ok {
		return false
	}
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	return rule.GetGet() != ""
}

const requestID protoreflect.Name = "request_id"

// identify gives a request a request id, unless the caller did, and reports whether it has one. The
// message of the caller stays as it is, since sending it again means another call: the request gets
// a copy, which shares the values of the fields.
func identify(req connect.AnyRequest) bool {
	message, ok := req.Any().(proto.Message)
	if !ok {
		return false
	}
	m := message.ProtoReflect()
	field := m.Descriptor().Fields().ByName(requestID)
	if field == nil || field.Kind() != protoreflect.StringKind {
		return false
	}
	if m.Has(field) {
		return true
	}
	holder := reflect.ValueOf(req).Elem().FieldByName("Msg") // connect.Request[T].Msg
	if !holder.CanSet() {
		return false
	}
	copied := m.New()
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		copied.Set(f, v)
		return true
	})
	copied.SetUnknown(m.GetUnknown())
	copied.Set(field, protoreflect.ValueOfString(rand.Text()))
	holder.Set(reflect.ValueOf(copied.Interface()))
	return true
}

// outcome is what a client knows about a call that failed.
type outcome int

const (
	refusedForGood outcome = iota // the server refused it, and would again
	notExecuted                   // it can succeed later, and has changed nothing
	unknown                       // it can succeed later, and may have been executed
)

func outcomeOf(err error, got received) outcome {
	var dial *net.OpError
	var network net.Error
	switch {
	case DetailOf(err) != nil:
		code := DetailOf(err).GetCode()
		if !catalogue.Retryable(code) { // some codes with the status 429 stay until something else happens
			return refusedForGood
		}
		return outcomeOfStatus(catalogue.HTTPStatus(code))
	case got.err != nil && (errors.Is(got.err, syscall.ECONNREFUSED) || errors.As(got.err, &dial) && dial.Op == "dial"):
		return notExecuted
	case errors.As(got.err, new(*tls.CertificateVerificationError)):
		return refusedForGood
	case got.err != nil:
		return unknown
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
		return unknown // no response in time, or the end of one is missing
	}
	return outcomeOfStatus(got.status)
}

func outcomeOfStatus(status int) outcome {
	switch status {
	case http.StatusTooManyRequests:
		return notExecuted
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unknown
	}
	return refusedForGood
}

// pauseAfter returns how long to wait after a failed attempt, counted from 0, and whether it is
// worth waiting (B2B-SDK-004).
func pauseAfter(err error, got received, attempt int) (pause time.Duration, worth bool) {
	if after := retryAfter(err, got); after > 0 {
		return lengthen(after), after <= retryAfterMax
	}
	return jitter(min(firstPause<<min(attempt, 10), longestPause)), true
}

// retryAfter returns when the server wants the call to be made again; 0 if it does not say.
func retryAfter(err error, got received) time.Duration {
	if seconds := DetailOf(err).GetRetryAfter(); seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return parseRetryAfter(got.retryAfter)
}

// parseRetryAfter reads the header Retry-After: seconds, or a date.
func parseRetryAfter(text string) time.Duration {
	const longest = 1 << 31 // seconds
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), longest)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// jitter returns a random time of at most d.
func jitter(d time.Duration) time.Duration { return mathrand.N(d + 1) }

// lengthen returns d, longer at random by up to a fifth.
func lengthen(d time.Duration) time.Duration { return d + jitter(d/5) }
