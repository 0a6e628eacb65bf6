package config

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

const goodSecret = "3f9c1be0a7d24c55a1e2" // not in use

const goodKey = "3f9c1be0a7d24c55a1e23f9c1be0a7d24c55a1e23f9c1be0a7d24c55a1e20011" // not in use

// vars is an environment with an admin secret.
func vars(pairs ...string) Lookup {
	pairs = slices.Concat(pairs, []string{"B2B_ADMIN_SECRET", goodSecret})
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], pairs[i+1] != "" || strings.HasPrefix(name, "--")
			}
		}
		return "", false
	}
}

// B2B-ENV-001: the environment of an HXA-Connect server works, and our names take precedence.
func TestLoad(t *testing.T) {
	t.Parallel()
	defaults := Default()
	if defaults.Addr() != "0.0.0.0:4800" || defaults.DataDir != "./data" || !defaults.PersistMessages || defaults.MaxMessage != 65536 || defaults.FileUploadMBPerDay != 500 ||
		defaults.MaxFileSizeMB != 50 || defaults.LogLevel != slog.LevelInfo || !defaults.Proxies.None() || defaults.CORSOrigins != nil || defaults.StorePath() != "data/b2b.db" {
		t.Errorf("defaults: %+v", defaults)
	}
	for _, test := range []struct {
		name string
		env  Lookup
		ok   func(Config) bool
	}{
		{"old name", vars("HXA_CONNECT_PORT", "5000"), func(c Config) bool { return c.Port == 5000 }},
		{"our name takes precedence", vars("HXA_CONNECT_PORT", "ignored nonsense", "B2B_PORT", "6000"), func(c Config) bool { return c.Port == 6000 }},
		{"a flag takes precedence", vars("--port", "7000", "B2B_PORT", "6000"), func(c Config) bool { return c.Port == 7000 }},
		{"a flag set to nothing", vars("--database", "", "B2B_DATABASE_URL", "postgres://x/y"), func(c Config) bool { return c.DatabaseURL == "" }},
		{"an empty variable", vars("B2B_PORT", "", "HXA_CONNECT_PORT", "5000"), func(c Config) bool { return c.Port == 5000 }},
		{"blanks and quotes", vars("B2B_PORT", " \"4801\" "), func(c Config) bool { return c.Port == 4801 }},
		{"any free port", vars("B2B_PORT", "0"), func(c Config) bool { return c.Port == 0 }},
		{"0 was the default", vars("HXA_CONNECT_PORT", "0", "HXA_CONNECT_MAX_MSG_LEN", "0", "HXA_CONNECT_MAX_FILE_SIZE_MB", "0", "HXA_CONNECT_FILE_UPLOAD_MB_PER_DAY", "0"), func(c Config) bool {
			return c.Port == 4800 && c.MaxMessage == 65536 && c.MaxFileSizeMB == 50 && c.FileUploadMBPerDay == 500 && len(c.Warnings()) == 4
		}},
		{"Kubernetes and a service b2b", vars("B2B_PORT", "tcp://10.96.0.1:4800", "HXA_CONNECT_PORT", "5000"), func(c Config) bool { return c.Port == 5000 && len(c.Warnings()) == 1 }},
		{"Kubernetes and a service hxa-connect", vars("HXA_CONNECT_PORT", "tcp://10.96.0.1:4800"), func(c Config) bool { return c.Port == 4800 }},
		{"keys", vars("B2B_SECRET_KEY", goodKey+", "+strings.ToUpper(goodKey)), func(c Config) bool { return len(c.SecretKeys) == 2 && c.SecretKeys[0] == c.SecretKeys[1] }},
		{"secret", vars("HXA_CONNECT_ADMIN_SECRET", "s"), func(c Config) bool { return c.AdminSecret == goodSecret }},
		{"redis", vars("REDIS_URL", "redis://a", "B2B_REDIS_URL", "REDISS://user:p@b:6380/1"), func(c Config) bool { return c.RedisURL == "rediss://user:p@b:6380/1" }},
		{"old redis", vars("REDIS_URL", "'redis://a'"), func(c Config) bool { return c.RedisURL == "redis://a" }},
		{"redis without scheme", vars("REDIS_URL", "localhost:6379"), func(c Config) bool { return c.RedisURL == "redis://localhost:6379" }},
		{"bucket", vars("B2B_FILES_URL", "s3://bucket/b2b?region=eu-central-1", "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SESSION_TOKEN", "t"), func(c Config) bool {
			return c.FilesBucket().AccessKeyID == "id" && c.FilesBucket().SecretAccessKey == "s" && c.FilesBucket().SessionToken == "t"
		}},
		{"bucket with our credentials", vars("B2B_FILES_URL", "s3://bucket?endpoint=http://a:9000", "AWS_ACCESS_KEY_ID", "a", "AWS_SECRET_ACCESS_KEY", "b", "AWS_SESSION_TOKEN", "t",
			"B2B_FILES_ACCESS_KEY_ID", "id", "B2B_FILES_SECRET_ACCESS_KEY", "s"), func(c Config) bool {
			return c.FilesBucket().AccessKeyID == "id" && c.FilesBucket().SecretAccessKey == "s" && c.FilesBucket().SessionToken == ""
		}},
		{"persist", vars("HXA_CONNECT_PERSIST", "false"), func(c Config) bool { return !c.PersistMessages }},
		{"persist is yes", vars("B2B_PERSIST", "Yes"), func(c Config) bool { return c.PersistMessages }},
		{"dev", vars("DEV_MODE", "true"), func(c Config) bool {
			return c.DevMode && c.LogLevel == slog.LevelDebug && c.Host == "127.0.0.1" && slices.Equal(c.CORSOrigins, []string{"loopback"})
		}},
		{"dev on another address", vars("--dev", "true", "B2B_HOST", "0.0.0.0"), func(c Config) bool { return c.DevMode && c.Host == "0.0.0.0" }},
		{"dev was a literal", vars("DEV_MODE", "1"), func(c Config) bool { return !c.DevMode && c.Host == "0.0.0.0" && len(c.Warnings()) == 1 }},
		{"dev was a literal, any other value", vars("DEV_MODE", "production"), func(c Config) bool {
			return !c.DevMode && slices.Equal(c.Warnings(), []string{`DEV_MODE="production" is not development mode, as before: that is B2B_DEV_MODE=true`})
		}},
		{"dev is off", vars("DEV_MODE", "Off"), func(c Config) bool { return !c.DevMode && len(c.Warnings()) == 0 }},
		{"our dev is yes", vars("B2B_DEV_MODE", "1", "DEV_MODE", "false"), func(c Config) bool { return c.DevMode }},
		{"a flag says no", vars("--dev", "false", "B2B_DEV_MODE", "true"), func(c Config) bool { return !c.DevMode }},
		{"level", vars("B2B_LOG_LEVEL", "WARN"), func(c Config) bool { return c.LogLevel == slog.LevelWarn }},
		{"level, longer", vars("B2B_LOG_LEVEL", "warning"), func(c Config) bool { return c.LogLevel == slog.LevelWarn }},
		{"old level", vars("HXA_CONNECT_LOG_LEVEL", "error", "DEV_MODE", "true"), func(c Config) bool { return c.LogLevel == slog.LevelError }},
		{"old base path", vars("NEXT_PUBLIC_BASE_PATH", "/hub"), func(c Config) bool { return c.BasePath == "/hub" }},
		{"first base path decides", vars("NEXT_PUBLIC_BASE_PATH", "/a", "BASE_PATH", "/b"), func(c Config) bool { return c.BasePath == "/b" }},
		{"where", vars("HXA_CONNECT_HOST", "::1", "HXA_CONNECT_DATA_DIR", "/d"), func(c Config) bool { return c.Addr() == "[::1]:4800" && c.StorePath() == "/d/b2b.db" }},
		{"a folder in quotes", vars("B2B_DATA_DIR", "'/d e'"), func(c Config) bool { return c.DataDir == "/d e" }},
		{"sizes", vars("HXA_CONNECT_MAX_MSG_LEN", "7", "HXA_CONNECT_MAX_FILE_SIZE_MB", "8", "HXA_CONNECT_FILE_UPLOAD_MB_PER_DAY", "9"), func(c Config) bool {
			return c.MaxMessage == 7 && c.MaxFileSizeMB == 8 && c.FileUploadMBPerDay == 9
		}},
		{"quotas of a day", vars("B2B_STORED_MB_PER_DAY", "7", "B2B_BULK_MB_PER_DAY", "8"), func(c Config) bool {
			return c.StoredMBPerDay == 7 && c.BulkMBPerDay == 8 && Default().StoredMBPerDay == 16384 && Default().BulkMBPerDay == 2048
		}},
		{"connections", vars("B2B_MAX_CONNECTIONS", "16"), func(c Config) bool { return c.MaxConnections == 16 && Default().MaxConnections == 0 }},
		{"no proxy", vars("B2B_TRUST_PROXY", "0 "), func(c Config) bool { return c.Proxies.None() }},
		{"proxies", vars("B2B_TRUST_PROXY", "10.0.0.0/8"), func(c Config) bool { return c.Proxies.String() == "10.0.0.0/8" }},
		{"webhooks", vars("B2B_WEBHOOK_ALLOW", "hooks.internal, 10.0.0.1"), func(c Config) bool { return c.WebhookAllow.String() == "10.0.0.1/32,hooks.internal" }},
	} {
		if c, err := Load(test.env); err != nil || !test.ok(c) {
			t.Errorf("%s: %v: %+v, warnings %q", test.name, err, c, c.Warnings())
		}
	}
}

