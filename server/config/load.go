package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/accesslog"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/forwarded"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

const (
	// maxMB limits sizes in MiB, so that their bytes can be counted in an int64.
	maxMB = 1 << 30
	// leastConnections is the least number with which callers can still connect beside anonymous
	// connections.
	leastConnections = 16
	// leastPool and mostPool limit the connections of a node to PostgreSQL; usualPool is the
	// default.
	leastPool, usualPool, mostPool = 2, 16, 1000
	// longestTimeout limits the wait for PostgreSQL, in seconds.
	longestTimeout = 300
	// loopback is the default address of a server in development mode.
	loopback = "127.0.0.1"
)

// Load reads every setting (B2B-ENV-001, 003). The error is of type Problems.
func Load(lookup Lookup) (Config, error) {
	c, problems := load(lookup)
	problems = append(problems, c.problems()...)
	return c, problems.err()
}

// LoadStorage reads the settings for commands that work on the data of a server. They need no admin
// secret.
func LoadStorage(lookup Lookup) (Config, error) {
	c, problems := load(func(name string) (string, bool) {
		if name == "B2B_ADMIN_SECRET" {
			return "unused", true
		}
		return lookup(name)
	})
	problems = append(problems, c.problems()...)
	return c, problems.err()
}

func load(lookup Lookup) (Config, Problems) {
	r := &reader{lookup: lookup}
	c := Config{
		DevMode:             r.devMode("--dev", "B2B_DEV_MODE", "DEV_MODE"),
		Port:                r.port("--port", "B2B_PORT", "HXA_CONNECT_PORT"),
		DataDir:             r.folder("./data", "--data", "B2B_DATA_DIR", "HXA_CONNECT_DATA_DIR"),
		AdminSecret:         r.secret("B2B_ADMIN_SECRET", "HXA_CONNECT_ADMIN_SECRET"),
		DatabaseURL:         r.database("--database", "B2B_DATABASE_URL", "HXA_CONNECT_DATABASE_URL", "DATABASE_URL"),
		DatabasePool:        r.number(usualPool, leastPool, mostPool, "B2B_DATABASE_CONNECTIONS"),
		DatabaseTimeout:     r.number(0, 1, longestTimeout, "B2B_DATABASE_TIMEOUT"),
		RedisURL:            r.redis("B2B_REDIS_URL", "REDIS_URL"),
		CORSOrigins:         r.origins("B2B_CORS_ORIGINS", "HXA_CONNECT_CORS_ORIGINS", "HXA_CONNECT_CORS"),
		PersistMessages:     r.boolean(true, "B2B_PERSIST", "HXA_CONNECT_PERSIST"),
		MaxMessage:          r.messageLength("B2B_MAX_MSG_LEN", "HXA_CONNECT_MAX_MSG_LEN"),
		MaxFileSizeMB:       r.number(50, 1, maxMB, "B2B_MAX_FILE_SIZE_MB", "HXA_CONNECT_MAX_FILE_SIZE_MB"),
		FileUploadMBPerDay:  r.number(500, 1, maxMB, "B2B_FILE_UPLOAD_MB_PER_DAY", "HXA_CONNECT_FILE_UPLOAD_MB_PER_DAY"),
		ArtifactsPerThread:  r.number(limits.ArtifactsPerThread, 1, math.MaxInt32, "B2B_ARTIFACTS_PER_THREAD"),
		ArtifactMBPerThread: r.number(limits.ArtifactMBPerThread, 1, maxMB, "B2B_ARTIFACT_MB_PER_THREAD"),
		ArtifactMBPerDay:    r.number(limits.ArtifactMBPerDay, 1, maxMB, "B2B_ARTIFACT_MB_PER_DAY"),
		ArtifactMBPerOrg:    r.number(limits.ArtifactMBPerOrg, 1, maxMB, "B2B_ARTIFACT_MB_PER_ORG"),
		StoredMBPerDay:      r.number(limits.StoredMBPerDay, 1, maxMB, "B2B_STORED_MB_PER_DAY"),
		BulkMBPerDay:        r.number(limits.BulkMBPerDay, 1, maxMB, "B2B_BULK_MB_PER_DAY"),
		FilesDir:            r.folder("", "B2B_FILES_DIR"),
		FilesURL:            r.text("B2B_FILES_URL").value,
		MaxConnections:      r.number(0, leastConnections, math.MaxInt32, "B2B_MAX_CONNECTIONS"),
		AdminListen:         r.adminListen("B2B_ADMIN_LISTEN"),
		AdminListenToken:    r.adminToken("B2B_ADMIN_LISTEN_TOKEN"),
		Domain:              r.domain("B2B_DOMAIN", "DOMAIN"),
		BasePath:            r.basePath("B2B_BASE_PATH", "BASE_PATH", "NEXT_PUBLIC_BASE_PATH"),
	}
	r.credentials(&c)
	c.MCP = r.boolean(true, "B2B_MCP")
	c.A2A = r.boolean(true, "B2B_A2A")
	c.Traces = r.traces()
	c.AccessLog = r.accessLog("B2B_ACCESS_LOG")
	c.AccessLogLines = r.number(100, 1, 1_000_000, "B2B_ACCESS_LOG_LINES")
	everywhere := "0.0.0.0"
	if c.DevMode {
		everywhere = loopback
	}
	c.Host = r.host(everywhere, "--host", "B2B_HOST", "HXA_CONNECT_HOST")
	if c.DevMode && len(c.CORSOrigins) == 0 {
		c.CORSOrigins = []string{edge.Loopback}
	}
	c.LogLevel = r.level(c.DevMode, "--log-level", "B2B_LOG_LEVEL", "HXA_CONNECT_LOG_LEVEL")
	var err error
	if s := r.text("B2B_SECRET_KEY"); s.value != "" {
		if c.SecretKeys, err = seal.ParseKeys(s.value); err != nil {
			r.problem(setting{s.name, "***"}, err.Error(), "")
		}
	}
	if s := r.text("B2B_TRUST_PROXY"); s.value != "" {
		if c.Proxies, err = forwarded.Parse(s.value); err != nil {
			r.problem(s, maskReason(err.Error(), ""), "10.0.0.0/8")
		}
	}
	if s := r.text("B2B_WEBHOOK_ALLOW"); s.value != "" {
		if c.WebhookAllow, err = webhookurl.ParseAllow(s.value); err != nil {
			r.problem(s, maskReason(err.Error(), ""), "10.0.0.0/8,hooks.internal")
		}
	}
	c.notes = r.notes
	return c, r.problems
}

