package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	attemptTime = 10 * time.Second // one attempt, from looking the name up to the answer's headers
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

// sender makes attempts. Any number of goroutines may use it.
type sender struct {
	transports map[string]*http.Transport // by scheme
	agent      string
	patience   time.Duration // how long an attempt may take
}

func newSender(p webhookurl.Policy, version string, patience time.Duration) *sender {
	return &sender{transports: transports(p), agent: "b2b-webhook/" + version, patience: patience}
}

func (s *sender) close() {
	for _, t := range s.transports {
		t.CloseIdleConnections()
	}
}

// destination is where a webhook leads.
type destination struct {
	address   string
	transport *http.Transport
	refusal   string // why nothing may be sent there; empty: it may
}

// destination reads an address.
func (s *sender) destination(address string) destination {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return destination{refusal: noURL}
	}
	transport := s.transports[u.Scheme]
	switch {
	case transport == nil:
		return destination{refusal: "the address is neither https nor http"}
	case u.User != nil:
		return destination{refusal: "the address " + webhookurl.WithUser.Error()}
	}
	return destination{address: address, transport: transport}
}

// message is what an attempt sends.
type message struct {
	to     destination
	signer *signer
	id     string
	body   []byte
}

// send makes one attempt. It never follows a redirect: any status but 2xx is a failure.
func (s *sender) send(ctx context.Context, m message, now time.Time) result {
	if m.to.refusal != "" {
		return result{reason: m.to.refusal, blocked: true}
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.to.address, bytes.NewReader(m.body))
	if err != nil {
		return result{reason: noURL, blocked: true}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.agent)
	m.signer.sign(req.Header, m.id, now, m.body)
	res, err := m.to.transport.RoundTrip(req)
	if err != nil {
		return failure(err)
	}
	drain(res, cancel)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return result{status: res.StatusCode, reason: fmt.Sprintf("answered %d", res.StatusCode)}
	}
	return result{status: res.StatusCode}
}

// drain reads a little of the answer, so that the connection can be used again, and
// gives up on one that has more to say, or says it slowly.
func drain(res *http.Response, cancel func()) {
	defer res.Body.Close()
	if res.Body == http.NoBody {
		return
	}
	defer time.AfterFunc(drainTime, cancel).Stop()
	_, _ = io.CopyN(io.Discard, res.Body, drainBytes) // the status has come: the rest does not matter
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
