package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
)

// patient is what the checks know.
type patient struct {
	*run
	url     *url.URL
	proxied *url.URL // nil: there is no proxy
	address string   // that is dialled: host and port
	conn    *profile.Connection
}

const (
	stepTime   = 30 * time.Second // of a check
	doctorTime = 3 * time.Minute
)

func (p *patient) profile(context.Context) finding {
	if err := p.open(); err != nil && p.app.Getenv(profile.EnvToken) == "" {
		return failed(ExitCredential, "", "%v", err)
	}
	conn, err := p.store.Resolve(p.query())
	if err != nil {
		var urlErr error
		if p.conn, urlErr = p.store.URLOf(p.query()); urlErr != nil {
			p.conn = &profile.Connection{}
		}
		_, hint, exit := p.reason(err)
		return failed(exit, hint, "%v", err)
	}
	p.conn = conn
	if conn.Profile == nil {
		return fine("none: the address and the token are from the environment or flags")
	}
	from := "its token"
	if conn.Token != conn.Profile.Token {
		from = "its address, with a token from the environment or a flag"
	}
	return fine("%s: %s (%s)", conn.Profile.Name, from, p.store.Path(conn.Profile.Name))
}

func (p *patient) checkAddress(context.Context) finding {
	if p.conn.URL == "" {
		return failed(ExitUsage, "Set B2B_URL, or join an org: b2b join LINK.", "there is no address of a server")
	}
	if err := checkURL(p.conn.URL); err != nil {
		return failed(ExitUsage, "", "%v", err)
	}
	u, err := url.Parse(p.conn.URL)
	if err != nil {
		return failed(ExitUsage, "", "the address cannot be read")
	}
	p.url = u
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "http" && !local(u.Hostname()) {
		return warning("Use https, or a tunnel: whoever sees the traffic has the token.", "%s is not encrypted", p.conn.URL)
	}
	return fine("%s", p.conn.URL)
}

// local reports whether a host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func (p *patient) proxy(context.Context) finding {
	if p.url == nil {
		return finding{State: stateSkipped, Message: "needs: address"}
	}
	proxied, err := http.ProxyFromEnvironment(&http.Request{URL: p.url})
	if err != nil {
		return failed(ExitUsage, "Correct HTTP_PROXY, HTTPS_PROXY and NO_PROXY.", "the proxy of the environment cannot be used: %v",
			err)
	}
	if proxied == nil {
		return fine("none")
	}
	p.proxied = proxied
	return warning("If the server is in your own network, add its name to NO_PROXY.", "requests go through the proxy %s",
		proxied.Redacted())
}

func (p *patient) name(ctx context.Context) finding {
	host := p.url.Hostname()
	if p.proxied != nil {
		host = p.proxied.Hostname()
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return failed(ExitUnreachable, "Is the name right? Does this machine have a network, and a name server?", "%s is unknown: %v",
			host, err)
	}
	return fine("%s is %s", host, strings.Join(found[:min(len(found), 3)], ", "))
}

func (p *patient) connection(ctx context.Context) finding {
	address := p.address
	if p.proxied != nil {
		port := p.proxied.Port()
		if port == "" {
			port = "80"
		}
		address = net.JoinHostPort(p.proxied.Hostname(), port)
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	begun := time.Now()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return failed(ExitUnreachable, "Does the server run, on this port? Does a firewall let you through? "+
			"On its machine: curl http://localhost:4800/health",
			"%s does not accept a connection: %v", address, err)
	}
	c.Close()
	return fine("%s accepts connections (%v)", address, time.Since(begun).Round(time.Millisecond))
}

func (p *patient) checkTLS(ctx context.Context) finding {
	if p.url.Scheme != "https" {
		return finding{State: stateSkipped, Message: "the address is http"}
	}
	if p.proxied != nil {
		return finding{State: stateSkipped, Message: "behind a proxy"}
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	c, err := (&tls.Dialer{Config: &tls.Config{ServerName: p.url.Hostname()}}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return badTLS(err)
	}
	defer c.Close()
	state := c.(*tls.Conn).ConnectionState()
	if len(state.PeerCertificates) == 0 {
		return fine("%s", tls.VersionName(state.Version))
	}
	end := state.PeerCertificates[0].NotAfter
	if left := time.Until(end); left < 7*24*time.Hour {
		return warning("Renew it on the server or its proxy.", "the certificate ends on %s", end.UTC().Format(time.DateOnly))
	}
	return fine("%s, the certificate is valid until %s", tls.VersionName(state.Version), end.UTC().Format(time.DateOnly))
}

// badTLS explains a handshake that failed.
func badTLS(err error) finding {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	hint := "The server or a proxy before it does not speak TLS as it should."
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		hint = "Either the certificate must be renewed on the server, or the clock of this machine is wrong: it says " +
			time.Now().UTC().Format(time.RFC3339) + "."
	case errors.As(err, &unknown):
		hint = "A certificate of your own authority: name its file in SSL_CERT_FILE, or add it to this machine. " +
			"A proxy that looks into TLS also causes this."
	case errors.As(err, &host):
		hint = "Use the name that the certificate is for."
	case errors.As(err, &record):
		hint = "The port does not speak TLS: the address begins with http:// there."
	}
	return failed(ExitUnreachable, hint, "%v", err)
}
