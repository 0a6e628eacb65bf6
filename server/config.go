package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/server/edge"
	"github.com/b2b-protocol/b2b/server/eventlog/redisbell"
	"github.com/b2b-protocol/b2b/server/files/s3files"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

// Config is everything an operator can set. ConfigFromEnv fills it in; flags of
// the command change it afterwards; New refuses what cannot work.
type Config struct {
	Host               string
	Port               int    // 0: any free port
	DataDir            string // the embedded database, and the files
	AdminSecret        string // needed unless DevMode
	DatabaseURL        string // postgres://…; empty: SQLite in DataDir
	DatabasePool       int    // connections to PostgreSQL, beside two that listen; 0: 16
	RedisURL           string // the doorbell of several nodes; empty: PostgreSQL's own. SQLite has one node
	CORSOrigins        []string
	PersistMessages    bool
	MaxMessage         int // UTF-16 units
	MaxFileSizeMB      int
	FileUploadMBPerDay int    // of one org
	FilesDir           string // the bytes of files; empty: b2b-files in DataDir
	FilesURL           string // s3://…: the bytes of files are in that bucket
	FilesKeyID         string // the credentials for it
	FilesSecret        string
	FilesSession       string
	LogLevel           slog.Level
	DevMode            bool
	Domain             string
	BasePath           string
	TrustedProxies     int    // how many proxies before the server may be believed
	WebhookAllow       string // webhooks may lead to these private addresses, ranges and hosts: a comma list
	MaxConnections     int    // open at once; 0: by how many files the process may have open
	// Limits are those of the edge but for its connections; zero: the usual ones. For tests.
	Limits edge.Limits
	// Now is the clock of calls; nil: that of the machine. For tests of old data.
	Now func() time.Time
}

// maxMB bounds sizes that are set in MiB, so that they can be counted in bytes.
const maxMB = 1 << 30

// leastConnections is what a server needs to serve anybody while strangers come, too.
const leastConnections = 16

// Addr is where the server listens.
func (c Config) Addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// StorePath is what the store is opened with: a PostgreSQL URL or a file.
func (c Config) StorePath() string {
	if c.DatabaseURL != "" {
		return c.DatabaseURL
	}
	return filepath.Join(c.DataDir, "b2b.db")
}

// FilesPath is the folder of the bytes of files. It has a name of its own beside what
// HXA-Connect keeps in the same data folder.
func (c Config) FilesPath() string {
	if c.FilesDir != "" {
		return c.FilesDir
	}
	return filepath.Join(c.DataDir, "b2b-files")
}

// FilesBucket is the bucket of the bytes of files, when FilesURL is set.
func (c Config) FilesBucket() s3files.Config {
	return s3files.Config{
		URL: c.FilesURL, AccessKeyID: c.FilesKeyID, SecretAccessKey: c.FilesSecret, SessionToken: c.FilesSession,
		Spool: filepath.Join(c.DataDir, "b2b-spool"),
	}
}

// Validate tells what an operator must change before the server can start.
func (c Config) Validate() error {
	var problems []error
	if c.AdminSecret == "" && !c.DevMode {
		problems = append(problems, errors.New("no admin secret: set B2B_ADMIN_SECRET (or HXA_CONNECT_ADMIN_SECRET) to a long random text, or B2B_DEV_MODE=true to develop without one"))
	}
	if c.Port < 0 || c.Port > 65535 {
		problems = append(problems, fmt.Errorf("port %d: must be 0 to 65535", c.Port))
	}
	if c.DataDir == "" && (c.DatabaseURL == "" || c.FilesDir == "" || c.FilesURL != "") {
		problems = append(problems, errors.New("no data folder: set B2B_DATA_DIR"))
	}
	if c.MaxConnections < 0 || c.MaxConnections > 0 && c.MaxConnections < leastConnections {
		problems = append(problems, fmt.Errorf("B2B_MAX_CONNECTIONS: must be at least %d, or 0", leastConnections))
	}
	if c.DatabasePool != 0 && (c.DatabasePool < 2 || c.DatabasePool > 1000) {
		problems = append(problems, fmt.Errorf("B2B_DATABASE_CONNECTIONS %d: must be 2 to 1000", c.DatabasePool))
	}
	if c.MaxFileSizeMB < 0 || c.MaxFileSizeMB > maxMB || c.FileUploadMBPerDay < 0 || c.FileUploadMBPerDay > maxMB {
		problems = append(problems, fmt.Errorf("B2B_MAX_FILE_SIZE_MB and B2B_FILE_UPLOAD_MB_PER_DAY: must be 1 to %d", maxMB))
	}
	if c.RedisURL != "" {
		if err := redisbell.CheckURL(c.RedisURL); err != nil {
			problems = append(problems, fmt.Errorf("B2B_REDIS_URL (or REDIS_URL): %w", err))
		}
	}
	if c.FilesURL != "" {
		if err := c.FilesBucket().Check(); err != nil {
			problems = append(problems, fmt.Errorf("B2B_FILES_URL: %w", err))
		}
		if c.FilesDir != "" {
			problems = append(problems, errors.New("B2B_FILES_URL and B2B_FILES_DIR: files are in one place, set one of the two"))
		}
		if c.MaxFileSizeMB > s3files.MaxSize>>20 {
			problems = append(problems, fmt.Errorf("B2B_MAX_FILE_SIZE_MB: at most %d with B2B_FILES_URL", s3files.MaxSize>>20))
		}
	}
	if _, err := webhookurl.ParseAllow(c.WebhookAllow); err != nil {
		problems = append(problems, fmt.Errorf("B2B_WEBHOOK_ALLOW: %w", err))
	}
	return errors.Join(problems...)
}

