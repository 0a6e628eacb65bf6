package config

import (
	"strings"
	"testing"
)

const goodToken = "7a1e55c09b3d4f2288aa" // not in use

// The admin listener needs an address of its own. What other machines reach is warned of, and no
// message has the token.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		env     []string
		listen  string
		problem string // part of it; "": none
		warning string
	}{
		{"none", nil, "", "", ""},
		{"loopback", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4801"}, "127.0.0.1:4801", "", ""},
		{"a name in capitals, blanks and zeros", []string{"B2B_ADMIN_LISTEN", " LocalHost:04801 "}, "localhost:4801", "", ""},
		{"IPv6", []string{"B2B_ADMIN_LISTEN", "[::1]:0"}, "[::1]:0", "", ""},
		{"loopback with a token", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4801", "B2B_ADMIN_LISTEN_TOKEN", goodToken}, "127.0.0.1:4801", "", ""},
		{"everywhere", []string{"B2B_ADMIN_LISTEN", "0.0.0.0:4801"}, "0.0.0.0:4801", "", "profiles are not served"},
		{"everywhere by IPv6", []string{"B2B_ADMIN_LISTEN", "[::]:4801"}, "[::]:4801", "", "profiles are not served"},
		{"a host that others reach", []string{"B2B_ADMIN_LISTEN", "b2b.internal:4801"}, "b2b.internal:4801", "", "Set B2B_ADMIN_LISTEN_TOKEN"},
		{"everywhere with a token", []string{"B2B_ADMIN_LISTEN", "0.0.0.0:4801", "B2B_ADMIN_LISTEN_TOKEN", goodToken}, "0.0.0.0:4801", "", "unencrypted"},
		{"a token alone", []string{"B2B_ADMIN_LISTEN_TOKEN", goodToken}, "", "", "is not used"},
		{"a port alone", []string{"B2B_ADMIN_LISTEN", "4801"}, "", "an address or a host name", ""},
		{"a port after a colon", []string{"B2B_ADMIN_LISTEN", ":4801"}, "", "an address or a host name", ""},
		{"a URL", []string{"B2B_ADMIN_LISTEN", "http://127.0.0.1:4801"}, "", "an address or a host name", ""},
		{"no host name", []string{"B2B_ADMIN_LISTEN", "a b:4801"}, "", "must begin with an address", ""},
		{"no port", []string{"B2B_ADMIN_LISTEN", "127.0.0.1"}, "", "an address or a host name", ""},
		{"too large a port", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:70000"}, "", "a port from 0 to 65535", ""},
		{"the port of the server", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4800"}, "127.0.0.1:4800", "has the port of the server", ""},
		{"that port of another address", []string{"B2B_HOST", "192.0.2.1", "B2B_ADMIN_LISTEN", "127.0.0.1:4800"}, "127.0.0.1:4800", "", ""},
		{"a token that can be guessed", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4801", "B2B_ADMIN_LISTEN_TOKEN", "tooshort"}, "127.0.0.1:4801", "fewer than 16 characters", ""},
		{"a token with a blank", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4801", "B2B_ADMIN_LISTEN_TOKEN", "7a1e55c09b3d 4f2288aa"}, "127.0.0.1:4801", "no blanks", ""},
		{"the admin secret as the token", []string{"B2B_ADMIN_LISTEN", "127.0.0.1:4801", "B2B_ADMIN_LISTEN_TOKEN", goodSecret}, "127.0.0.1:4801", "would be super admin", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(vars(c.env...))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if (c.problem == "") != (err == nil) || !strings.Contains(text, c.problem) {
				t.Errorf("the problem is %q, want %q", text, c.problem)
			}
			if got.AdminListen != c.listen {
				t.Errorf("it listens on %q, want %q", got.AdminListen, c.listen)
			}
			warnings := strings.Join(got.Warnings(), "\n")
			if err == nil && ((c.warning == "") != (warnings == "") || !strings.Contains(warnings, c.warning)) {
				t.Errorf("the warnings are %q, want %q", warnings, c.warning)
			}
			for _, s := range got.Settings() {
				text += s.Value
			}
			for i := 0; i+1 < len(c.env); i += 2 {
				if c.env[i] == "B2B_ADMIN_LISTEN_TOKEN" && strings.Contains(text+warnings, c.env[i+1]) {
					t.Errorf("a message has the token: %s", text+warnings)
				}
			}
		})
	}
	if err := (Config{AdminSecret: goodSecret, DataDir: "d", AdminListen: "4801"}).Validate(); err == nil || !strings.Contains(err.Error(), "B2B_ADMIN_LISTEN") {
		t.Errorf("a Config with an address without a host: %v", err)
	}
}
