package profile

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Query is what a caller gave to find a server and a token. Empty values are not given.
type Query struct {
	Profile   string // flag --profile
	URL       string // flag --url
	TokenFile string // flag --token-file
	Getenv    func(string) string
}

// Connection is a server and the token for it.
type Connection struct {
	URL   string
	Token string
	// Profile is the profile that one of them is from; nil: none.
	Profile *Profile
}

// The names of the environment variables.
const (
	EnvProfile   = "B2B_PROFILE"
	EnvURL       = "B2B_URL"
	EnvToken     = "B2B_TOKEN"
	EnvTokenFile = "B2B_TOKEN_FILE"
)

// ErrNoConnection is the error of a call without a server or without a token.
var ErrNoConnection = errors.New("no profile")

// ErrOtherServer is the error of a token that would go to another server than its own.
var ErrOtherServer = errors.New("no token for this server")

// Resolve returns the server and the token of a call. A profile that the query names counts before the
// environment; the profile of the environment, or the current one, gives what is still missing.
func (s Store) Resolve(q Query) (*Connection, error) {
	c, err := s.URLOf(q)
	if err != nil {
		return nil, err
	}
	if c.Token == "" && c.Profile != nil {
		if c.URL != c.Profile.URL {
			return nil, fmt.Errorf("%w: that of profile %q is for %s, not for %s; "+
				"give B2B_TOKEN or --token-file with the other address, or leave the address out",
				ErrOtherServer, c.Profile.Name, c.Profile.URL, c.URL)
		}
		c.Token = c.Profile.Token
	}
	switch {
	case c.URL == "":
		return nil, fmt.Errorf("%w: join an org first (b2b join LINK), or set B2B_URL and B2B_TOKEN", ErrNoConnection)
	case c.Token == "":
		return nil, fmt.Errorf("%w, and no token for %s: join an org first (b2b join LINK), or set B2B_TOKEN", ErrNoConnection, c.URL)
	}
	return c, nil
}

// URLOf is Resolve for a call that may need no token: of the token it returns only one that does not
// come from a profile, and the address may be missing.
func (s Store) URLOf(q Query) (*Connection, error) {
	c := &Connection{URL: q.URL}
	named := q.Profile
	var err error
	switch {
	case q.TokenFile != "":
		c.Token, err = ReadToken(q.TokenFile)
	case named != "":
	case q.Getenv(EnvToken) != "":
		c.Token = strings.TrimSpace(q.Getenv(EnvToken))
	case q.Getenv(EnvTokenFile) != "":
		c.Token, err = ReadToken(q.Getenv(EnvTokenFile))
	}
	if err != nil {
		return nil, err
	}
	if c.URL == "" && named == "" {
		c.URL = q.Getenv(EnvURL)
	}
	if c.URL == "" || c.Token == "" {
		if named == "" {
			named = q.Getenv(EnvProfile)
		}
		if named == "" {
			if named, err = s.Current(); err != nil {
				return nil, err
			}
		}
		if named != "" {
			if c.Profile, err = s.Load(named); err != nil {
				return nil, err
			}
		}
	}
	if c.URL == "" && c.Profile != nil {
		c.URL = c.Profile.URL
	}
	c.URL = strings.TrimRight(c.URL, "/")
	return c, nil
}

// ReadToken reads a file that has only a token.
func ReadToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > 4096 {
		return "", fmt.Errorf("the file %s is too large to have only a token", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("the file %s has no token", path)
	}
	return token, nil
}
