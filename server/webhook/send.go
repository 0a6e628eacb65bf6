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

	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	attemptTime = 10 * time.Second // one attempt, from looking the name up to the answer's headers
	maxInterim  = 5                // answers 1xx before the one that counts
	drainBytes  = 16 << 10         // of an answer's body that are read to keep the connection
	drainTime   = time.Second
)

const noURL = "the address is no URL with a host"

// result is how an attempt went.
type result struct {
	status int    // of the answer; 0: there was none
	reason string // why it failed, in words; empty: delivered
	// blocked says that the address may not be used: nothing was sent, and trying
	// again would not help.
	blocked bool
}

// send makes one attempt. It never follows a redirect: any status but 2xx is a failure.
// When ctx ends, so does the line.
func (c *connection) send(ctx context.Context, id string, body []byte, now time.Time) result {
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
	res, err := c.exchange(id, body, now)
	if err != nil {
		return failure(err)
	}
	kept = c.drain(res)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return result{status: res.StatusCode, reason: fmt.Sprintf("answered %d", res.StatusCode)}
	}
	return result{status: res.StatusCode}
}

// exchange sends a request and reads the head of its answer.
func (c *connection) exchange(id string, body []byte, now time.Time) (*http.Response, error) {
	c.text = append(append(c.text[:0], c.head...), "Content-Length: "...)
	c.text = append(strconv.AppendInt(c.text, int64(len(body)), 10), "\r\n"...)
	c.text = append(c.signer.appendTo(c.text, id, now, body), "\r\n"...)
	c.text = append(c.text, body...)
	_, err := c.conn.Write(c.text)
	if err != nil { // who does not read all of a request may have answered it all the same
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

var errInterim = errors.New("webhook: nothing but interim answers")

// drain reads a little of the answer's body, so that the connection can be used again,
// and tells whether it can. It gives up on a body that is longer, or comes slowly.
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
			return false // the status has come: the rest does not matter
		}
	}
	return c.in.Buffered() == 0
}

// failure says why there was no answer, without the words of the network: they may
// tell about the operator's side.
func failure(err error) result {
	var refusal webhookurl.Refusal
	var dns net.Error
	switch {
	case errors.As(err, &refusal) && refusal == webhookurl.Unresolved:
		return result{reason: "the address " + refusal.Error()}
	case errors.As(err, &refusal):
		return result{reason: "the address " + refusal.Error(), blocked: true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.Timeout():
		return result{reason: "no answer in time"}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return result{reason: "no connection"}
	}
	return result{reason: "the connection failed before an answer came"}
}
