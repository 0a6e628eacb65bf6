package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// open finds the folder of the profiles.
func (r *run) open() error {
	folder, err := profile.Folder(r.app.Getenv)
	if err != nil {
		return err
	}
	r.store = profile.Store{Folder: folder}
	return nil
}

// query returns what the caller gave to find a server and a token.
func (r *run) query() profile.Query {
	return profile.Query{Profile: r.profile, URL: r.url, TokenFile: r.tokenFile, Getenv: r.app.Getenv}
}

// connect returns the client of the bot that the verb acts as.
func (r *run) connect() (*b2b.Client, error) {
	if r.client != nil {
		return r.client, nil
	}
	if err := r.open(); err != nil && (r.app.Getenv(profile.EnvToken) == "" && r.tokenFile == "" || r.profile != "") {
		return nil, err // without a folder, what the environment has must do
	}
	conn, err := r.store.Resolve(r.query())
	if err != nil {
		return nil, err
	}
	if err := checkURL(conn.URL); err != nil {
		return nil, err
	}
	r.conn, r.client = conn, r.clientOf(conn.URL, b2b.WithToken(conn.Token))
	return r.client, nil
}

// checkURL returns what is wrong with the address of a server. It does not repeat the address, which may
// have a secret that does not belong there.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return usageError("the base URL of the server must be an address such as https://b2b.example.org")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return usageError("the base URL of the server must have no user, no query and no fragment")
	}
	return nil
}

// clientOf returns a client of a server.
func (r *run) clientOf(url string, opts ...b2b.Option) *b2b.Client {
	return b2b.New(url, append([]b2b.Option{b2b.WithHTTPClient(r.http())}, opts...)...)
}

func (r *run) http() *http.Client { return &http.Client{Transport: r.clock} }

// clock makes requests, and learns from the responses what time the server has: the clock of this
// machine may be wrong, and relative times refer to that of the server.
type clock struct {
	next http.RoundTripper
	now  func() time.Time
	log  func(format string, args ...any)

	mu   sync.Mutex
	skew time.Duration // the time of the server less that of this machine
}

// Now returns the time of the server, as far as it is known.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(c.skew)
}

// Skew returns the time of the server less that of this machine; 0 if they differ by no more than what
// the header of a response tells.
func (c *clock) Skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

// RoundTrip implements http.RoundTripper.
func (c *clock) RoundTrip(req *http.Request) (*http.Response, error) {
	begun := time.Now()
	res, err := c.next.RoundTrip(req)
	took := time.Since(begun).Round(time.Millisecond)
	if err != nil {
		c.log("%s %s%s: %v (%v)", req.Method, req.URL.Host, req.URL.Path, err, took)
		return nil, err
	}
	c.log("%s %s%s: %d (%v)", req.Method, req.URL.Host, req.URL.Path, res.StatusCode, took)
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		c.mu.Lock()
		c.skew = 0
		if d := at.Sub(c.now()); d.Abs() > took+2*time.Second { // the header has whole seconds
			c.skew = d.Round(time.Second)
		}
		c.mu.Unlock()
	}
	return res, nil
}

// name returns how to call a verb with the same profile, for hints.
func (r *run) b2b(format string, args ...any) string {
	text := "b2b " + fmt.Sprintf(format, args...)
	if r.profile != "" {
		text += " --profile " + r.profile
	}
	return text
}
