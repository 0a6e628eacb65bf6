package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

const (
	attemptTime = 10 * time.Second // of one attempt, from the DNS look-up to the response headers
	maxInterim  = 5                // 1xx responses before the final one
	drainBytes  = 16 << 10         // read of a response body to keep the connection
	drainTime   = time.Second
)

const noURL = "webhook_url must be an absolute URL with a host"

// result is the result of an attempt.
type result struct {
	status int    // of the response; 0: there was none
	reason string // of the failure; empty: delivered
	// blocked reports that the URL may not be used, so nothing was sent and a retry is useless.
	blocked bool
}

// send makes one attempt, which the receiver may link to span, unless that is zero. Any status but
// 2xx is a failure; redirects are not followed. The end of ctx closes the connection.
func (c *connection) send(ctx context.Context, id string, body []byte, now time.Time, span tracecontext.Context) result {
	kept := false
	defer func() {
		if kept {
			c.keep(now)
		} else {
			c.close()
		}
	}()
	if c.refusal != "" {
		return result{reason: c.refusal, blocked: true}
	}
	if err := c.open(ctx); err != nil {
		return failure(err)
	}
	res, err := c.exchange(id, body, now, span)
	if err != nil {
		return failure(err)
	}
	kept = c.drain(res)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return result{status: res.StatusCode, reason: fmt.Sprintf("responded %d", res.StatusCode)}
	}
	return result{status: res.StatusCode}
}

// exchange sends a request and reads the head of the response.
func (c *connection) exchange(id string, body []byte, now time.Time, span tracecontext.Context) (*http.Response, error) {
	c.text = append(append(c.text[:0], c.head...), "Content-Length: "...)
	c.text = append(strconv.AppendInt(c.text, int64(len(body)), 10), "\r\n"...)
	if span.Parent != "" {
		c.text = append(append(append(c.text, "Traceparent: "...), span.Parent...), "\r\n"...)
	}
	c.text = append(c.headers.appendTo(c.text, id, now, body), "\r\n"...)
	c.text = append(c.text, body...)
	_, err := c.conn.Write(c.text)
	if err != nil { // a receiver may respond without reading the whole request
		if late := c.conn.SetReadDeadline(time.Now().Add(drainTime)); late != nil {
			return nil, errors.Join(err, late)
		}
	}
	c.left = maxHeaders
	for range maxInterim {
		res, failed := http.ReadResponse(c.in, c.request)
		if failed != nil {
			return nil, errors.Join(err, failed)
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			res.Close = res.Close || err != nil
			return res, nil
		}
	}
	return nil, errInterim
}

var errInterim = errors.New("webhook: no final response after 1xx responses")

// drain reads a short response body and reports whether the connection can be used again. It
// cannot after a body that is longer than drainBytes or takes longer than drainTime.
func (c *connection) drain(res *http.Response) bool {
	if res.Close || res.StatusCode == http.StatusSwitchingProtocols {
		return false
	}
	if res.Body != http.NoBody {
		c.left = drainBytes
		if err := c.conn.SetDeadline(time.Now().Add(drainTime)); err != nil {
			return false
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return false // the status is known, so this is no failure
		}
	}
	return c.in.Buffered() == 0
}

// failure returns the reason why there was no response. It leaves out the text of network errors,
// which may reveal the operator's network.
func failure(err error) result {
	var refusal webhookurl.Refusal
	var dns net.Error
	switch {
	case errors.As(err, &refusal) && refusal == webhookurl.Unresolved:
		return result{reason: "webhook_url " + refusal.Error()}
	case errors.As(err, &refusal):
		return result{reason: "webhook_url " + refusal.Error(), blocked: true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.Timeout():
		return result{reason: "no response in time"}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return result{reason: "could not connect"}
	}
	return result{reason: "the connection failed before the response"}
}
