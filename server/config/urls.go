package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/eventlog/redisnotify"
	"github.com/b2b-protocol/b2b/internal/files/s3files"
)

const (
	exampleDatabase = "postgres://user:password@host:5432/b2b"
	exampleRedis    = "redis://:password@host:6379"
	unreadable      = "cannot be parsed as a URL: characters such as @ / ? # % in a password must be escaped (%40 %2F %3F %23 %25)"
)

// database reads the URL of PostgreSQL; "" is the embedded database. Under the names of HXA-Connect
// a value for SQLite means the embedded database, as there.
func (r *reader) database(names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return ""
	}
	scheme, rest, _ := strings.Cut(s.value, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case scheme == "postgres" || scheme == "postgresql":
	case s.older() && (scheme == "file" || scheme == "sqlite" || scheme == "sqlite3" || strings.HasSuffix(s.value, ".db")):
		r.note("%s=%s is not a PostgreSQL URL: the embedded database in the data folder is used", s.name, quote(mask(s.value)))
		return ""
	default:
		r.problem(s, "is not a PostgreSQL URL; for the embedded database (SQLite), leave it out and set B2B_DATA_DIR", exampleDatabase)
		return ""
	}
	address := scheme + ":" + rest
	if why := checkPostgres(address); why != "" {
		r.problem(s, why, exampleDatabase)
		return ""
	}
	return address
}

// checkPostgres returns what is wrong with a URL, without its secrets.
func checkPostgres(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return unreadable
	}
	if !strings.HasPrefix(address, u.Scheme+"://") {
		return "is not a PostgreSQL URL: // is missing"
	}
	if _, err := pgconn.ParseConfig(address); err != nil {
		var inner *pgconn.ParseConfigError
		if errors.As(err, &inner) && errors.Unwrap(inner) != nil {
			return "cannot be used: " + withoutPassword(errors.Unwrap(inner).Error(), u)
		}
		return "cannot be used as a PostgreSQL URL"
	}
	return ""
}

// withoutPassword hides the password of a URL in a message about it.
func withoutPassword(text string, u *url.URL) string {
	password, _ := u.User.Password()
	return maskReason(text, password)
}

// redis reads the URL of Redis; host:port is accepted, too.
func (r *reader) redis(names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return ""
	}
	address := s.value
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		address = strings.ToLower(scheme) + "://" + rest
	} else if hostPort(address) {
		address = "redis://" + address
	}
	if err := checkRedis(address); err != nil {
		r.problem(s, err.Error(), exampleRedis)
		return ""
	}
	return address
}

// checkRedis returns what is wrong with a URL, without its secrets.
func checkRedis(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New(unreadable)
	}
	if err := redisnotify.CheckURL(address); err != nil {
		return errors.New("cannot be used as a Redis URL: " + withoutPassword(err.Error(), u))
	}
	return nil
}

// folder reads a path.
func (r *reader) folder(fallback string, names ...string) string {
	s := r.text(names...)
	if s.value == "" {
		return fallback
	}
	if s.value == "~" || strings.HasPrefix(s.value, "~/") {
		r.problem(s, "begins with a ~, which only a shell replaces: write the whole path", "/var/lib/b2b")
		return fallback
	}
	if strings.Contains(s.value, "://") {
		r.problem(s, "must be the path of a folder", "/var/lib/b2b")
		return fallback
	}
	return s.value
}

func (c Config) bucketProblems() (ps Problems) {
	if c.FilesURL == "" {
		return nil
	}
	if err := c.FilesBucket().Check(); err != nil {
		ps = append(ps, Problem{Name: "B2B_FILES_URL", Value: mask(c.FilesURL), Why: err.Error(), Example: "s3://bucket/b2b?region=eu-central-1"})
	}
	if c.FilesDir != "" {
		ps = append(ps, Problem{Name: "B2B_FILES_DIR", Value: c.FilesDir, Why: "cannot be set together with B2B_FILES_URL: leave one of them out"})
	}
	if most := s3files.MaxSize >> 20; c.MaxFileSizeMB > most {
		ps = append(ps, Problem{Name: "B2B_MAX_FILE_SIZE_MB", Value: fmt.Sprint(c.MaxFileSizeMB), Why: fmt.Sprintf("must be at most %d with B2B_FILES_URL", most)})
	}
	return ps
}