// B2B-ENV-003: values are normalized.
func TestNormal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, want string }{
		{"B2B_HOST", "[::1]", "::1"}, {"B2B_HOST", "LocalHost", "localhost"}, {"B2B_HOST", "::", "::"}, {"B2B_HOST", "fe80::1%eth0", "fe80::1%eth0"}, {"B2B_HOST", "[fe80::1%25lo]", "fe80::1%lo"}, {"B2B_HOST", "10.0.0.1", "10.0.0.1"}, {"B2B_HOST", "10-0-0-1.local", "10-0-0-1.local"},
		{"B2B_BASE_PATH", "b2b", "/b2b"}, {"B2B_BASE_PATH", "/hub/", "/hub"}, {"B2B_BASE_PATH", "/", ""}, {"BASE_PATH", "a/b", "/a/b"},
		{"B2B_DOMAIN", "https://B2B.example/", "b2b.example"}, {"B2B_DOMAIN", "b2b.example:8443", "b2b.example:8443"}, {"DOMAIN", "b2b.example", "b2b.example"}, {"B2B_DOMAIN", "[::1]:80", "[::1]:80"},
		{"B2B_CORS_ORIGINS", "https://a, https://b,", "https://a https://b"}, {"B2B_CORS_ORIGINS", "HTTPS://App.Example:443/", "https://app.example"},
		{"HXA_CONNECT_CORS", "http://a:80,http://a:443,null", "http://a http://a:443 null"}, {"HXA_CONNECT_CORS_ORIGINS", "*", "*"}, {"B2B_CORS_ORIGINS", "Loopback", "loopback"},
		{"B2B_CORS_ORIGINS", "capacitor://localhost", "capacitor://localhost"}, {"B2B_CORS_ORIGINS", "http://[::1]:3000", "http://[::1]:3000"},
		{"DATABASE_URL", "postgresql://x", "postgresql://x"}, {"B2B_DATABASE_URL", "Postgres://u:p@h/d", "postgres://u:p@h/d"},
		{"B2B_DATABASE_URL", " 'postgres://u@h/d?sslmode=disable'\n", "postgres://u@h/d?sslmode=disable"},
		{"HXA_CONNECT_DATABASE_URL", "file:x", ""}, {"DATABASE_URL", "sqlite://./data/app.db", ""}, {"DATABASE_URL", "./data/app.db", ""},
		{"B2B_TRUST_PROXY", "off", "0"}, {"B2B_TRUST_PROXY", "false", "0"}, {"B2B_TRUST_PROXY", "2", "2"},
	} {
		c, err := Load(vars(test.name, test.value))
		if err != nil {
			t.Errorf("%s=%q: %v", test.name, test.value, err)
			continue
		}
		_, short, _ := strings.Cut(test.name, "_")
		got := map[string]string{
			"HOST": c.Host, "BASE_PATH": c.BasePath, "PATH": c.BasePath, "DOMAIN": c.Domain, "": c.Domain, "DATABASE_URL": c.DatabaseURL, "URL": c.DatabaseURL,
			"CONNECT_DATABASE_URL": c.DatabaseURL, "TRUST_PROXY": c.Proxies.String(),
		}[short]
		if strings.Contains(test.name, "CORS") {
			got = strings.Join(c.CORSOrigins, " ")
		}
		if got != test.want {
			t.Errorf("%s=%q became %q, want %q", test.name, test.value, got, test.want)
		}
	}
}

