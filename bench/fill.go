package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/scenario"
)

// oldSchema has the tables of HXA-Connect 1.7.2 with their columns, and none of its constraints,
// since only an import reads it.
const oldSchema = `
CREATE TABLE orgs (id, name, org_secret, persist_messages, status, created_at, join_approval_required);
CREATE TABLE org_settings (org_id, messages_per_minute_per_bot, threads_per_hour_per_bot, file_upload_mb_per_day_per_bot, message_ttl_days,
	thread_auto_close_days, artifact_retention_days, default_thread_permission_policy, updated_at);
CREATE TABLE bots (id, org_id, name, token, metadata, webhook_url, webhook_secret, bio, role, function, team, tags, languages, protocols, status_text,
	timezone, active_hours, version, runtime, auth_role, online, last_seen_at, created_at, join_status, join_status_changed_by, join_status_changed_at,
	join_status_reason);
CREATE TABLE bot_tokens (id, bot_id, token, scopes, label, expires_at, created_at, last_used_at);
CREATE TABLE deleted_bot_names (id, org_id, name, deleted_at, deleted_by);
CREATE TABLE org_tickets (id, org_id, secret_hash, reusable, consumed, expires_at, created_by, created_at, code, skip_approval);
CREATE TABLE platform_invite_codes (id, code_hash, label, max_uses, use_count, expires_at, created_at, code);
CREATE TABLE channels (id, org_id, type, name, created_at);
CREATE TABLE channel_members (channel_id, bot_id, joined_at);
CREATE TABLE messages (id, channel_id, sender_id, content, content_type, parts, created_at);
CREATE TABLE threads (id, org_id, topic, tags, status, initiator_id, channel_id, context, close_reason, revision, permission_policy, visibility,
	join_policy, created_at, updated_at, last_activity_at, resolved_at);
CREATE TABLE thread_participants (thread_id, bot_id, label, joined_at);
CREATE TABLE thread_join_requests (id, thread_id, bot_id, status, requested_at, resolved_at, resolved_by);
CREATE TABLE thread_messages (id, thread_id, sender_id, content, content_type, parts, metadata, created_at, mentions, mention_all, reply_to_id);
CREATE TABLE artifacts (id, thread_id, artifact_key, type, title, content, language, url, mime_type, contributor_id, version, format_warning,
	created_at, updated_at);
CREATE TABLE files (id, org_id, uploader_id, name, mime_type, size, path, created_at);
CREATE TABLE catchup_events (id, org_id, target_bot_id, type, payload, ref_id, occurred_at);
CREATE TABLE webhook_status (bot_id, last_success, last_failure, consecutive_failures, degraded);
CREATE TABLE audit_log (id, org_id, bot_id, action, target_type, target_id, detail, created_at);
CREATE TABLE sessions (id, role, org_id, bot_id, owner_name, scopes, is_scoped_token, created_at, expires_at);
CREATE TABLE rate_limit_events (id, org_id, bot_id, resource_type, created_at);
CREATE TABLE schema_versions (name, applied_at);
INSERT INTO schema_versions VALUES ('thread_permissions_v1', 0);`

// historyDays is the age of the oldest message, and recentDays of the oldest row of catch-up, which
// the bots that were away have.
const (
	historyDays = 90
	recentDays  = 30
	awayOf      = 10 // one of so many bots was away
)

// artifactKey is the key of the artifact that each thread has.
const artifactKey = "plan"

// fillDatabase imports the org into a database, which the flags of b2b import name: bots, threads,
// participants, messages, one artifact for each thread, and for each tenth bot the rows of catch-up
// of its threads with activity in the last days. It is much faster than the public API, and what it
// leaves out is the event log of the messages, which a server keeps for 30 days: the load writes
// that.
func fillDatabase(ctx context.Context, o options, org *scenario.Org, folder string, into []string, out io.Writer) error {
	old := filepath.Join(folder, "old.db")
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a run that was cut
		return err
	}
	begin := time.Now()
	if err := writeOld(ctx, org, old); err != nil {
		return fmt.Errorf("write the database to import: %w", err)
	}
	written := time.Since(begin)
	begin = time.Now()
	cmd := exec.CommandContext(ctx, o.server, append([]string{"import", "--from", old, "--json"}, into...)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("b2b import: %w: %s", err, text[max(0, len(text)-2000):])
	}
	fmt.Fprintf(out, "  filled by b2b import: %d bots, %d threads, %d messages in %.0f s (%.0f s to write them before)\n",
		org.Bots, org.Threads, org.Messages, time.Since(begin).Seconds(), written.Seconds())
	return os.Remove(old)
}

