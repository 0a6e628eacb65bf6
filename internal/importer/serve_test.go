package importer_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/vault"
	"github.com/b2b-protocol/b2b/server"
)

// site is a server over what was imported, and the credentials of the old one.
type site struct {
	testing.TB
	url      string
	client   *http.Client
	store    *sqlstore.Store
	keys     *seal.Keyring
	expected *expected
	cookies  map[string]string // of logins, by who
}

// serve starts a server whose clock stands just after the sample was made. Its jobs do
// not run, so nothing is too old.
func serve(t testing.TB, to target, e *expected) *site {
	t.Helper()
	c := server.Config{
		DataDir: to.dir, DatabaseURL: to.url, AdminSecret: e.Credentials.Admin.Value, MaxMessage: 65536, MaxFileSizeMB: 50, Now: e.after,
	}
	log := slog.New(slog.DiscardHandler)
	s, err := server.New(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	disk := must(server.OpenFiles(t.Context(), c, s.Store(), slog.New(slog.DiscardHandler)))(t)
	keys := must(vault.Open(t.Context(), vault.Config{Store: store.Narrow(s.Store(), func(tx store.Tx) vault.Tx { return tx }), Files: disk, Log: log}))(t)
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
	h := (&nettest.Network{}).NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{TB: t, url: h.URL, client: h.Client(), store: s.Store(), keys: keys, expected: e, cookies: map[string]string{}}
}

// response is an answer of the server.
type response struct {
	Status int
	ETag   string
	Header http.Header
	Raw    []byte
	Body   any // of JSON
}

// as sends a request as somebody, named as in http-answers.json.
func (s *site) as(who, method, path string, body any) *response {
	s.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+path, payload)
	if err != nil {
		s.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	s.identify(req, who)
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() {
		if err := res.Body.Close(); err != nil {
			s.Error(err)
		}
	}()
	out := &response{Status: res.StatusCode, ETag: res.Header.Get("ETag"), Header: res.Header}
	if out.Raw, err = io.ReadAll(res.Body); err != nil {
		s.Fatal(err)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") && res.Header.Get("Content-Disposition") == "" {
		d := json.NewDecoder(bytes.NewReader(out.Raw))
		d.UseNumber()
		if err := d.Decode(&out.Body); err != nil {
			s.Fatalf("%s %s: %v in %.200q", method, path, err, out.Raw)
		}
	}
	return out
}

// identify gives a request the credential of whom it is sent as.
func (s *site) identify(req *http.Request, who string) {
	s.Helper()
	kind, name, _ := strings.Cut(who, ":")
	c := &s.expected.Credentials
	switch kind {
	case "":
		return
	case "bot":
		for _, b := range c.Bots {
			if b.Org+"/"+b.Name == name || b.ID == name {
				req.Header.Set("Authorization", "Bearer "+b.Token)
				return
			}
		}
	case "scoped":
		for _, t := range c.Scoped {
			if t.ID == name {
				req.Header.Set("Authorization", "Bearer "+t.Token)
				return
			}
		}
	case "dead":
		for _, d := range c.Dead {
			if d.What == "bot" && d.Name == name {
				req.Header.Set("Authorization", "Bearer "+d.Token)
				return
			}
		}
	case "org_admin", "super_admin":
		req.Header.Set("Cookie", "hxa_session="+s.login(who))
		return
	}
	s.Fatalf("nobody is called %s", who)
}

// login gives the session of a person, which is begun when it is first needed.
func (s *site) login(who string) string {
	s.Helper()
	if cookie := s.cookies[who]; cookie != "" {
		return cookie
	}
	body := map[string]string{"type": "super_admin", "admin_secret": s.expected.Credentials.Admin.Value}
	if key, ok := strings.CutPrefix(who, "org_admin:"); ok {
		for _, o := range s.expected.Credentials.Orgs {
			if o.Key == key || o.ID == key {
				body = map[string]string{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}
			}
		}
	}
	r := s.as("", "POST", "/api/auth/login", body)
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		if c.Name == "hxa_session" {
			s.cookies[who] = c.Value
			return c.Value
		}
	}
	s.Fatalf("login of %s: %d %s", who, r.Status, r.Raw)
	return ""
}
