package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// B2B-ENV-010: --check shows every setting, and no secrets.
func TestSettingsAreWhole(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", 32)
	c, err := Load(vars(
		"B2B_ADMIN_SECRET", "hunter2-admin", "B2B_DATABASE_URL", "postgres://u:hunter2@h/d", "B2B_REDIS_URL", "redis://:hunter2@r", "B2B_SECRET_KEY", key,
		"B2B_FILES_URL", "s3://bucket/b2b?region=eu-central-1", "B2B_FILES_ACCESS_KEY_ID", "hunter2-id", "B2B_FILES_SECRET_ACCESS_KEY", "hunter2-key",
		"B2B_MAX_CONNECTIONS", "77", "B2B_DATABASE_CONNECTIONS", "5", "B2B_DATA_DIR", "somewhere",
	))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, s := range c.Settings() {
		if _, twice := shown[s.Name]; twice || s.Value == "" || strings.Contains(s.Value, "hunter2") || strings.Contains(s.Value, key) {
			t.Errorf("%s is shown as %q", s.Name, s.Value)
		}
		shown[s.Name] = s.Value
	}
	for _, name := range asked() {
		if strings.HasPrefix(name, "B2B_") && shown[name] == "" {
			t.Errorf("%s is not shown", name)
		}
	}
	folder, err := filepath.Abs("somewhere")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"B2B_ADMIN_SECRET": "***", "B2B_FILES_SECRET_ACCESS_KEY": "***", "B2B_DATA_DIR": folder, "B2B_MAX_CONNECTIONS": "77 connections",
		"B2B_DATABASE_CONNECTIONS": "5 connections", "B2B_DATABASE_URL": "postgres://u:***@h/d", "B2B_SECRET_KEY": c.SecretKeys[0].ID(),
	} {
		if shown[name] != want {
			t.Errorf("%s is shown as %q, not %q", name, shown[name], want)
		}
	}
	for _, s := range Default().Settings() {
		if s.Value == "" || s.Name == "B2B_MAX_CONNECTIONS" && s.Value == "0 connections" {
			t.Errorf("the default of %s is shown as %q", s.Name, s.Value)
		}
	}
}