// secret returns a value unchanged: blanks and quotes may be part of it.
func (r *reader) secret(names ...string) string {
	s := r.raw(names...)
	if s.value != "" && strings.Trim(s.value, " \t\r\n\"'") != s.value {
		r.note("%s begins or ends with a blank or a quote, which belongs to the secret", s.name)
	}
	return s.value
}

// credentials reads the credentials of the bucket: those of this server, or all of Amazon's.
func (r *reader) credentials(c *Config) {
	id, secret := r.secret("B2B_FILES_ACCESS_KEY_ID"), r.secret("B2B_FILES_SECRET_ACCESS_KEY")
	if id == "" && secret == "" {
		c.FilesKeyID, c.FilesSecret, c.FilesSession = r.secret("AWS_ACCESS_KEY_ID"), r.secret("AWS_SECRET_ACCESS_KEY"), r.secret("AWS_SESSION_TOKEN")
		return
	}
	c.FilesKeyID, c.FilesSecret = id, secret
	missing := "B2B_FILES_SECRET_ACCESS_KEY"
	if id == "" {
		missing = "B2B_FILES_ACCESS_KEY_ID"
	}
	if id == "" || secret == "" {
		r.problems = append(r.problems, Problem{Name: missing, Unset: true, Why: "is missing: the credentials of a bucket are set both or not at all"})
	}
}

// devMode reads whether this is development mode. Under the name of HXA-Connect only "true" enables
// it, as there; there is a warning about other values except clear negatives.
func (r *reader) devMode(names ...string) bool {
	s := r.text(names...)
	if !s.older() || s.value == "true" {
		return r.truth(s, false)
	}
	switch strings.ToLower(s.value) {
	case "", "false", "0", "no", "off":
	default:
		r.note("%s=%s is not development mode, as before: that is B2B_DEV_MODE=true", s.name, quote(maskText(s.value)))
	}
	return false
}

// port reads the port to listen on. Under the name of HXA-Connect 0 is the default.
func (r *reader) port(names ...string) int { return r.number(4800, 0, math.MaxUint16, names...) }