// B2B-ENV-003: an invalid value is refused with its name, the value and an example.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value string }{
		{"B2B_PORT", "abc"}, {"HXA_CONNECT_PORT", "many"}, {"B2B_PORT", "-1"}, {"B2B_PORT", "65536"}, {"B2B_PORT", "4800.5"}, {"B2B_PORT", "+4800"}, {"B2B_PORT", "0x12c0"}, {"B2B_PORT", " "}, {"--port", "x"},
		{"B2B_MAX_MSG_LEN", "0"}, {"B2B_MAX_MSG_LEN", "64k"}, {"B2B_MAX_FILE_SIZE_MB", "-5"}, {"B2B_MAX_FILE_SIZE_MB", "50MB"}, {"HXA_CONNECT_MAX_FILE_SIZE_MB", "99999999999"}, {"B2B_FILE_UPLOAD_MB_PER_DAY", "0"}, {"B2B_STORED_MB_PER_DAY", "0"}, {"B2B_BULK_MB_PER_DAY", "2G"}, {"B2B_MAX_CONNECTIONS", "15"}, {"B2B_MAX_CONNECTIONS", "all"},
		{"B2B_HOST", "0.0.0.0:4800"}, {"B2B_HOST", "http://localhost"}, {"B2B_HOST", "*"}, {"--host", "a b"}, {"B2B_HOST", "[::1]:4800"}, {"B2B_HOST", "''"}, {"B2B_HOST", "256.1.1.1"}, {"B2B_HOST", "127.1"}, {"B2B_HOST", "0"}, {"B2B_HOST", "127.0.0.1."}, {"B2B_DOMAIN", "256.1.1.1:80"}, {"B2B_CORS_ORIGINS", "http://127.1"},
		{"B2B_DATA_DIR", "~/data"}, {"B2B_DATA_DIR", "postgres://h/d"}, {"B2B_FILES_DIR", "s3://bucket"},
		{"B2B_DATABASE_URL", "mysql://u:p@h/d"}, {"DATABASE_URL", "mysql://u:p@h/d"}, {"HXA_CONNECT_DATABASE_URL", "mongodb://h"}, {"B2B_DATABASE_URL", "host=h dbname=d"}, {"B2B_DATABASE_URL", "file:x"},
		{"B2B_DATABASE_URL", "postgres:/h/d"}, {"B2B_DATABASE_URL", "postgres//h/d"}, {"B2B_DATABASE_URL", "postgresx://h/d"}, {"B2B_DATABASE_URL", "postgres://u:p/w@h/d"}, {"B2B_DATABASE_URL", "postgres://h/d?sslmode=maybe"}, {"B2B_DATABASE_URL", "  "},
		{"B2B_REDIS_URL", "http://a"}, {"REDIS_URL", "redis://a/db"}, {"B2B_REDIS_URL", "redis://:p/w@a"},
		{"B2B_CORS_ORIGINS", "app.example"}, {"B2B_CORS_ORIGINS", "https://app.example/login"}, {"B2B_CORS_ORIGINS", "https://*.example"}, {"B2B_CORS_ORIGINS", "https://a https://b"}, {"HXA_CONNECT_CORS", "https://a?b"}, {"B2B_CORS_ORIGINS", "localhost:3000"},
		{"B2B_PERSIST", "maybe"}, {"B2B_DEV_MODE", "yep"}, {"--dev", "banana"},
		{"B2B_LOG_LEVEL", "verbose"}, {"HXA_CONNECT_LOG_LEVEL", "INFO+2"}, {"--log-level", "loud"},
		{"B2B_DOMAIN", "https://b2b.example/path"}, {"B2B_DOMAIN", "a, b"}, {"B2B_DOMAIN", "ftp://b2b.example"}, {"B2B_DOMAIN", "b2b.example:port"},
		{"B2B_BASE_PATH", "https://b2b.example/hub"}, {"B2B_BASE_PATH", "/a//b"}, {"B2B_BASE_PATH", "/a/../b"}, {"B2B_BASE_PATH", "/a b"}, {"B2B_BASE_PATH", "/a?b"},
		{"B2B_TRUST_PROXY", "-1"}, {"B2B_TRUST_PROXY", "true"}, {"B2B_TRUST_PROXY", "nginx"}, {"B2B_TRUST_PROXY", "0.0.0.0/0"},
		{"B2B_WEBHOOK_ALLOW", "http://hooks.internal"}, {"B2B_WEBHOOK_ALLOW", "10.0.0.0/99"}, {"B2B_WEBHOOK_ALLOW", "0.0.0.0/0"}, {"B2B_WEBHOOK_ALLOW", "hooks.internal, ::/0"},
		{"B2B_FILES_URL", "https://bucket"}, {"B2B_FILES_URL", "s3://bucket?region=x&acl=public"},
	} {
		_, err := Load(vars(test.name, test.value, "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s"))
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s=%q: %v, want one problem", test.name, test.value, err)
			continue
		}
		line := problems[0].Error()
		if !strings.HasPrefix(line, test.name+"=\"") || strings.Contains(line, "\n") || problems[0].Why == "" {
			t.Errorf("%s=%q: %s", test.name, test.value, line)
		}
		if example := problems[0].Example; example == "" && strings.TrimSpace(test.value) != "" && test.value != "''" {
			t.Errorf("%s=%q: no example: %s", test.name, test.value, line)
		} else if c, err := Load(vars(test.name, example, "B2B_ADMIN_SECRET", goodSecret, "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s")); err != nil {
			t.Errorf("%s: its example %q is refused: %v (%+v)", test.name, example, err, c)
		}
	}
}

