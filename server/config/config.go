// Package config is what an operator sets, read once and strictly.
//
// [Load] looks each setting up under its names: a flag, the variable of this server, then
// the variables that set-ups of HXA-Connect have. What is plain is written in one form
// (blanks, quotes, capitals of a host name, slashes at the end); what is not is a [Problem]
// that names the variable, shows the value without its secrets, and gives an example. All
// problems are found in one go. A value under an older name that HXA-Connect took in a way
// of its own keeps its meaning there, and a warning says which.
//
// A [Config] that was made by hand is held by [Config.Validate] to what Load refuses, as
// far as single fields cannot say it.
package config

import (
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/b2b-protocol/b2b/server/concurrency"
	"github.com/b2b-protocol/b2b/server/edge"
	"github.com/b2b-protocol/b2b/server/files/s3files"
	"github.com/b2b-protocol/b2b/server/forwarded"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

// Config is everything an operator can set. The zero value is not useful: begin with Load
// or Default.
type Config struct {
	Host               string
	Port               int    // 0: any free port
	DataDir            string // the embedded database, and the files
	AdminSecret        string // needed unless DevMode
	DatabaseURL        string // postgres://…; empty: SQLite in DataDir
	DatabasePool       int    // connections to PostgreSQL, beside two that listen; 0: 16
	RedisURL           string // the notifier between nodes; empty: PostgreSQL's own. SQLite has one node
	CORSOrigins        []string
	PersistMessages    bool
	MaxMessage         int // UTF-16 units
	MaxFileSizeMB      int
	FileUploadMBPerDay int // of one org
	// What artifacts may have; 0: the usual of package limits.
	ArtifactsPerThread  int // versions
	ArtifactMBPerThread int
	ArtifactMBPerDay    int // added by one org
	ArtifactMBPerOrg    int
	StoredMBPerDay      int    // by the changes of one org; 0: the usual
	BulkMBPerDay        int    // of it by those that are no short messages
	FilesDir            string // the bytes of files; empty: b2b-files in DataDir
	FilesURL            string // s3://…: the bytes of files are in that bucket
	FilesKeyID          string // the credentials for it
	FilesSecret         string
	FilesSession        string
	SecretKeys          []seal.Key // what secrets rest under, and older ones; none: package vault finds one
	LogLevel            slog.Level
	DevMode             bool
	Domain              string // host[:port] that browsers use; empty: that of the request
	BasePath            string // "" or "/path"
	Proxies             forwarded.Trust
	WebhookAllow        webhookurl.Allow // private targets that webhooks may lead to
	MaxConnections      int              // open at once; 0: by how many files the process may have open
	// Limits are those of the edge but for its connections; zero: the usual ones. For tests.
	Limits edge.Limits
	// Scheduler is what concurrency.Prepare returned, if the process called it.
	Scheduler concurrency.Scheduler
	// PageBytes is how large the body of a list may be; 0: limits.MaxPageBody. For tests
	// of lists that cannot be so long.
	PageBytes int
	// Now is the clock of calls; nil: that of the machine. For tests of old data.
	Now func() time.Time

	notes []string // what Load took in a way that may surprise
}

// Default is the configuration of an empty environment. It lacks the admin secret.
func Default() Config {
	c, _ := load(func(string) (string, bool) { return "", false })
	return c
}

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
