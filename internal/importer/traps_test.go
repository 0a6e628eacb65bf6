package importer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/importer"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// change runs statements on an old database, without its foreign keys and checks.
func change(t testing.TB, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=foreign_keys(0)&_pragma=ignore_check_constraints(1)")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// hashOf is how secrets are looked up.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Rows of the sample, by what they are.
const (
	northwind = "81b05bec-1e46-43ac-97a7-358d49abeacf"
	harbor    = "4b6898de-1561-402c-87e6-642c105e2551"
	vineyard  = "4baeae16-42e0-428b-b55e-2537d9591766"
	conductor = "bf3292a6-fd03-4a83-8e19-fbee3d51c1e2"
	scribe    = "a9f73073-7063-4b02-9fef-de62de1b6bd3"
	vintner   = "a29de389-d6a7-41d5-abed-08fe9b4398ec"
	talk      = "3966cd4b-7f8e-4568-a8e6-9b07983122b6" // of conductor and scribe
	release   = "35dc92b9-e336-456d-ab6d-e4d8876acafd" // a thread
	vines     = "b4d651c9-1e9e-4e9c-83e6-aa9fbbab1f33" // a thread of vineyard
)

// A trap is something that old databases hold (docs/compatibility.md, "Databases"), and what
// must become of it (B2B-IMP-006 to 008).
var traps = []struct {
	name       string
	statements []string
	// noted are parts of notes that the report must have: "table: why".
	skipped, changed []string
	check            func(t *testing.T, s *sqlstore.Store)
}{
	{
		name: "rows that belong to nothing",
		statements: []string{
			"INSERT INTO messages (id, channel_id, sender_id, content, created_at) VALUES ('m-lost', 'no-channel', '" + scribe + "', 'x', 1)",
			"INSERT INTO bots (id, org_id, name, token, created_at) VALUES ('b-lost', 'no-org', 'lost', 'lost-hash', 1)",
			"INSERT INTO bot_tokens (id, bot_id, token, created_at) VALUES ('t-lost', 'no-bot', 'lost-token', 1)",
			"INSERT INTO thread_participants (thread_id, bot_id, joined_at) VALUES ('" + release + "', 'no-bot', 1)",
			"INSERT INTO channel_members (channel_id, bot_id, joined_at) VALUES ('" + talk + "', 'no-bot', 1)",
			"INSERT INTO thread_join_requests (id, thread_id, bot_id, requested_at) VALUES ('j-lost', '" + release + "', 'no-bot', 1)",
			"UPDATE threads SET initiator_id = '" + conductor + "', channel_id = '" + talk + "' WHERE id = '" + vines + "'", // of another org
		},
		skipped: []string{"messages: what it belongs to", "bots: what it belongs to", "bot_tokens: what it belongs to",
			"thread_participants: its bot", "channel_members: its bot", "thread_join_requests: its bot"},
		check: func(t *testing.T, s *sqlstore.Store) {
			if _, err := s.BotByTokenHash(t.Context(), "lost-hash"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the bot of no org: %v", err)
			}
			if got := must(s.Thread(t.Context(), vineyard, vines))(t); got.InitiatorID != nil || got.ChannelID != nil {
				t.Errorf("a thread points into another org: %+v", got)
			}
		},
	},
	{
		name:       "an org left behind by a crash while it was destroyed",
		statements: []string{"UPDATE orgs SET status = 'destroyed' WHERE id = '" + vineyard + "'"},
		skipped:    []string{"orgs: its organisation was destroyed", "bots: its organisation was destroyed", "threads: its organisation was destroyed"},
		check: func(t *testing.T, s *sqlstore.Store) {
			if _, err := s.Org(t.Context(), vineyard); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the destroyed org: %v", err)
			}
			must(s.Org(t.Context(), harbor))(t)
		},
	},
	{
		name: "text that is not text",
		statements: []string{
			"UPDATE messages SET content = CAST(X'68E2' AS TEXT) || char(0) || 'x' WHERE channel_id = '" + talk + "'",
			"UPDATE bots SET bio = CAST(X'EDA0BD' AS TEXT), team = 42 WHERE id = '" + scribe + "'",
		},
		changed: []string{"messages: content: bytes that are not UTF-8", "bots: bio: bytes that are not UTF-8"},
		check: func(t *testing.T, s *sqlstore.Store) {
			rows := must(s.ChannelMessages(t.Context(), talk, store.MessageRange{Limit: 1}))(t)
			if got := strings.ReplaceAll(rows[0].Content, "\x00", "\uFFFD"); got != "h\uFFFD\uFFFDx" {
				t.Errorf("content %q", got)
			}
			if b := must(s.BotByID(t.Context(), scribe))(t); *b.Bio != "\uFFFD\uFFFD\uFFFD" || *b.Team != "42" {
				t.Errorf("bio %q, team %q", *b.Bio, *b.Team)
			}
		},
	},
	{
		name: "JSON that cannot be read",
		statements: []string{
			`UPDATE messages SET parts = '{"type":"text"}' WHERE channel_id = '` + talk + `'`,
			`UPDATE thread_messages SET mentions = '[1]', metadata = 'not { json' WHERE thread_id = '` + release + `'`,
			`UPDATE bots SET metadata = '{', tags = '["a",1]', protocols = '7' WHERE id = '` + scribe + `'`,
			`UPDATE bot_tokens SET scopes = 'full' WHERE bot_id = '` + scribe + `'`,
			`UPDATE audit_log SET detail = '[]' WHERE org_id = '` + vineyard + `'`,
			`UPDATE threads SET permission_policy = 'none', context = '{' WHERE id = '` + release + `'`,
		},
		changed: []string{"messages: parts:", "thread_messages: mentions:", "bots: metadata:", "bots: tags:", "bots: protocols:",
			"bot_tokens: scopes:", "audit_log: detail:", "threads: permission_policy:"},
		check: func(t *testing.T, s *sqlstore.Store) {
			b := must(s.BotByID(t.Context(), scribe))(t)
			if b.Metadata != nil || b.Tags != nil || b.Protocols != nil {
				t.Errorf("the bot has %v %v %v", b.Metadata, b.Tags, b.Protocols)
			}
			for _, k := range must(s.Tokens(t.Context(), scribe, nil, 100))(t) {
				if k.Scopes != `["full"]` {
					t.Errorf("scopes %s", k.Scopes)
				}
			}
			if got := must(s.Thread(t.Context(), northwind, release))(t); got.PermissionPolicy != nil || *got.Context != "{" {
				t.Errorf("the thread %+v", got)
			}
			if m := must(s.ThreadMessages(t.Context(), release, store.MessageRange{Limit: 1}))(t); *m[0].Metadata != "not { json" {
				t.Errorf("metadata %q", *m[0].Metadata)
			}
		},
	},
	{
		name: "fractions, never and off",
		statements: []string{
			"UPDATE bot_tokens SET expires_at = 2110700555740.75 WHERE bot_id = '" + scribe + "'",
			"UPDATE org_tickets SET expires_at = 0, code = NULL WHERE org_id = '" + vineyard + "'",
			"UPDATE org_settings SET message_ttl_days = NULL, file_upload_mb_per_day_per_bot = NULL",
			"UPDATE platform_invite_codes SET expires_at = 0, max_uses = 0, code = NULL",
		},
		changed: []string{"bot_tokens: expires_at: a fraction"},
		check: func(t *testing.T, s *sqlstore.Store) {
			for _, k := range must(s.Tokens(t.Context(), scribe, nil, 100))(t) {
				if *k.ExpiresAt != 2110700555740 {
					t.Errorf("expires at %d", *k.ExpiresAt)
				}
			}
			tickets := must(s.Tickets(t.Context(), vineyard, 1e15, nil, 10))(t)
			if len(tickets) != 1 || tickets[0].CodeHash != nil || must(s.Ticket(t.Context(), *tickets[0].IDHash))(t).ExpiresAt != 0 {
				t.Errorf("tickets %+v", tickets)
			}
			if o := must(s.OrgSettings(t.Context(), harbor))(t); o.MessageTTLDays != nil || o.FileUploadMBPerDayPerBot != 100 || o.MessagesPerMinutePerBot != 60 {
				t.Errorf("settings %+v", o)
			}
			for _, c := range must(s.InviteCodes(t.Context(), nil, 10))(t) {
				if c.ExpiresAt != 0 || c.MaxUses != 0 || c.Sealed != nil {
					t.Errorf("invite code %+v", c)
				}
			}
		},
	},
	{
		name: "what requests would not be allowed",
		statements: []string{
			"UPDATE bots SET name = 'all', webhook_url = 'http://127.0.0.1/', webhook_secret = '' WHERE id = '" + vintner + "'",
			"UPDATE threads SET topic = '   ', tags = '[]', permission_policy = '[]', context = '' WHERE id = '" + vines + "'",
			"UPDATE thread_messages SET content_type = '' WHERE thread_id = '" + vines + "'",
			"UPDATE orgs SET name = '' WHERE id = '" + vineyard + "'",
			"UPDATE thread_participants SET label = '' WHERE thread_id = '" + vines + "'",
		},
		check: func(t *testing.T, s *sqlstore.Store) {
			if b := must(s.BotByName(t.Context(), vineyard, "all"))(t); b.ID != vintner || b.SealedURL == nil || b.SealedSecret == nil {
				t.Errorf("the bot %+v", b)
			}
			if th := must(s.Thread(t.Context(), vineyard, vines))(t); th.Topic != "   " || *th.Tags != "[]" || *th.PermissionPolicy != "[]" || *th.Context != "" {
				t.Errorf("the thread %+v", th)
			}
			if m := must(s.ThreadMessages(t.Context(), vines, store.MessageRange{Limit: 1}))(t); m[0].ContentType != "" {
				t.Errorf("content type %q", m[0].ContentType)
			}
			if p := must(s.Participant(t.Context(), vines, vintner))(t); *p.Label != "" {
				t.Errorf("label %q", *p.Label)
			}
		},
	},
	{
		name:       "a bot named like the id of another",
		statements: []string{"UPDATE bots SET name = '" + scribe + "' WHERE id = '" + conductor + "'", "DELETE FROM bots WHERE id = '" + scribe + "'"},
		changed:    []string{"bots: name: has the form of an id"},
		check: func(t *testing.T, s *sqlstore.Store) {
			if b := must(s.Bot(t.Context(), northwind, conductor))(t); b.Name != scribe {
				t.Errorf("its name is %q", b.Name)
			}
			// B2B-IMP-030: nothing that is sent to the one that is gone reaches it.
			if id, err := s.BotID(t.Context(), northwind, scribe); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the id of a bot that is gone leads to %q: %v", id, err)
			}
		},
	},
	{
		name: "what no rule kept from being there twice",
		statements: []string{
			"DROP INDEX IF EXISTS idx_thread_join_requests_pending",
			"INSERT INTO channels (id, org_id, type, created_at) VALUES ('c-second', '" + northwind + "', 'direct', 1795000000000)",
			"INSERT INTO channel_members (channel_id, bot_id, joined_at) VALUES ('c-second', '" + scribe + "', 1), ('c-second', '" + conductor + "', 1)",
			"INSERT INTO messages (id, channel_id, sender_id, content, created_at) VALUES ('m-second', 'c-second', '" + scribe + "', 'here, too', 2)",
			"INSERT INTO org_tickets (id, org_id, secret_hash, expires_at, created_at, code) SELECT 'k-second', org_id, 'x', 0, created_at + 1, code FROM org_tickets WHERE org_id = '" + vineyard + "'",
			"INSERT INTO platform_invite_codes (id, code_hash, expires_at, created_at) SELECT 'i-second', code_hash, 0, created_at + 1 FROM platform_invite_codes LIMIT 1",
		},
		skipped: []string{"platform_invite_codes: another invite code"},
		changed: []string{"org_tickets: code: an older ticket"},
		check: func(t *testing.T, s *sqlstore.Store) {
			if c := must(s.DirectChannelOf(t.Context(), northwind, scribe, conductor))(t); c.ID != talk {
				t.Errorf("the next message goes to %s", c.ID)
			}
			if m := must(s.ChannelMessages(t.Context(), "c-second", store.MessageRange{Limit: 9}))(t); len(m) != 1 || len(must(s.ChannelMembers(t.Context(), "c-second"))(t)) != 2 {
				t.Errorf("the second channel has %+v", m)
			}
			if k := must(s.Ticket(t.Context(), hashOf("k-second")))(t); k.CodeHash != nil {
				t.Errorf("the second ticket %+v", k)
			}
		},
	},
	{
		name: "a database of 1.0, which no later version opened",
		statements: []string{
			"DROP TABLE deleted_bot_names", "DROP TABLE thread_join_requests", "DROP TABLE platform_invite_codes", "DROP TABLE sessions",
			"DELETE FROM schema_versions", "DROP INDEX idx_threads_org_visibility",
			"ALTER TABLE thread_messages DROP COLUMN mentions", "ALTER TABLE thread_messages DROP COLUMN mention_all",
			"ALTER TABLE orgs DROP COLUMN join_approval_required",
			"ALTER TABLE bots DROP COLUMN join_status", "ALTER TABLE bots DROP COLUMN join_status_changed_by",
			"ALTER TABLE bots DROP COLUMN join_status_changed_at", "ALTER TABLE bots DROP COLUMN join_status_reason",
			"ALTER TABLE org_tickets DROP COLUMN skip_approval", "ALTER TABLE threads DROP COLUMN visibility", "ALTER TABLE threads DROP COLUMN join_policy",
		},
		check: func(t *testing.T, s *sqlstore.Store) {
			if b := must(s.BotByID(t.Context(), scribe))(t); b.JoinStatus != store.BotActive {
				t.Errorf("the bot %+v", b)
			}
			if th := must(s.Thread(t.Context(), northwind, release))(t); th.Visibility != "public" || th.JoinPolicy != "open" {
				t.Errorf("the thread %+v", th)
			}
		},
	},
	{
		name: "a file that points out of its folder",
		statements: []string{
			"UPDATE files SET path = '../../../../etc/passwd' WHERE org_id = '" + harbor + "'",
		},
		changed: []string{"files: its path is not one below files/"},
		check:   func(*testing.T, *sqlstore.Store) {},
	},
	{
		name: "values that nobody knows",
		statements: []string{
			"UPDATE bots SET join_status = 'odd' WHERE id = '" + scribe + "'",
			"UPDATE orgs SET status = 'odd' WHERE id = '" + vineyard + "'",
			"UPDATE catchup_events SET type = 'odd' WHERE target_bot_id = '" + scribe + "'",
			"UPDATE catchup_events SET payload = '{' WHERE target_bot_id = '" + conductor + "'",
			"UPDATE threads SET status = 'odd', close_reason = 'odd', visibility = 'odd', join_policy = 'open' WHERE id = '" + release + "'",
			"UPDATE threads SET join_policy = 'odd' WHERE id = '" + vines + "'",
			"UPDATE thread_join_requests SET status = 'odd'",
			"UPDATE artifacts SET type = 'odd' WHERE thread_id = '" + release + "'",
		},
		skipped: []string{"catchup_events: its type", "catchup_events: its payload"},
		changed: []string{"bots: join_status: an unknown value became rejected", "orgs: status: an unknown value became suspended",
			"threads: status: an unknown value became closed", "threads: close_reason: an unknown value was left out",
			"threads: visibility: an unknown value became private", "threads: join_policy: an unknown value became invite_only",
			"thread_join_requests: status: an unknown value became rejected", "artifacts: type: an unknown value became text"},
		check: func(t *testing.T, s *sqlstore.Store) {
			got := must(s.Thread(t.Context(), northwind, release))(t)
			if got.Status != "closed" || got.CloseReason != nil || got.Visibility != "private" || got.JoinPolicy != "invite_only" {
				t.Errorf("the thread %+v", got)
			}
		},
	},
}

