package config

import (
	"strings"
	"testing"
)

// B2B-ENV-052: the size of the connection pool to PostgreSQL.
func TestDatabaseConnections(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 16, "2": 2, "1000": 1000, "1": -1, "0": -1, "-3": -1, "1001": -1} {
		c, err := Load(vars("B2B_DATABASE_CONNECTIONS", text))
		if err == nil && c.DatabasePool != want || err != nil && (want != -1 || !strings.Contains(err.Error(), "B2B_DATABASE_CONNECTIONS")) {
			t.Errorf("%q: %d, %v", text, c.DatabasePool, err)
		}
	}
}

// B2B-ENV-054: how long calls wait for PostgreSQL.
func TestDatabaseTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "1": 1, "300": 300, "0": -1, "-3": -1, "301": -1, "4.5": -1} {
		c, err := Load(vars("B2B_DATABASE_TIMEOUT", text))
		if err == nil && c.DatabaseTimeout != want || err != nil && (want != -1 || !strings.Contains(err.Error(), "B2B_DATABASE_TIMEOUT")) {
			t.Errorf("%q: %d, %v", text, c.DatabaseTimeout, err)
		}
	}
}