// B2B-ENV-003: all problems are reported at once, one per line, including settings that exclude
// each other.
func TestAllProblems(t *testing.T) {
	t.Parallel()
	_, err := Load(Env(func(name string) string {
		return map[string]string{"B2B_PORT": "abc", "B2B_LOG_LEVEL": "loud", "DATABASE_URL": "mysql://root:hunter2@h/d"}[name]
	}))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 5 || lines[0] != "4 settings cannot be used:" || strings.Contains(err.Error(), "hunter2") ||
		lines[1] != `  B2B_PORT="abc": must be a number from 0 to 65535 (for example B2B_PORT=4800)` || !strings.Contains(err.Error(), "\n  B2B_ADMIN_SECRET: is missing") {
		t.Errorf("%v", err)
	}
	bucket := []string{"B2B_FILES_URL", "s3://bucket?region=x", "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s"}
	for _, test := range []struct {
		name string
		env  []string
		want string
	}{
		{"bucket without credentials", bucket[:2], "B2B_FILES_URL="},
		{"bucket and folder", slices.Concat(bucket, []string{"B2B_FILES_DIR", "/f"}), "B2B_FILES_DIR="},
		{"files too large for a bucket", slices.Concat(bucket, []string{"B2B_MAX_FILE_SIZE_MB", "5121"}), "B2B_MAX_FILE_SIZE_MB="},
		{"a short key", []string{"B2B_SECRET_KEY", goodKey[1:]}, `B2B_SECRET_KEY="***": a key is 64 hex characters`},
		{"half of our credentials", slices.Concat(bucket, []string{"B2B_FILES_ACCESS_KEY_ID", "id"}), "B2B_FILES_SECRET_ACCESS_KEY: is missing"},
	} {
		if _, err := Load(vars(test.env...)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), goodKey[1:]) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := Load(vars(bucket...)); err != nil {
		t.Errorf("a bucket alone: %v", err)
	}
}

