// Package config reads the settings of the operator, once and strictly.
//
// [Load] looks up each setting under its names: a flag, the variable of this server, then the
// variables of HXA-Connect. It normalizes values (blanks, quotes, capitals of host names, trailing
// slashes). An invalid value is a [Problem] that names the variable, shows the value without its
// secrets, and gives an example. Load reports all problems at once. A value under a name of
// HXA-Connect keeps the meaning that it has there, and a warning reports it if that may surprise.
//
// [Config.Validate] checks a [Config] that was not made by Load.
package config

import (
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/b2b-protocol/b2b/internal/accesslog"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/files/s3files"
	"github.com/b2b-protocol/b2b/internal/forwarded"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/tracing"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

// Config is all settings of an operator. The zero value is not useful: start with Load or Default.
type Config struct {
	Host               string
	Port               int    // 0: any free port
	DataDir            string // the embedded database, and the files
	AdminSecret        string // required unless DevMode
	DatabaseURL        string // postgres://…; empty: SQLite in DataDir
	DatabasePool       int    // connections to PostgreSQL, in addition to two for notifications; 0: 16
	DatabaseTimeout    int    // seconds that a call waits for PostgreSQL; 0: 4.5
	RedisURL           string // the notifier between nodes; empty: PostgreSQL's own. SQLite has one node
	CORSOrigins        []string
	PersistMessages    bool
	MaxMessage         int // UTF-16 units
	MaxFileSizeMB      int
	FileUploadMBPerDay int // of one org
	// Limits of artifacts; 0: the default of package limits.
	ArtifactsPerThread  int // versions
	ArtifactMBPerThread int
	ArtifactMBPerDay    int // added by one org
	ArtifactMBPerOrg    int
	StoredMBPerDay      int    // by the changes of one org; 0: the default
	BulkMBPerDay        int    // of these, by changes other than short messages
	FilesDir            string // the content of files; empty: b2b-files in DataDir
	FilesURL            string // s3://…: the bucket of the content of files
	FilesKeyID          string // the credentials for it
	FilesSecret         string
	FilesSession        string
	SecretKeys          []seal.Key // the key that encrypts stored secrets, then older ones; none: package vault makes one
	LogLevel            slog.Level
	DevMode             bool
	Domain              string // host[:port] that browsers use; empty: that of the request
	BasePath            string // "" or "/path"
	Proxies             forwarded.Trust
	WebhookAllow        webhookurl.Allow // private addresses that webhooks may use
	MaxConnections      int              // open at once; 0: edge.DefaultConnections
	Traces              tracing.Settings
	MCP                 bool // serve /mcp
	A2A                 bool // serve the agents below /a2a/
	AccessLog           accesslog.Mode
	AccessLogLines      int    // in a second, at most
	AdminListen         string // host:port of metrics, health and profiles; empty: none
	AdminListenToken    string // that requests there must have; empty: none
	// Limits are the limits of package edge, except for MaxConnections; zero: the defaults. For
	// tests.
	Limits edge.Limits
	// Scheduler is the result of concurrency.Prepare, if the process called it.
	Scheduler concurrency.Scheduler
	// PageBytes is the largest body of a list; 0: limits.MaxPageBody. For tests.
	PageBytes int
	// Now is the clock of calls; nil: that of the machine. For tests of old data.
	Now func() time.Time

	notes []string // values that Load interpreted in a way that may surprise
}

// Default returns the configuration of an empty environment, which lacks the admin secret.
func Default() Config {
	c, _ := load(func(string) (string, bool) { return "", false })
	return c
}

// Addr returns the address to listen on.
func (c Config) Addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// Embedded reports whether the database is SQLite in DataDir, and not PostgreSQL.
func (c Config) Embedded() bool { return c.DatabaseURL == "" }

// SingleNode reports whether this process is the only node. One process at a time opens an embedded
// database; any number of nodes may share one of PostgreSQL.
func (c Config) SingleNode() bool { return c.Embedded() }

// StorePath returns what to open the store with: a PostgreSQL URL or a file.
func (c Config) StorePath() string {
	if !c.Embedded() {
		return c.DatabaseURL
	}
	return filepath.Join(c.DataDir, "b2b.db")
}

// FilesPath returns the folder of the content of files. Its name differs from that of HXA-Connect,
// which may use the same data folder.
func (c Config) FilesPath() string {
	if c.FilesDir != "" {
		return c.FilesDir
	}
	return filepath.Join(c.DataDir, "b2b-files")
}

// FilesBucket returns the bucket of the content of files, if FilesURL is set.
func (c Config) FilesBucket() s3files.Config {
	return s3files.Config{
		URL: c.FilesURL, AccessKeyID: c.FilesKeyID, SecretAccessKey: c.FilesSecret, SessionToken: c.FilesSession,
		Spool: filepath.Join(c.DataDir, "b2b-spool"),
	}
}
