package server

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// B2B-ENV-001: the environment of an HXA-Connect server works, and our names win.
func TestConfigFromEnv(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			if i := slices.Index(pairs, name); i >= 0 && i%2 == 0 {
				return pairs[i+1]
			}
			return ""
		}
	}
	defaults := ConfigFromEnv(env())
	if defaults.Addr() != "0.0.0.0:4800" || defaults.DataDir != "./data" || !defaults.PersistMessages || defaults.MaxMessage != 65536 ||
		defaults.MaxFileSizeMB != 50 || defaults.LogLevel != slog.LevelInfo || defaults.TrustedProxies != 1 || defaults.CORSOrigins != nil {
		t.Errorf("defaults: %+v", defaults)
	}
	for _, test := range []struct {
		name string
		env  func(string) string
		ok   func(Config) bool
	}{
		{"old name", env("HXA_CONNECT_PORT", "5000"), func(c Config) bool { return c.Port == 5000 }},
		{"ours wins", env("HXA_CONNECT_PORT", "5000", "B2B_PORT", "6000"), func(c Config) bool { return c.Port == 6000 }},
		{"bad number", env("B2B_PORT", "many"), func(c Config) bool { return c.Port == 4800 }},
		{"zero", env("B2B_MAX_MSG_LEN", "0"), func(c Config) bool { return c.MaxMessage == 65536 }},
		{"secret", env("HXA_CONNECT_ADMIN_SECRET", "s"), func(c Config) bool { return c.AdminSecret == "s" && c.Validate() == nil }},
		{"postgres", env("DATABASE_URL", "postgresql://x"), func(c Config) bool { return c.StorePath() == "postgresql://x" }},
		{"other database", env("DATABASE_URL", "mysql://x"), func(c Config) bool { return c.StorePath() == "data/b2b.db" }},
		{"first database name decides", env("HXA_CONNECT_DATABASE_URL", "file:x", "DATABASE_URL", "postgres://x"), func(c Config) bool { return c.DatabaseURL == "" }},
		{"redis", env("REDIS_URL", "redis://a", "B2B_REDIS_URL", "rediss://user:p@b:6380/1", "DEV_MODE", "true"), func(c Config) bool {
			return c.RedisURL == "rediss://user:p@b:6380/1" && c.Validate() == nil
		}},
		{"old redis", env("REDIS_URL", "redis://a", "DEV_MODE", "true"), func(c Config) bool { return c.RedisURL == "redis://a" && c.Validate() == nil }},
		{"no redis", env("REDIS_URL", "http://a", "DEV_MODE", "true"), func(c Config) bool { return c.Validate() != nil }},
		{"bucket", env("B2B_FILES_URL", "s3://bucket/b2b?region=eu-central-1", "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SESSION_TOKEN", "t", "DEV_MODE", "true"), func(c Config) bool {
			return c.Validate() == nil && c.FilesBucket().AccessKeyID == "id" && c.FilesBucket().SecretAccessKey == "s" && c.FilesBucket().SessionToken == "t"
		}},
		{"bucket with our credentials", env("B2B_FILES_URL", "s3://bucket?endpoint=http://a:9000", "AWS_ACCESS_KEY_ID", "a", "AWS_SECRET_ACCESS_KEY", "b", "AWS_SESSION_TOKEN", "t",
			"B2B_FILES_ACCESS_KEY_ID", "id", "B2B_FILES_SECRET_ACCESS_KEY", "s", "DEV_MODE", "true"), func(c Config) bool {
			return c.Validate() == nil && c.FilesBucket().AccessKeyID == "id" && c.FilesBucket().SecretAccessKey == "s" && c.FilesBucket().SessionToken == ""
		}},
		{"bucket without credentials", env("B2B_FILES_URL", "s3://bucket?region=x", "DEV_MODE", "true"), func(c Config) bool { return c.Validate() != nil }},
		{"bucket and folder", env("B2B_FILES_URL", "s3://bucket?region=x", "B2B_FILES_DIR", "/f", "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s", "DEV_MODE", "true"), func(c Config) bool { return c.Validate() != nil }},
		{"files too large for a bucket", env("B2B_FILES_URL", "s3://bucket?region=x", "B2B_MAX_FILE_SIZE_MB", "5121", "AWS_ACCESS_KEY_ID", "id", "AWS_SECRET_ACCESS_KEY", "s", "DEV_MODE", "true"), func(c Config) bool { return c.Validate() != nil }},
		{"persist", env("HXA_CONNECT_PERSIST", "false"), func(c Config) bool { return !c.PersistMessages }},
		{"origins", env("HXA_CONNECT_CORS", "https://a, https://b,"), func(c Config) bool { return slices.Equal(c.CORSOrigins, []string{"https://a", "https://b"}) }},
		{"dev", env("DEV_MODE", "true"), func(c Config) bool {
			return c.DevMode && c.LogLevel == slog.LevelDebug && c.CORSOrigins[0] == "*" && c.Validate() == nil
		}},
		{"dev is a literal", env("DEV_MODE", "1"), func(c Config) bool { return !c.DevMode && c.Validate() != nil }},
		{"level", env("B2B_LOG_LEVEL", "warn"), func(c Config) bool { return c.LogLevel == slog.LevelWarn }},
		{"base path", env("BASE_PATH", "/hub/"), func(c Config) bool { return c.BasePath == "/hub" }},
		{"old base path", env("NEXT_PUBLIC_BASE_PATH", "/hub"), func(c Config) bool { return c.BasePath == "/hub" }},
		{"first base path decides", env("NEXT_PUBLIC_BASE_PATH", "/a", "BASE_PATH", "/b"), func(c Config) bool { return c.BasePath == "/b" }},
		{"domain", env("DOMAIN", "b2b.example"), func(c Config) bool { return c.Domain == "b2b.example" }},
		{"where", env("HXA_CONNECT_HOST", "::1", "HXA_CONNECT_DATA_DIR", "/d"), func(c Config) bool { return c.Addr() == "[::1]:4800" && c.StorePath() == "/d/b2b.db" }},
		{"sizes", env("HXA_CONNECT_MAX_MSG_LEN", "7", "HXA_CONNECT_MAX_FILE_SIZE_MB", "8", "HXA_CONNECT_FILE_UPLOAD_MB_PER_DAY", "9"), func(c Config) bool {
			return c.MaxMessage == 7 && c.MaxFileSizeMB == 8 && c.FileUploadMBPerDay == 9
		}},
		{"old level", env("HXA_CONNECT_LOG_LEVEL", "error", "DEV_MODE", "true"), func(c Config) bool { return c.LogLevel == slog.LevelError }},
		{"no proxy", env("B2B_TRUST_PROXY", "0"), func(c Config) bool { return c.TrustedProxies == 0 }},
	} {
		if c := ConfigFromEnv(test.env); !test.ok(c) {
			t.Errorf("%s: %+v", test.name, c)
		}
	}
}

// B2B-ENV-052: the size of the pool of PostgreSQL.
func TestDatabaseConnections(t *testing.T) {
	for text, want := range map[string]struct {
		n  int
		ok bool
	}{"": {0, true}, "2": {2, true}, "1000": {1000, true}, "1": {1, false}, "-3": {-3, false}, "1001": {1001, false}} {
		c := ConfigFromEnv(func(name string) string {
			return map[string]string{"B2B_DATABASE_CONNECTIONS": text, "B2B_ADMIN_SECRET": "a secret of some length"}[name]
		})
		err := c.Validate()
		if c.DatabasePool != want.n || (err == nil) != want.ok {
			t.Errorf("%q: %d, %v", text, c.DatabasePool, err)
		}
		if err != nil && !strings.Contains(err.Error(), "B2B_DATABASE_CONNECTIONS") {
			t.Errorf("%q: %v does not name the setting", text, err)
		}
	}
}
