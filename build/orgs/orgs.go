// Package orgs makes orgs and bots on a running server, for the programs that run the SDKs against
// it. It sends plain HTTP, so that what it does depends on no SDK.
package orgs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// timeout is how long one call may take, also on a machine that is busy.
const timeout = 30 * time.Second

// Call sends a request with the JSON of body, if that is not nil, and reads the JSON of the response
// into into, if that is not nil. A response without success is an error. The header may be nil.
func Call(ctx context.Context, method, url string, header http.Header, body, into any) (http.Header, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %d %s", method, req.URL.Path, res.StatusCode, text)
	}
	if into == nil {
		return res.Header, nil
	}
	return res.Header, json.Unmarshal(text, into)
}

// Bearer returns the header that authenticates with a token.
func Bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// Admin is a session of the super admin.
type Admin struct {
	url    string
	cookie http.Header
}

// Login begins a session with the admin secret. The URL has no slash at its end.
func Login(ctx context.Context, url, secret string) (*Admin, error) {
	header, err := Call(ctx, http.MethodPost, url+"/api/auth/login", nil, map[string]string{"type": "super_admin", "admin_secret": secret}, nil)
	if err != nil {
		return nil, err
	}
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil {
		return nil, fmt.Errorf("read the cookie of the session: %w", err)
	}
	return &Admin{url: url, cookie: http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}}, nil
}

// Org is an org with bots, of which the first is an admin.
type Org struct {
	ID     string   `json:"id"`
	Secret string   `json:"org_secret"`
	Tokens []string `json:"-"` // of the bots
}

// Org makes an org with bots of these names.
func (a *Admin) Org(ctx context.Context, name string, bots ...string) (*Org, error) {
	org := &Org{}
	if _, err := Call(ctx, http.MethodPost, a.url+"/api/orgs", a.cookie, map[string]string{"name": name}, org); err != nil {
		return nil, err
	}
	for _, name := range bots {
		var bot struct {
			Token string `json:"token"`
		}
		if _, err := Call(ctx, http.MethodPost, a.url+"/api/auth/register", nil, map[string]string{
			"org_id": org.ID, "org_secret": org.Secret, "name": name,
		}, &bot); err != nil {
			return nil, err
		}
		org.Tokens = append(org.Tokens, bot.Token)
	}
	return org, nil
}