// messageLength reads the longest content of a message. Under the name of HXA-Connect a larger
// value than can be received is reduced, as there, where a body has at most 1 MiB, too.
func (r *reader) messageLength(names ...string) int {
	n := r.number(limits.MaxContent, 1, math.MaxInt32, names...)
	if n <= limits.MostContent {
		return n
	}
	s := r.text(names...)
	if !s.older() {
		r.problem(s, fmt.Sprintf("must be a number from 1 to %d: a request has 1 MiB at most, so no longer content would arrive", limits.MostContent),
			strconv.Itoa(limits.MostContent))
		return limits.MaxContent
	}
	r.note("%s=%d is taken as %d: a request has 1 MiB at most, so no longer content arrives", s.name, n, limits.MostContent)
	return limits.MostContent
}

// level reads the log level.
func (r *reader) level(dev bool, names ...string) slog.Level {
	s := r.text(names...)
	switch strings.ToLower(s.value) {
	case "":
		if dev {
			return slog.LevelDebug
		}
		return slog.LevelInfo
	case "debug":
		return slog.LevelDebug
	case "info":
		return slog.LevelInfo
	case "warn", "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	r.problem(s, "must be debug, info, warn or error", "info")
	return slog.LevelInfo
}

// accessLog reads which calls get a line in the access log.
func (r *reader) accessLog(names ...string) accesslog.Mode {
	s := r.text(names...)
	switch mode := accesslog.Mode(strings.ToLower(s.value)); mode {
	case "":
		return accesslog.Off
	case accesslog.Off, accesslog.Errors, accesslog.All:
		return mode
	}
	r.problem(s, "must be off, errors or all", "errors")
	return accesslog.Off
}

// problems returns the problems that involve several fields, or a Config that was not made by Load.
func (c Config) problems() (ps Problems) {
	add := func(name, why string) { ps = append(ps, Problem{Name: name, Unset: true, Why: why}) }
	if c.AdminSecret == "" && !c.DevMode {
		add("B2B_ADMIN_SECRET", "is missing: set it (or HXA_CONNECT_ADMIN_SECRET) to a long random text, such as openssl rand -hex 32 writes, or B2B_DEV_MODE=true to develop without one")
	}
	if c.Port < 0 || c.Port > math.MaxUint16 {
		add("B2B_PORT", "must be a number from 0 to 65535")
	}
	if c.DataDir == "" && (c.Embedded() || c.FilesDir == "" || c.FilesURL != "") {
		add("B2B_DATA_DIR", "is missing: there must be a data folder")
	}
	if c.DatabasePool != 0 && (c.DatabasePool < leastPool || c.DatabasePool > mostPool) {
		add("B2B_DATABASE_CONNECTIONS", fmt.Sprintf("must be a number from %d to %d", leastPool, mostPool))
	}
	if c.DatabaseTimeout < 0 || c.DatabaseTimeout > longestTimeout {
		add("B2B_DATABASE_TIMEOUT", fmt.Sprintf("must be a number of seconds from 1 to %d", longestTimeout))
	}
	if c.MaxMessage < 0 || c.MaxMessage > limits.MostContent {
		add("B2B_MAX_MSG_LEN", fmt.Sprintf("must be a number from 1 to %d, which is what a request of 1 MiB can carry", limits.MostContent))
	}
	if c.MaxFileSizeMB < 0 || c.MaxFileSizeMB > maxMB || c.FileUploadMBPerDay < 0 || c.FileUploadMBPerDay > maxMB {
		add("B2B_MAX_FILE_SIZE_MB and B2B_FILE_UPLOAD_MB_PER_DAY", "must be numbers from 1 to 1073741824")
	}
	for _, mb := range []int{c.ArtifactMBPerThread, c.ArtifactMBPerDay, c.ArtifactMBPerOrg} {
		if mb < 0 || mb > maxMB {
			add("B2B_ARTIFACT_MB_PER_THREAD, _DAY and _ORG", "must be numbers from 1 to 1073741824")
		}
	}
	for _, mb := range []int{c.StoredMBPerDay, c.BulkMBPerDay} {
		if mb < 0 || mb > maxMB {
			add("B2B_STORED_MB_PER_DAY and B2B_BULK_MB_PER_DAY", "must be numbers from 1 to 1073741824")
		}
	}
	if c.MaxConnections < 0 || c.MaxConnections > 0 && c.MaxConnections < leastConnections {
		add("B2B_MAX_CONNECTIONS", fmt.Sprintf("must be at least %d", leastConnections))
	}
	return append(append(ps, c.adminProblems()...), c.bucketProblems()...)
}

// Validate checks a configuration that was not made by Load.
func (c Config) Validate() error { return errors.Join(c.problems().err(), checkRedis(c.RedisURL)) }