// B2B-ENV-003, 004: no message contains a secret, whatever is wrong with a URL.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:hunter2@h/d":              "postgres://u:***@h/d",
		"postgres://u:hun@ter2/x@h/d":           "postgres://u:***@h/d",
		"postgres://u@h:5432/d":                 "postgres://***@h:5432/d",
		"postgres://h/d?password=hunter2&a=b":   "postgres://h/d?password=***&a=b",
		"host=h password=hunter2 dbname=d":      "host=h password=*** dbname=d",
		"host=h password='hun ter2' dbname=d":   "host=h password=*** dbname=d",
		"root:hunter2@tcp(h:3306)/d":            "root:***@tcp(h:3306)/d",
		"redis://:hunter2":                      "redis://:***",
		"redis://user:hunter2":                  "redis://user:***",
		"redis://hunter2@h:6379":                "redis://***@h:6379",
		"redis://hunter2:@h":                    "redis://***@h",
		"redis:hunter2@h":                       "redis:***@h",
		"redis//hunter2@h":                      "***@h",
		"hunter2@h:6379":                        "***@h:6379",
		"host=h password='hun\\'ter2' dbname=d": "host=h password=*** dbname=d",
		"host=h password='hun ter2":             "host=h password=***",
		"file:./x.db":                           "file:./x.db",
		"redis://[::1]:6379/0":                  "redis://[::1]:6379/0",
		"postgres://a:1,b:2/d":                  "postgres://a:1,b:2/d",
		"s3://bucket?region=x&secret=hunter2":   "s3://bucket?region=x&secret=***",
		"postgres://h/d?sslpassword=hunter2#x":  "postgres://h/d?sslpassword=***",
	} {
		if got := mask(address); got != want {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
	for _, plain := range []setting{{"B2B_HOST", "::1:80:x"}, {"B2B_WEBHOOK_ALLOW", "::/0"}, {"B2B_TRUST_PROXY", "::/0"}, {"B2B_DOMAIN", "a.com:abc"}, {"--host", "[::1]:x"}, {"B2B_DATABASE_URL", "file:./x.db"}} {
		if _, err := Load(vars(plain.name, plain.value)); err == nil || strings.Count(err.Error(), plain.value) == 0 || strings.Contains(err.Error(), "***") {
			t.Errorf("%s=%s: %v", plain.name, plain.value, err)
		}
	}
	for address, why := range map[string]string{
		"redis://:hunter2@h/db": `redis: invalid database number: "db"`, "redis://hunter2@h/a/b": "redis: invalid URL path: /a/b", "http://h": "redis: invalid URL scheme: http", "redis://:e@h/db": `redis: invalid database number: "db"`,
	} {
		if _, err := Load(vars("B2B_REDIS_URL", address)); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", address, err, why)
		}
	}
	for _, name := range []string{"B2B_DATABASE_URL", "DATABASE_URL", "B2B_REDIS_URL", "B2B_FILES_URL", "B2B_HOST", "B2B_DOMAIN", "B2B_CORS_ORIGINS", "B2B_TRUST_PROXY", "B2B_WEBHOOK_ALLOW", "DEV_MODE", "B2B_PORT"} {
		for _, address := range []string{
			"postgres://u:hunter2@h/d", "redis://:hunter2@h", "mysql://u:hunter2@h/d", "postgres://u:hunter2/x@h/d", "redis://u:hunter2/x@h:y", "postgres://u:hunter2@h:port/d",
			"postgres://u:hunter2@h/d?sslmode=hm", "s3://id:hunter2@bucket", "host=h password=hunter2", "redis://u:hunter2@h/hunter2x",
			"redis://hunter2@h:port", "redis://hunter2@h/db",
		} {
			c, err := Load(vars(name, address))
			text := c.Warnings()
			for _, fact := range c.Facts() {
				text = append(text, fact.String())
			}
			if err != nil {
				text = append(text, err.Error())
			}
			if s := strings.Join(text, "\n"); strings.Contains(strings.ReplaceAll(s, "hunter2x", ""), "hunter2") {
				t.Errorf("%s=%s shows its secret:\n%s", name, address, s)
			}
		}
	}
}

