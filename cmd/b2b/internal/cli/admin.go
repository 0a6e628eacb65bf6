package cli

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// envOrg has the id of the org that B2B_ORG_SECRET is of; without it, that of the profile counts.
const envOrg = "B2B_ORG"

// admin returns the client of an admin of the org: a person with B2B_ORG_SECRET, or else the bot that
// the verb acts as.
func (r *run) admin() (*b2b.Client, error) {
	secret := r.app.Getenv(envOrgSecret)
	if secret == "" {
		return r.connect()
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	conn, err := r.store.URLOf(r.query())
	if err != nil {
		return nil, err
	}
	org := r.app.Getenv(envOrg)
	if org == "" && conn.Profile != nil {
		org = conn.Profile.OrgID
	}
	switch {
	case conn.URL == "":
		return nil, fmt.Errorf("%w: set B2B_URL to the address of the server", profile.ErrNoConnection)
	case org == "":
		return nil, usageError("B2B_ORG_SECRET is set, but not of which org: set B2B_ORG to the id of the org")
	}
	if err := checkURL(conn.URL); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	r.conn = conn
	c := b2b.New(conn.URL, b2b.WithHTTPClient(&http.Client{Transport: r.clock, Jar: jar}))
	if _, err := c.Auth.Login(r.ctx, &b2bv1.LoginRequest{
		Type: b2bv1.LoginType_LOGIN_TYPE_ORG_ADMIN.Enum(), OrgId: &org, OrgSecret: &secret,
	}); err != nil {
		return nil, hintFor(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_CREDENTIALS,
			"The secret in B2B_ORG_SECRET is not that of the org %s.", org)
	}
	r.logout = func() error {
		_, err := c.Auth.Logout(r.ctx, &b2bv1.LogoutRequest{})
		return err
	}
	return c, nil
}
