package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

const (
	dialTimeout  = 5 * time.Second
	maxAddresses = 4 // of a host, to try
)

// dialer connects to the host of a URL.
type dialer func(ctx context.Context, to *url.URL) (net.Conn, error)

// dialers returns a dialer for each scheme, as the policy may permit fewer addresses for http. No
// proxy is used, because it could connect to addresses that were not checked.
func dialers(p webhookurl.Policy) map[string]dialer {
	return map[string]dialer{"http": plain(p, "80"), "https": encrypted(plain(p, "443"), &tls.Config{})}
}

// plain connects to an address of the host that the policy permits. It looks the name up once and
// dials the addresses that it checked, so that a second DNS response cannot lead elsewhere
// (B2B-HOOK-031).
func plain(p webhookurl.Policy, usual string) dialer {
	return func(ctx context.Context, to *url.URL) (net.Conn, error) {
		host, port := to.Hostname(), to.Port()
		if port == "" {
			port = usual
		}
		addrs, err := p.Addresses(ctx, to.Scheme, host)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("dial %q: %w", address, err)
			}
			return p.Permit(to.Scheme, host, at.Addr())
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

// encrypted adds TLS to the connections of a dialer, and verifies the host of the URL. It changes
// cfg.
func encrypted(dial dialer, cfg *tls.Config) dialer {
	cfg.MinVersion, cfg.NextProtos = tls.VersionTLS12, []string{"http/1.1"}
	return func(ctx context.Context, to *url.URL) (net.Conn, error) {
		conn, err := dial(ctx, to)
		if err != nil {
			return nil, err
		}
		own := cfg.Clone()
		own.ServerName = to.Hostname()
		secure := tls.Client(conn, own)
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS handshake: %w", err), conn.Close())
		}
		return secure, nil
	}
}
