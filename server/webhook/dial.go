package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	dialTimeout  = 5 * time.Second
	maxAddresses = 4        // of one host that are tried
	maxHeaders   = 16 << 10 // bytes of an answer's headers
	keepIdle     = 30 * time.Second
	maxIdle      = 256 // connections that are kept for the next event
)

// transports makes the two ways out: a connection for plain http may lead to fewer
// addresses than one that is encrypted.
func transports(p webhookurl.Policy) map[string]*http.Transport {
	out := map[string]*http.Transport{}
	for _, scheme := range []string{"http", "https"} {
		var http1 http.Protocols
		http1.SetHTTP1(true)
		out[scheme] = &http.Transport{
			Proxy:                  nil, // a proxy would be asked for addresses that were not checked
			DialContext:            dialer(p, scheme),
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxHeaders,
			DisableCompression:     true,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        keepIdle,
			Protocols:              &http1,
		}
	}
	return out
}

// dialer connects to a host at an address that the policy permits. The name is looked up
// here, once, and what was looked up is what is dialled: no second answer of a name
// server can lead elsewhere (B2B-HOOK-031).
func dialer(p webhookurl.Policy, scheme string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("dial: %w", err)
		}
		addrs, err := p.Addresses(ctx, scheme, host)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("dial %q: %w", address, err)
			}
			return p.Permit(scheme, host, at.Addr())
		}}
		var failed error
		for _, a := range addrs[:min(len(addrs), maxAddresses)] {
			conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port))
			if err == nil {
				return conn, nil
			}
			failed = errors.Join(failed, err)
		}
		return nil, failed
	}
}
