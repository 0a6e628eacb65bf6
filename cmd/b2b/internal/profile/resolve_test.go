package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
)

// TestResolve: a flag counts before the environment, and the environment before a profile.
func TestResolve(t *testing.T) {
	t.Parallel()
	s := saved(t, "one", "two")
	must(t, s.SetCurrent("one"))
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(" of-file\n"), 0o600))
	tests := []struct {
		name                    string
		profile, url, tokenFile string
		env                     string // NAME=value, separated by blanks
		wantURL, wantToken      string
		wantProfile             string
		wantError               string
	}{
		{name: "the current profile", wantURL: "http://one", wantToken: secret + "one", wantProfile: "one"},
		{name: "the profile of the environment", env: "B2B_PROFILE=two", wantURL: "http://two", wantToken: secret + "two",
			wantProfile: "two"},
		{name: "the profile of the flag", profile: "one", env: "B2B_PROFILE=two", wantURL: "http://one", wantToken: secret + "one",
			wantProfile: "one"},
		{name: "no profile is needed", env: "B2B_URL=http://e/ B2B_TOKEN=of-env", wantURL: "http://e", wantToken: "of-env"},
		{name: "the token of the environment, the address of the profile", env: "B2B_TOKEN=of-env", wantURL: "http://one",
			wantToken: "of-env", wantProfile: "one"},
		{name: "a named profile before the environment", profile: "two", env: "B2B_URL=http://e B2B_TOKEN=of-env",
			wantURL: "http://two", wantToken: secret + "two", wantProfile: "two"},
		{name: "the flags before the environment", url: "http://f", tokenFile: file, env: "B2B_URL=http://e B2B_TOKEN=of-env",
			wantURL: "http://f", wantToken: "of-file"},
		{name: "a file of the environment", env: "B2B_URL=http://e B2B_TOKEN_FILE=" + file, wantURL: "http://e",
			wantToken: "of-file"},
		{name: "the token of a profile for its own server", url: "http://two/", profile: "two", wantURL: "http://two",
			wantToken: secret + "two", wantProfile: "two"},
		{name: "the token of a profile for another server", url: "http://evil", wantError: "is for http://one, not for http://evil"},
		{name: "the same by the environment", env: "B2B_URL=http://evil", wantError: "is for http://one, not for http://evil"},
		{name: "an unknown profile", profile: "three", wantError: "no such profile"},
		{name: "no such file", tokenFile: file + "x", wantError: "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{}
			for pair := range strings.FieldsSeq(tt.env) {
				name, value, _ := strings.Cut(pair, "=")
				env[name] = value
			}
			c, err := s.Resolve(profile.Query{Profile: tt.profile, URL: tt.url, TokenFile: tt.tokenFile,
				Getenv: func(n string) string { return env[n] }})
			if tt.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantError) || strings.Contains(err.Error(), secret) {
					t.Fatalf("%v, want an error with %q", err, tt.wantError)
				}
				return
			}
			if err != nil || c.URL != tt.wantURL || c.Token != tt.wantToken {
				t.Fatalf("%+v, %v", c, err)
			}
			if got := c.Profile; (got == nil) != (tt.wantProfile == "") || got != nil && got.Name != tt.wantProfile {
				t.Errorf("the profile is %+v", got)
			}
		})
	}
}

func TestNothingToResolve(t *testing.T) {
	t.Parallel()
	for _, s := range []profile.Store{{}, {Folder: t.TempDir()}} {
		_, err := s.Resolve(profile.Query{Getenv: func(string) string { return "" }})
		if !errors.Is(err, profile.ErrNoConnection) || !strings.Contains(err.Error(), "b2b join") {
			t.Error(err)
		}
	}
}