// writeOld writes an org as a database of HXA-Connect.
func writeOld(ctx context.Context, org *scenario.Org, path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, oldSchema); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	w := &oldWriter{ctx: ctx, tx: tx, org: org, now: time.Now().UnixMilli(), last: make([]int64, org.Threads), counts: make([]int, org.Threads)}
	if err := errors.Join(w.people(), w.messages(), w.threads()); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// oldWriter writes the rows of an org.
type oldWriter struct {
	ctx    context.Context
	tx     *sql.Tx
	org    *scenario.Org
	now    int64
	last   []int64 // time of the newest message of each thread
	counts []int   // messages of each thread
}

func (w *oldWriter) orgID() string { return w.org.ID("org", 0) }

// insert prepares a statement. The function inserts a row, unless one failed before.
func (w *oldWriter) insert(query string, failed *error) func(values ...any) {
	stmt, err := w.tx.PrepareContext(w.ctx, query)
	if err != nil {
		*failed = errors.Join(*failed, err)
	}
	return func(values ...any) {
		if *failed == nil {
			_, *failed = stmt.ExecContext(w.ctx, values...)
		}
	}
}

// people writes the org, without limits for its bots, and the bots.
func (w *oldWriter) people() (err error) {
	secret := sha256.Sum256([]byte("secret"))
	w.insert(`INSERT INTO orgs VALUES (?, 'scenario', ?, 1, 'active', ?, 0)`, &err)(w.orgID(), hex.EncodeToString(secret[:]), w.oldest())
	w.insert(`INSERT INTO org_settings (org_id, messages_per_minute_per_bot, threads_per_hour_per_bot, file_upload_mb_per_day_per_bot, updated_at)
		VALUES (?, 1000000000, 1000000000, 1000000000, ?)`, &err)(w.orgID(), w.oldest())
	bot := w.insert(`INSERT INTO bots (id, org_id, name, token, bio, role, tags, auth_role, online, created_at, join_status)
		VALUES (?, ?, ?, ?, ?, ?, '["scenario","work"]', 'member', 0, ?, 'active')`, &err)
	for i := range int32(w.org.Bots) {
		hash := sha256.Sum256([]byte(w.org.Token(i)))
		bot(w.org.ID("bot", int(i)), w.orgID(), scenario.BotName(i), hex.EncodeToString(hash[:]), "One of the agents of the scenario", "worker", w.oldest())
	}
	return err
}

func (w *oldWriter) oldest() int64 { return w.now - historyDays*24*3600*1000 }

func (w *oldWriter) messages() (err error) {
	message := w.insert(`INSERT INTO thread_messages (id, thread_id, sender_id, content, content_type, created_at, mention_all) VALUES (?, ?, ?, ?, 'text', ?, 0)`, &err)
	return errors.Join(w.org.History(func(n int, m scenario.Message) error {
		at := w.oldest() + int64(m.At*float64(w.now-w.oldest()))
		message(w.org.ID("message", n), w.org.ID("thread", m.Thread), w.org.ID("bot", int(m.Sender)), m.Content, at)
		w.last[m.Thread] = at
		w.counts[m.Thread]++
		return err
	}), err)
}

func (w *oldWriter) threads() (err error) {
	thread := w.insert(`INSERT INTO threads (id, org_id, topic, tags, status, initiator_id, revision, visibility, join_policy, created_at, updated_at, last_activity_at)
		VALUES (?, ?, ?, '["scenario"]', 'active', ?, 1, 'public', 'open', ?, ?, ?)`, &err)
	participant := w.insert(`INSERT INTO thread_participants VALUES (?, ?, NULL, ?)`, &err)
	artifact := w.insert(`INSERT INTO artifacts (id, thread_id, artifact_key, type, title, content, contributor_id, version, format_warning, created_at, updated_at)
		VALUES (?, ?, '`+artifactKey+`', 'markdown', 'The plan', '# The plan', ?, 1, 0, ?, ?)`, &err)
	missed := w.insert(`INSERT INTO catchup_events VALUES (?, ?, ?, 'thread_message_summary', json_object('thread_id', ?, 'topic', ?, 'count', ?, 'last_at', ?), ?, ?)`, &err)
	rows := 0
	for i := range w.org.Threads {
		id, topic, bots := w.org.ID("thread", i), fmt.Sprintf("Work item %d", i), w.org.Participants(i)
		last := max(w.last[i], w.oldest())
		first := w.org.ID("bot", int(bots[0]))
		thread(id, w.orgID(), topic, first, w.oldest(), last, last)
		artifact(w.org.ID("artifact", i), id, first, w.oldest(), w.oldest())
		for _, b := range bots {
			bot := w.org.ID("bot", int(b))
			participant(id, bot, w.oldest())
			if b%awayOf == 0 && w.now-last < recentDays*24*3600*1000 {
				rows++
				missed(w.org.ID("missed", rows), w.orgID(), bot, id, topic, w.counts[i], last, id, last)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
