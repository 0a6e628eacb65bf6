package config

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// Facts returns the settings that a server logs when it starts, without secrets (B2B-ENV-004).
func (c Config) Facts() []slog.Attr {
	database := mask(c.DatabaseURL)
	if database == "" {
		database = "SQLite " + absolute(c.StorePath())
	}
	files := absolute(c.FilesPath())
	if c.FilesURL != "" {
		files = mask(c.FilesURL)
	}
	facts := []slog.Attr{
		slog.String("listen", c.Addr()),
		slog.String("database", database),
		slog.String("files", files),
		slog.String("trusted_proxies", c.Proxies.String()),
		slog.String("cors_origins", orNone(strings.Join(c.CORSOrigins, ","))),
		slog.String("webhook_allow", orNone(c.WebhookAllow.String())),
		slog.String("log_level", strings.ToLower(c.LogLevel.String())),
	}
	optional := func(key, value string) {
		if value != "" {
			facts = append(facts, slog.String(key, value))
		}
	}
	if len(c.SecretKeys) > 0 {
		optional("secret_key", c.SecretKeys[0].ID())
	}
	optional("redis", mask(c.RedisURL))
	optional("domain", c.Domain)
	optional("base_path", c.BasePath)
	optional("admin_listen", c.AdminListen)
	if c.DevMode {
		facts = append(facts, slog.Bool("dev_mode", true))
	}
	return facts
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// shortest is the least length of an admin secret without a warning (B2B-AUTH-083).
const shortest = 16

// common are secrets that attackers try first: those of examples and guides, and obvious
// placeholders.
var common = strings.Fields(`
	secret secretsecret supersecret topsecret mysecret my-secret adminsecret admin-secret my-admin-secret your-admin-secret
	your-admin-secret-here your-secret-here your-secret-key admin-secret-change-me change-me changeme change-me-please
	changemechangeme change-me-in-production password password123 password1234 passwordpassword admin admin123 administrator
	adminadminadminadmin hxa-connect hxa-connect-secret hxa-connect-admin hxa-connect-admin-secret b2b-admin-secret
	a-long-random-text set-it-to-a-long-random-text long-random-string letmein qwertyuiopasdfgh 1234567890123456
	12345678901234567890 0123456789abcdef 0123456789abcdef0123456789abcdef correcthorsebatterystaple correct-horse-battery-staple
	test-admin-secret test-secret development-secret dev-admin-secret insecure-secret deadbeefdeadbeef`)

// unexpanded matches a command or variable that a shell would have replaced.
var unexpanded = regexp.MustCompile("^(\\$\\(.*\\)|\\$\\{.*\\}|\\$[A-Z_][A-Z0-9_]*|`.*`)$")

// weak returns why an admin secret can be guessed; "" if it is good enough.
func weak(secret string) string {
	plain := strings.ToLower(strings.TrimSpace(secret))
	switch {
	case secret == "":
		return ""
	case unexpanded.MatchString(strings.Trim(secret, " \t\r\n\"'")):
		return "was not expanded: it is the text of a command or of a variable, since env files and unit files do not run a shell"
	case len([]rune(secret)) < shortest:
		return fmt.Sprintf("has fewer than %d characters", shortest)
	case slices.Contains(common, plain), slices.Contains(common, strings.TrimRight(plain, "0123456789-_.!")):
		return "is one that attackers try first"
	case isRun(plain):
		return "is a sequence of letters or digits"
	case len(slices.Compact(slices.Sorted(slices.Values([]rune(plain))))) < 5:
		return "has fewer than 5 different characters"
	}
	return ""
}

// isRun reports whether three quarters of the characters of a text follow the previous one, up or
// down, as in 0123456789012345.
func isRun(text string) bool {
	steps, n, last := 0, 0, rune(-1)
	for _, c := range text {
		if d := c - last; last >= 0 && (d == 1 || d == -1 || d == '0'-'9' || d == '9'-'0' || d == 'a'-'z' || d == 'z'-'a') {
			steps++
		}
		last = c
		n++
	}
	return 4*steps >= 3*(n-1)
}

// Warnings returns what an operator should change or know (B2B-ENV-004). A server logs them at each
// start, and starts nevertheless.
func (c Config) Warnings() (out []string) {
	if why := weak(c.AdminSecret); why != "" {
		out = append(out, "the admin secret "+why+": anyone who guesses it controls every org. Make a good one with openssl rand -hex 32 and set it as B2B_ADMIN_SECRET")
	}
	if c.DevMode && !c.listensHereAlone() {
		text := "development mode listens on " + c.Addr() + ", where other machines reach it: cookies are not marked Secure"
		if c.AdminSecret == "" {
			text += ", and anyone who reaches it is super admin"
		}
		out = append(out, text+". Leave B2B_HOST out to listen on this machine alone, and use development mode only for development")
	} else if c.DevMode && c.AdminSecret == "" {
		out = append(out, "development mode without an admin secret: anyone who reaches "+c.Addr()+" is super admin. It listens on this machine alone, unless B2B_HOST says otherwise")
	}
	if c.RedisURL != "" && c.SingleNode() {
		out = append(out, "Redis is not used: with the embedded database there is one node")
	}
	return append(append(out, c.adminWarnings()...), c.notes...)
}

func (c Config) listensHereAlone() bool { return isLoopback(c.Host) }