// B2B-ENV-004: what is logged at the start.
func TestFactsAndWarnings(t *testing.T) {
	t.Parallel()
	facts := func(c Config) string {
		var b strings.Builder
		for _, f := range c.Facts() {
			b.WriteString(f.String() + "\n")
		}
		return b.String()
	}
	c, err := Load(vars("B2B_DATABASE_URL", "postgres://u:hunter2@h/d", "B2B_TRUST_PROXY", "10.0.0.1", "B2B_HOST", "::1", "B2B_DOMAIN", "b2b.example", "B2B_REDIS_URL", "redis://r"))
	got := facts(c)
	for _, want := range []string{"listen=[::1]:4800\n", "database=postgres://u:***@h/d\n", "trusted_proxies=10.0.0.1\n", "cors_origins=none\n", "domain=b2b.example\n", "redis=redis://r\n"} {
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("no %q in %s (%v)", want, got, err)
		}
	}
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got := facts(Default()); !strings.Contains(got, "database=SQLite "+folder+"/data/b2b.db\nfiles="+folder+"/data/b2b-files\n") || !strings.Contains(got, "trusted_proxies=0\n") {
		t.Errorf("of the defaults: %s", got)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings without a reason: %q", w)
	}
	for _, test := range []struct {
		env  []string
		want string
	}{
		{[]string{"B2B_REDIS_URL", "redis://r"}, "Redis is not used"},
		{[]string{"B2B_DEV_MODE", "true", "B2B_HOST", "0.0.0.0"}, "other machines reach it"},
		{[]string{"B2B_DEV_MODE", "true"}, ""},
	} {
		c, err := Load(vars(test.env...))
		if w := strings.Join(c.Warnings(), "\n"); err != nil || !strings.Contains(w, test.want) || (w == "") != (test.want == "") {
			t.Errorf("%q: %v %q", test.env, err, w)
		}
	}
	open := Default()
	open.DevMode, open.Host = true, "127.0.0.1"
	if w := strings.Join(open.Warnings(), "\n"); !strings.Contains(w, "anyone who reaches 127.0.0.1:4800 is super admin") {
		t.Errorf("development without a secret: %q", w)
	}
}