// must gives a value that has to be there.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTraps(t *testing.T) {
	t.Parallel()
	for _, trap := range traps {
		t.Run(trap.name, func(t *testing.T) {
			dir := unpack(t)
			change(t, filepath.Join(dir, "hxa-connect.db"), trap.statements...)
			for _, to := range targets(t) {
				r := importInto(t, dir, "", to)
				checkNotes(t, "skipped", trap.skipped, r.Skipped)
				checkNotes(t, "changed", trap.changed, r.Changed)
				for _, table := range r.Tables {
					if table.Rows != table.Carried+table.Skipped || r.Failed() {
						t.Errorf("%s into %s: %+v, %+v", trap.name, to.name, table, r.Orgs)
					}
				}
				s := to.open(t)
				trap.check(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func checkNotes(t *testing.T, kind string, want []string, got []importer.Note) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(got, func(n importer.Note) bool { return strings.HasPrefix(n.Table+": "+n.Why, w) && n.Rows > 0 }) {
			t.Errorf("%s does not say %q: %+v", kind, w, got)
		}
	}
}

// The ids of sessions are cookies: none of them comes over, in whatever place it stood.
func TestNoSessionComesOver(t *testing.T) {
	t.Parallel()
	s := samples(t)[0]
	db := must(sql.Open("sqlite", "file:"+filepath.Join(s.dir, "hxa-connect.db")))(t)
	rows := must(db.QueryContext(t.Context(), "SELECT id FROM sessions UNION SELECT target_id FROM audit_log WHERE target_type = 'session' AND length(target_id) = 64"))(t)
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close(), db.Close()); err != nil || len(ids) < 12 {
		t.Fatalf("%d sessions, %v", len(ids), err)
	}
	to := targets(t)[0]
	importInto(t, s.from, s.dir, to)
	all := must(os.ReadFile(filepath.Join(to.dir, "b2b.db")))(t)
	for _, id := range ids {
		if bytes.Contains(all, []byte(id)) {
			t.Errorf("the session %s… is in the new database", id[:8])
		}
	}
	if !bytes.Contains(all, []byte(talk)) {
		t.Error("nothing is in the new database")
	}
}

// The newest rows may lie beside the file of the database, and nothing there is changed.
// It proves B2B-IMP-005.
func TestWriteAheadLog(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"running", "crashed", "copied without its index"} {
		t.Run(with, func(t *testing.T) {
			dir := unpack(t)
			file := filepath.Join(dir, "hxa-connect.db")
			db := must(sql.Open("sqlite", "file:"+file))(t)
			db.SetMaxOpenConns(1)
			const late = "INSERT INTO messages (id, channel_id, sender_id, content, created_at) VALUES ('late', '" + talk + "', '" + scribe + "', 'late', 1795340900000)"
			if _, err := db.ExecContext(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if with != "running" {
				if with == "crashed" {
					copyTo(t, dir, file, file+"-wal", file+"-shm")
				} else {
					copyTo(t, dir, file, file+"-wal")
				}
				if err := db.Close(); err != nil { // which puts all into the one file
					t.Fatal(err)
				}
				dir = filepath.Join(dir, "copy")
				file = filepath.Join(dir, "hxa-connect.db")
			}
			before := [2][32]byte{sum(t, file), sum(t, file+"-wal")}
			to := targets(t)[0]
			importInto(t, dir, "", to)
			if after := [2][32]byte{sum(t, file), sum(t, file+"-wal")}; after != before {
				t.Error("the old database was changed")
			}
			s := to.open(t)
			if m := must(s.ChannelMessages(t.Context(), talk, store.MessageRange{Limit: 1}))(t); m[0].ID != "late" {
				t.Errorf("the newest message is %s", m[0].ID)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if with == "running" {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func copyTo(t *testing.T, dir string, files ...string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "copy"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content := must(os.ReadFile(f))(t)
		if err := os.WriteFile(filepath.Join(dir, "copy", filepath.Base(f)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func sum(t *testing.T, file string) [32]byte {
	t.Helper()
	return sha256.Sum256(must(os.ReadFile(file))(t))
}

// What is no database of HXA-Connect is refused, with what to do.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, statements ...string) string {
		file := filepath.Join(dir, name)
		change(t, file, statements...)
		return file
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database at all "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := target{dir: filepath.Join(dir, "ours")}
	if err := ours.open(t).Close(); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		filepath.Join(dir, "nothing.db"):  "no such file",
		dir:                               "no hxa-connect.db in this folder",
		text:                              "not a database",
		filepath.Join(ours.dir, "b2b.db"): "a database of a B2B server",
		write("old.db", "CREATE TABLE agents (id TEXT)"):                                                            "BotsHub 0.1",
		write("other.db", "CREATE TABLE things (id TEXT)"):                                                          "no tables orgs and bots",
		write("half.db", "CREATE TABLE orgs (id TEXT, org_secret TEXT)", "CREATE TABLE bots (id TEXT, token TEXT)"): "no table",
		"postgres://nobody@127.0.0.1:1/none":                                                                        "open the old database",
	} {
		src, err := importer.Open(context.Background(), from, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", from, err, want)
		}
		if err == nil {
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