// ConfigFromEnv reads the environment. Each setting has our name and, for
// installations of HXA-Connect, the name it has there; ours wins. Numbers that
// cannot be read, and 0, mean the default, as they do there.
func ConfigFromEnv(getenv func(string) string) Config {
	env := func(names ...string) string {
		for _, name := range names {
			if v := getenv(name); v != "" {
				return v
			}
		}
		return ""
	}
	number := func(fallback int, names ...string) int {
		if n, err := strconv.Atoi(env(names...)); err == nil && n != 0 {
			return n
		}
		return fallback
	}
	c := Config{
		Host:               env("B2B_HOST", "HXA_CONNECT_HOST"),
		Port:               number(4800, "B2B_PORT", "HXA_CONNECT_PORT"),
		DataDir:            env("B2B_DATA_DIR", "HXA_CONNECT_DATA_DIR"),
		AdminSecret:        env("B2B_ADMIN_SECRET", "HXA_CONNECT_ADMIN_SECRET"),
		CORSOrigins:        list(env("B2B_CORS_ORIGINS", "HXA_CONNECT_CORS_ORIGINS", "HXA_CONNECT_CORS")),
		PersistMessages:    env("B2B_PERSIST", "HXA_CONNECT_PERSIST") != "false",
		MaxMessage:         number(65536, "B2B_MAX_MSG_LEN", "HXA_CONNECT_MAX_MSG_LEN"),
		MaxFileSizeMB:      number(50, "B2B_MAX_FILE_SIZE_MB", "HXA_CONNECT_MAX_FILE_SIZE_MB"),
		FileUploadMBPerDay: number(500, "B2B_FILE_UPLOAD_MB_PER_DAY", "HXA_CONNECT_FILE_UPLOAD_MB_PER_DAY"),
		FilesDir:           env("B2B_FILES_DIR"),
		FilesURL:           env("B2B_FILES_URL"),
		FilesKeyID:         env("B2B_FILES_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
		FilesSecret:        env("B2B_FILES_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
		DatabasePool:       number(0, "B2B_DATABASE_CONNECTIONS"),
		RedisURL:           env("B2B_REDIS_URL", "REDIS_URL"),
		DevMode:            env("B2B_DEV_MODE", "DEV_MODE") == "true",
		Domain:             env("B2B_DOMAIN", "DOMAIN"),
		BasePath:           strings.TrimSuffix(env("B2B_BASE_PATH", "BASE_PATH", "NEXT_PUBLIC_BASE_PATH"), "/"),
		WebhookAllow:       env("B2B_WEBHOOK_ALLOW"),
		MaxConnections:     number(0, "B2B_MAX_CONNECTIONS"),
		TrustedProxies:     1,
	}
	if getenv("B2B_FILES_ACCESS_KEY_ID") == "" {
		c.FilesSession = env("AWS_SESSION_TOKEN") // goes with the key of the same set
	}
	if c.Host == "" {
		c.Host = "0.0.0.0"
	}
	if c.DataDir == "" {
		c.DataDir = "./data"
	}
	for _, name := range []string{"B2B_DATABASE_URL", "HXA_CONNECT_DATABASE_URL", "DATABASE_URL"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "postgres") {
				c.DatabaseURL = v
			}
			break
		}
	}
	if n, err := strconv.Atoi(getenv("B2B_TRUST_PROXY")); err == nil && n >= 0 {
		c.TrustedProxies = n
	}
	c.LogLevel = slog.LevelInfo
	if c.DevMode {
		c.LogLevel = slog.LevelDebug
		if len(c.CORSOrigins) == 0 {
			c.CORSOrigins = []string{"*"}
		}
	}
	if level := env("B2B_LOG_LEVEL", "HXA_CONNECT_LOG_LEVEL"); level != "" {
		var l slog.Level
		if l.UnmarshalText([]byte(level)) == nil {
			c.LogLevel = l
		}
	}
	return c
}

func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