// B2B-AUTH-083: which admin secrets are weak.
func TestWeakSecrets(t *testing.T) {
	t.Parallel()
	for secret, isWeak := range map[string]bool{
		"": false, "secret": true, "my-admin-secret": true, "123456789012345": true, "Your-Admin-Secret-Here": true, "changemechangeme": true, "aaaaaaaaaaaaaaaaaaaaaaaa": true,
		"1234567890123456": true, "ünïcödeünïcödeü": true, "$(openssl rand -hex 32)": true, "${B2B_ADMIN_SECRET}": true, "`openssl rand -hex 16`": true, "\"$(cat /run/secrets/b2b)\"": true, "$B2B_ADMIN_SECRET": true,
		"password12345678": true, "Admin-Secret-2026!": true, "secret1234567890": true, "0123456789012345": true, "9876543210987654": true, "abcdefghijklmnopqrst": true, "1234567890abcdef": true,
		"$(x) correct ${horse}!": false, "8472910385720193": false, "password-7c1f9ab2": false, goodSecret: false, "correct horse battery staple": false, "9f86d081884c7d65": false,
	} {
		c := Default()
		c.AdminSecret = secret
		w := strings.Join(c.Warnings(), "\n")
		if (w != "") != isWeak || isWeak && (!strings.Contains(w, "openssl rand -hex 32") || len(secret) > 8 && strings.Contains(w, secret)) {
			t.Errorf("%q: %q", secret, w)
		}
	}
}

