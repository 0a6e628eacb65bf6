package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/edge"
)

// Setting is one variable with its effective value, for people: with its unit, an absolute path,
// and without secrets.
type Setting struct{ Name, Value string }

// Settings returns all settings, in the order of the page for operators (B2B-ENV-010).
func (c Config) Settings() []Setting {
	var all []Setting
	add := func(name, value string) { all = append(all, Setting{name, orNone(value)}) }
	add("B2B_PORT", strconv.Itoa(c.Port))
	add("B2B_HOST", c.Host)
	add("B2B_DATA_DIR", absolute(c.DataDir))
	add("B2B_ADMIN_SECRET", hidden(c.AdminSecret))
	if !c.Embedded() {
		add("B2B_DATABASE_URL", mask(c.DatabaseURL))
		add("B2B_DATABASE_CONNECTIONS", fmt.Sprintf("%d connections", orDefault(c.DatabasePool, usualPool)))
		timeout := "4.5 seconds"
		if c.DatabaseTimeout > 0 {
			timeout = fmt.Sprintf("%d seconds", c.DatabaseTimeout)
		}
		add("B2B_DATABASE_TIMEOUT", timeout)
	} else {
		add("B2B_DATABASE_URL", "none: SQLite, "+absolute(c.StorePath()))
		add("B2B_DATABASE_CONNECTIONS", "none: SQLite")
		add("B2B_DATABASE_TIMEOUT", "none: SQLite")
	}
	add("B2B_REDIS_URL", mask(c.RedisURL))
	add("B2B_CORS_ORIGINS", strings.Join(c.CORSOrigins, ","))
	add("B2B_PERSIST", strconv.FormatBool(c.PersistMessages))
	add("B2B_MAX_FILE_SIZE_MB", mib(c.MaxFileSizeMB, "for one file"))
	add("B2B_FILE_UPLOAD_MB_PER_DAY", mib(c.FileUploadMBPerDay, "a day for each org"))
	add("B2B_ARTIFACTS_PER_THREAD", fmt.Sprintf("%d versions", c.ArtifactsPerThread))
	add("B2B_ARTIFACT_MB_PER_THREAD", mib(c.ArtifactMBPerThread, "for each thread"))
	add("B2B_ARTIFACT_MB_PER_DAY", mib(c.ArtifactMBPerDay, "a day for each org"))
	add("B2B_ARTIFACT_MB_PER_ORG", mib(c.ArtifactMBPerOrg, "for each org"))
	add("B2B_STORED_MB_PER_DAY", mib(c.StoredMBPerDay, "a day for each org"))
	add("B2B_BULK_MB_PER_DAY", mib(c.BulkMBPerDay, "a day for each org"))
	add("B2B_SECRET_KEY", c.keyIDs())
	if c.FilesURL != "" {
		add("B2B_FILES_DIR", "none: a bucket")
		add("B2B_FILES_URL", mask(c.FilesURL))
	} else {
		add("B2B_FILES_DIR", absolute(c.FilesPath()))
		add("B2B_FILES_URL", "")
	}
	add("B2B_FILES_ACCESS_KEY_ID", hidden(c.FilesKeyID))
	add("B2B_FILES_SECRET_ACCESS_KEY", hidden(c.FilesSecret))
	add("B2B_MAX_MSG_LEN", fmt.Sprintf("%d UTF-16 units", c.MaxMessage))
	add("B2B_LOG_LEVEL", strings.ToLower(c.LogLevel.String()))
	add("B2B_DEV_MODE", strconv.FormatBool(c.DevMode))
	add("B2B_DOMAIN", c.Domain)
	add("B2B_BASE_PATH", c.BasePath)
	add("B2B_MAX_CONNECTIONS", fmt.Sprintf("%d connections", orDefault(c.MaxConnections, edge.DefaultConnections())))
	add("B2B_TRUST_PROXY", c.Proxies.String())
	add("B2B_WEBHOOK_ALLOW", c.WebhookAllow.String())
	add("B2B_MCP", strconv.FormatBool(c.MCP))
	add("B2B_A2A", strconv.FormatBool(c.A2A))
	add("B2B_ACCESS_LOG", string(c.AccessLog))
	add("B2B_ACCESS_LOG_LINES", fmt.Sprintf("%d lines a second", c.AccessLogLines))
	add("B2B_ADMIN_LISTEN", c.AdminListen)
	add("B2B_ADMIN_LISTEN_TOKEN", hidden(c.AdminListenToken))
	return append(all, c.traceSettings()...)
}

// absolute returns an absolute path.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	full, err := filepath.Abs(path)
	if err != nil { // the folder that the process was started in is gone
		return path
	}
	return full
}

// hidden returns a placeholder for a secret.
func hidden(secret string) string {
	if secret == "" {
		return ""
	}
	return "***"
}

// keyIDs returns the ids of the configured keys, which do not reveal the keys.
func (c Config) keyIDs() string {
	ids := make([]string, len(c.SecretKeys))
	for i, key := range c.SecretKeys {
		ids[i] = key.ID()
	}
	return strings.Join(ids, ",")
}

func mib(n int, what string) string { return fmt.Sprintf("%d MiB %s", n, what) }

func orDefault(n, usual int) int {
	if n == 0 {
		return usual
	}
	return n
}
