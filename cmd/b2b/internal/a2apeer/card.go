package a2apeer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	mostCard  = 1 << 20 // bytes of a card
	cardTime  = 30 * time.Second
	wellKnown = "/.well-known/agent-card.json"
	spoken    = "1" // the major version of A2A
)

// ErrUnreachable is the error of an agent that does not answer.
var ErrUnreachable = errors.New("the agent cannot be reached")

// errNoCard is the error of an address without a card.
var errNoCard = errors.New("there is no agent card")

// Card describes an agent, as the agent does.
type Card struct {
	a2a.AgentCard
	// From is where the card is.
	From *url.URL
	// older is what a card of an earlier version offers.
	older string
}

// FetchCard reads the card of an agent, given by the address of the agent or of its card. No credential
// is sent.
func FetchCard(ctx context.Context, next http.RoundTripper, address string) (*Card, error) {
	base, err := webAddress(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cardTime)
	defer cancel()
	client := &http.Client{Transport: next, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if !strings.HasSuffix(base.Path, ".json") {
		c, err := fetchCard(ctx, client, base.JoinPath(wellKnown))
		if !errors.Is(err, errNoCard) || base.Path == "" || base.Path == "/" {
			return c, err
		}
	}
	return fetchCard(ctx, client, base)
}

// webAddress reads an address. Its errors do not repeat it, which may have a secret that does not belong
// there.
func webAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("the address of the agent must be one such as https://agent.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the agent must have no user, no query and no fragment")
	}
	return u, nil
}

func fetchCard(ctx context.Context, client *http.Client, at *url.URL) (*Card, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the agent card: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, withoutAddress(err))
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return nil, fmt.Errorf("%s leads elsewhere (%s): give the address to which it leads", at, res.Status)
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("%w at %s (%s)", errNoCard, at, res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the agent card at %s is not given out: %s", at, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, mostCard+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case len(text) > mostCard:
		return nil, fmt.Errorf("the agent card at %s has more than %d bytes", at, mostCard)
	}
	c := &Card{From: at}
	if err := json.Unmarshal(text, &c.AgentCard); err != nil {
		return nil, fmt.Errorf("%w at %s: what is there cannot be read as one: %w", errNoCard, at, err)
	}
	var older struct {
		ProtocolVersion    string `json:"protocolVersion"`
		PreferredTransport string `json:"preferredTransport"`
	}
	if json.Unmarshal(text, &older) == nil && older.ProtocolVersion != "" { // a card of A2A 1.0 has no such keys
		c.older = strings.TrimSpace(clean(older.PreferredTransport, mostWord) + " " + clean(older.ProtocolVersion, mostWord))
	}
	if c.Name == "" && len(c.SupportedInterfaces) == 0 && c.older == "" {
		return nil, fmt.Errorf("%w at %s: it has no name and no interfaces", errNoCard, at)
	}
	return c, nil
}

// withoutAddress takes the address out of the error of a request.
func withoutAddress(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// mostWord limits what errors repeat of a card, in bytes.
const mostWord = 64

// endpoint chooses the first interface that can be called: JSON-RPC or REST of A2A 1.0, on the host of
// the card or one of hosts.
func (c *Card) endpoint(hosts []string) (*a2a.AgentInterface, *url.URL, error) {
	var offered, elsewhere []string
	for _, i := range c.SupportedInterfaces {
		if i == nil {
			continue
		}
		if len(offered) < 10 {
			offered = append(offered, clean(string(i.ProtocolBinding), mostWord)+" "+clean(string(i.ProtocolVersion), mostWord))
		}
		major, _, _ := strings.Cut(string(i.ProtocolVersion), ".")
		if i.ProtocolBinding != a2a.TransportProtocolJSONRPC && i.ProtocolBinding != a2a.TransportProtocolHTTPJSON || major != spoken {
			continue
		}
		u, err := webAddress(i.URL)
		if err != nil {
			return nil, nil, fmt.Errorf("an interface of the agent card: %w", err)
		}
		same := func(host string) bool { return strings.EqualFold(host, u.Hostname()) }
		if same(c.From.Hostname()) || slices.ContainsFunc(hosts, same) {
			return i, u, nil
		}
		elsewhere = append(elsewhere, u.Hostname())
	}
	if len(offered) == 0 && c.older != "" {
		offered = append(offered, c.older)
	}
	switch {
	case len(elsewhere) > 0:
		return nil, nil, fmt.Errorf("the agent card is on %s, but its interface on %s: allow that host with --a2a-host, if you trust it",
			c.From.Hostname(), clean(elsewhere[0], 256))
	case len(offered) == 0:
		return nil, nil, errors.New("the agent card has no interfaces")
	}
	return nil, nil, fmt.Errorf("the agent offers %s; what is needed is JSONRPC or HTTP+JSON of A2A 1.0", strings.Join(offered, ", "))
}

// required returns the first extension that callers must support; empty: none.
func (c *Card) required() string {
	for _, e := range c.Capabilities.Extensions {
		if e.Required {
			return clean(e.URI, 256)
		}
	}
	return ""
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