// B2B-ENV-003: misspelt names are reported.
func TestUnknown(t *testing.T) {
	t.Parallel()
	got := Unknown([]string{
		"B2B_TRUSTED_PROXY=1", "B2B_PORT=1", "B2B_TRUST_PROXY=1", "B2B_FILES_ACCESS_KEY_ID=x", "B2B_EMPTY=", "B2B_TOKEN=t", "HXA_CONNECT_X=1", "PATH=/bin",
		"B2B_SERVICE_HOST=10.0.0.1", "B2B_PORT_4800_TCP=tcp://10.0.0.1:4800", "B2B_PORT_4800_TCP_ADDR=10.0.0.1", "B2B_SERVICE_PORT_HTTP=80", "B2B_UI_PORT=tcp://10.0.0.1:80",
	})
	if len(got) != 1 || !strings.HasPrefix(got[0], "B2B_TRUSTED_PROXY is not a setting") {
		t.Errorf("warned of %q", got)
	}
}

// FuzzLoad checks that no value causes a panic, and that a normalized value is accepted unchanged.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "4800", "https://a/", "[::1]", "postgres://u:p@h/d", "'x'", "10.0.0.0/8", "/a/b", "\x00", "redis://"} {
		f.Add(s)
	}
	names := []string{"B2B_HOST", "B2B_BASE_PATH", "B2B_DOMAIN", "B2B_CORS_ORIGINS", "B2B_DATABASE_URL", "B2B_REDIS_URL", "B2B_PORT", "B2B_DEV_MODE", "B2B_DATA_DIR", "B2B_LOG_LEVEL", "B2B_TRUST_PROXY"}
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range names {
			c, err := Load(vars(name, value))
			if err != nil {
				var problems Problems
				errors.As(err, &problems)
				for _, p := range problems {
					if line := p.Error(); !strings.HasPrefix(line, name+"=") || strings.Contains(line, "\n") {
						t.Errorf("%s=%q: %s", name, value, line)
					}
				}
				continue
			}
			c.Facts()
			again, err := Load(vars("B2B_HOST", c.Host, "B2B_BASE_PATH", c.BasePath, "B2B_DOMAIN", c.Domain, "B2B_CORS_ORIGINS", strings.Join(c.CORSOrigins, ","), "B2B_TRUST_PROXY", c.Proxies.String()))
			if err != nil || again.Host != c.Host || again.BasePath != c.BasePath || again.Domain != c.Domain || !slices.Equal(again.CORSOrigins, c.CORSOrigins) {
				t.Errorf("%s=%q: %+v, again %+v (%v)", name, value, c, again, err)
			}
		}
	})
}
