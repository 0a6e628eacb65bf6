//go:build unix

package webhook

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

// netHTTP sends deliveries with the transport of net/http. Decision 0007 compares it with the
// connection of this package. Like that, it checks addresses and idle connections, and limits the
// head of a response, its body and the time for each.
type netHTTP struct {
	transport *http.Transport
	request   *http.Request
	signer    *signer
	timeout   time.Duration
}

func newNetHTTP(p webhookurl.Policy, c *connection, timeout time.Duration) *netHTTP {
	dial := plain(p, "80")
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return dial(ctx, &url.URL{Scheme: "http", Host: address})
		},
		Protocols: &http.Protocols{}, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: dialTimeout,
		DisableCompression: true, MaxIdleConns: maxKept, MaxIdleConnsPerHost: maxKept, IdleConnTimeout: keepTime, MaxResponseHeaderBytes: maxHeaders,
	}
	t.Protocols.SetHTTP1(true)
	return &netHTTP{transport: t, request: c.request, signer: newSigner("hush"), timeout: timeout}
}

func (h *netHTTP) send(ctx context.Context, id string, body []byte, now time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(h.timeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	interim := 0
	r := h.request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			if c.WasIdle && !alive(c.Conn) {
				_ = c.Conn.Close()
			}
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error {
			if interim++; interim >= maxInterim {
				return errInterim
			}
			return nil
		},
	}))
	r.Header = r.Header.Clone()
	for line := range bytes.Lines(h.signer.appendTo(nil, id, now, body)) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r\n")), []byte(": "))
		r.Header[string(name)] = []string{string(value)}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res, err := h.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	timer.Reset(drainTime)
	_, err = io.CopyN(io.Discard, res.Body, drainBytes)
	if err == io.EOF {
		err = nil
	}
	return err
}

// accept responds to requests until l is closed, with little processor time.
func accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			length := 0
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
					length, _ = strconv.Atoi(string(bytes.TrimSpace(text))) // sent by our client
				}
				if len(line) > 2 {
					continue
				}
				if _, err := r.Discard(length); err != nil || !send(conn, "HTTP/1.1 204 No Content\r\n\r\n") {
					return
				}
			}
		}()
	}
}

// BenchmarkClients compares the connection of this package with net/http's transport (decision
// 0007). They deliver in turn, so that other load on the machine affects both alike. It reports the
// medians for each: time, processor time (that of the receiver included, which is the same),
// allocations and bytes of a delivery.
func BenchmarkClients(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go accept(l)
	policy := webhookurl.Policy{Allow: here(b)}
	own := newSender(policy, "test", attemptTime).connection("http://"+l.Addr().String()+"/", newSigner("hush"))
	defer own.close()
	other := newNetHTTP(policy, own, attemptTime)
	defer other.transport.CloseIdleConnections()
	body := make([]byte, 700)
	clients := []struct {
		name    string
		deliver func() error
		costs   [4][]float64
	}{
		{name: "own", deliver: func() error {
			if res := own.send(b.Context(), "id", body, time.Now(), tracecontext.Context{}); res.reason != "" {
				b.Fatal(res.reason)
			}
			return nil
		}},
		{name: "net/http", deliver: func() error { return other.send(b.Context(), "id", body, time.Now()) }},
	}
	const round = 1000 // deliveries
	for b.Loop() {
		for i := range clients {
			c := &clients[i]
			before := costs()
			for range round {
				if err := c.deliver(); err != nil {
					b.Fatal(err)
				}
			}
			after := costs()
			for k := range c.costs {
				c.costs[k] = append(c.costs[k], (after[k]-before[k])/round)
			}
		}
	}
	for _, c := range clients {
		for k, unit := range []string{"µs", "cpu-µs", "allocs", "B"} {
			slices.Sort(c.costs[k])
			b.ReportMetric(c.costs[k][len(c.costs[k])/2], c.name+"-"+unit)
		}
	}
}

// costs returns what this process has used: µs, µs of processor time, allocations and their bytes.
func costs() [4]float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the process itself
	return [4]float64{
		float64(time.Now().UnixMicro()), float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3,
		float64(m.Mallocs), float64(m.TotalAlloc),
	}
}
