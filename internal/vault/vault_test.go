package vault_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // reads and writes beside the store

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/vault"
)

// place is a database and a folder of files, between two starts of a server.
type place struct {
	*testing.T
	url, dir, driver string
	admin            string // source of the key; unused on SQLite
}

func places(t *testing.T, run func(t *testing.T, p *place)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		run(t, &place{t, filepath.Join(dir, "b2b.db"), filepath.Join(dir, "files"), "sqlite", ""})
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, &place{t, pgtest.URL(t), filepath.Join(t.TempDir(), "files"), "pgx", "secret"})
	})
}

// start opens both as a server does, calls a function, and closes them. It returns the log.
func (p *place) start(set string, do func(s *sqlstore.Store, keys *seal.Keyring)) (string, error) {
	p.Helper()
	ctx, said := p.Context(), &bytes.Buffer{}
	s, err := sqlstore.Open(ctx, sqlstore.Config{URL: p.url, NoTimeouts: true})
	if err != nil {
		p.Fatal(err)
	}
	disk, err := files.OpenDisk(p.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		p.Fatal(err)
	}
	defer func() {
		if err := errors.Join(disk.Close(), s.Close()); err != nil {
			p.Error(err)
		}
	}()
	if err := files.Claim(ctx, disk, store.Narrow(s, func(tx store.Tx) files.Tx { return tx })); err != nil {
		p.Fatal(err)
	}
	parsed, err := seal.ParseKeys(set)
	if err != nil {
		p.Fatal(err)
	}
	keys, err := vault.Open(ctx, vault.Config{Store: store.Narrow(s, func(tx store.Tx) vault.Tx { return tx }), Files: disk, Keys: parsed, Log: slog.New(slog.NewTextHandler(said, nil)), Derive: p.admin})
	if err == nil && do != nil {
		do(s, keys)
	}
	return said.String(), err
}

func (p *place) must(said string, err error) string {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	return said
}

// bare runs statements on the database while no server uses it.
func (p *place) bare(statements ...string) {
	p.Helper()
	db, err := sql.Open(p.driver, p.url)
	if err != nil {
		p.Fatal(err)
	}
	for _, q := range statements {
		if _, err := db.ExecContext(p.Context(), q); err != nil {
			p.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		p.Fatal(err)
	}
}

// fill creates orgs with bots, tickets and invite codes in plain text, as older versions stored
// them: more than one batch of each. Push configs, one of each org, were never in plain text.
func (p *place) fill() {
	p.Helper()
	p.must(p.start("", func(s *sqlstore.Store, keys *seal.Keyring) {
		for _, org := range []string{"one", "two"} {
			p.update(s, "", func(ctx context.Context, tx store.Tx) error {
				return tx.CreateOrg(ctx, &store.Org{ID: org, Name: org, SecretHash: "h", Status: store.OrgActive})
			})
			p.update(s, org, func(ctx context.Context, tx store.Tx) error {
				for i := range 300 {
					id := fmt.Sprintf("%s-%03d", org, i)
					code := auth.Hash("tkt_" + id)
					err := errors.Join(
						tx.CreateBot(ctx, &store.Bot{ID: id, OrgID: org, Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive}),
						tx.CreateTicket(ctx, &store.OrgTicket{ID: "door-" + id, OrgID: org, CodeHash: &code, CreatedAt: int64(i)}),
						tx.InsertAudit(ctx, &store.AuditEntry{ID: id, OrgID: org, Action: "auth.ticket_created", TargetType: "org_ticket", TargetID: "door-" + id, CreatedAt: int64(i)}),
					)
					if err != nil {
						return err
					}
				}
				return p.push(ctx, tx, org, keys)
			})
		}
		p.update(s, "", func(ctx context.Context, tx store.Tx) error {
			for i := range 600 {
				id := fmt.Sprintf("i%03d", i)
				if err := tx.CreateInviteCode(ctx, &store.InviteCode{ID: id, CodeHash: auth.Hash("hxa_" + id), CreatedAt: int64(i)}); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	p.bare(
		"UPDATE bots SET webhook_secret = 'hush-' || id WHERE id LIKE '%5'",
		"UPDATE bots SET webhook_secret = '' WHERE id LIKE '%6'",
		"UPDATE bots SET webhook_url = 'https://hooks.example/' || id WHERE id LIKE '%7'",
		"UPDATE org_tickets SET code = 'tkt_' || substr(id, 6) WHERE id NOT LIKE '%9'",
		"UPDATE org_tickets SET code_hash = NULL WHERE id LIKE '%9'",
		"UPDATE invite_codes SET code = 'hxa_' || id WHERE id NOT LIKE '%9'",
	)
}

// push adds a push config of the bot 000 of an org.
func (p *place) push(ctx context.Context, tx store.Tx, org string, keys *seal.Keyring) error {
	sealed, err := keys.SealPush("push-"+org, seal.PushTarget{URL: "https://push.example/" + org, Token: "token-" + org})
	return errors.Join(err,
		tx.CreateThread(ctx, &store.Thread{
			ID: "thread-" + org, OrgID: org, Topic: "task", Status: "active", Visibility: "private", JoinPolicy: "open", Revision: 1,
		}, []store.Participant{{BotID: org + "-000"}}),
		tx.PutPushConfig(ctx, &store.PushConfig{ID: "push-" + org, OrgID: org, BotID: org + "-000", ThreadID: "thread-" + org, ConfigID: "c", Sealed: sealed}))
}

func (p *place) update(s *sqlstore.Store, org string, fn func(context.Context, store.Tx) error) {
	p.Helper()
	if err := s.Update(p.Context(), org, func(tx store.Tx) error { return fn(p.Context(), tx) }); err != nil {
		p.Fatal(err)
	}
}

// sealed checks the data of fill, and that keys can open it, or if lost is set that they cannot.
func (p *place) sealed(s *sqlstore.Store, keys *seal.Keyring, lost bool) {
	p.Helper()
	ctx := p.Context()
	want := func(what, got, want string, err error) {
		p.Helper()
		if lost && !errors.Is(err, seal.ErrKey) || !lost && (err != nil || got != want) {
			p.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for _, c := range []struct{ bot, secret string }{{"one-015", "hush-one-015"}, {"two-295", "hush-two-295"}, {"one-006", ""}, {"one-000", "-"}} {
		b, err := s.BotByID(ctx, c.bot)
		switch {
		case err != nil:
			p.Fatal(err)
		case c.secret == "-":
			if b.SealedSecret != nil {
				p.Errorf("%s has a secret", c.bot)
			}
		default:
			got, err := keys.Open(seal.Webhook(b.ID), *b.SealedSecret)
			want(c.bot, got, c.secret, err)
		}
	}
	for _, org := range []string{"one", "two"} {
		row, err := s.PushConfig(ctx, "push-"+org)
		if err != nil {
			p.Fatal(err)
		}
		target, err := keys.OpenPush(row.ID, row.Sealed)
		want(row.ID, target.URL+" "+target.Token, "https://push.example/"+org+" token-"+org, err)
	}
	for bot, url := range map[string]string{"one-017": "https://hooks.example/one-017", "two-297": "https://hooks.example/two-297", "one-000": ""} {
		b, err := s.BotByID(ctx, bot)
		switch {
		case err != nil:
			p.Fatal(err)
		case url == "":
			if b.SealedURL != nil {
				p.Errorf("%s has a webhook", bot)
			}
		default:
			got, err := keys.Open(seal.WebhookURL(b.ID), *b.SealedURL)
			want(bot, got, url, err)
		}
	}
	for _, c := range []struct{ id, code string }{{"door-one-000", "tkt_one-000"}, {"door-two-298", "tkt_two-298"}, {"door-one-009", ""}} {
		for _, text := range []string{c.id, c.code} {
			k, err := s.Ticket(ctx, auth.Hash(text))
			if text == "" {
				continue
			}
			if err != nil {
				p.Fatalf("%s opens nothing: %v", text, err) // also when the key is lost
			}
			got, err := keys.OpenTicket(k.ID, *k.Sealed)
			want(text, got.ID, c.id, err)
			if err == nil && (got.Code == nil) != (c.code == "") {
				p.Errorf("%s has the code %v", text, got.Code)
			}
			entries, err := s.Audit(ctx, store.AuditQuery{OrgID: k.OrgID, TargetID: k.ID, Limit: 2})
			if err != nil || len(entries) != 1 {
				p.Errorf("%s: %d audit entries name the ticket: %v", text, len(entries), err)
			}
		}
		if _, err := s.Ticket(ctx, auth.Hash(auth.Hash(c.id))); !errors.Is(err, store.ErrNotFound) {
			p.Errorf("the id of the row of %s opens the org: %v", c.id, err)
		}
	}
	codes, err := s.InviteCodes(ctx, nil, 1000)
	if err != nil || len(codes) != 600 {
		p.Fatalf("%d codes, %v", len(codes), err)
	}
	for _, c := range codes[:20] {
		if strings.HasSuffix(c.ID, "9") {
			if c.Sealed != nil {
				p.Errorf("%s has a code", c.ID)
			}
			continue
		}
		got, err := keys.Open(seal.Invite(c.ID), *c.Sealed)
		want(c.ID, got, "hxa_"+c.ID, err)
	}
}

// TestRest: a start seals secrets in plain text, once. No file of the database has them afterwards
// (B2B-AUTH-072, B2B-AUTH-074, B2B-LIFE-008).
func TestRest(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, p *place) {
		p.fill()
		if p.driver == "sqlite" && !p.holds("hush-one-015") {
			t.Fatal("control: the database has no secret in plain text")
		}
		said := p.must(p.start("", func(s *sqlstore.Store, keys *seal.Keyring) { p.sealed(s, keys, false) }))
		if !strings.Contains(said, "rows=1320") { // 60 and 60 secrets, 60 addresses, 600 tickets, 540 codes
			t.Errorf("sealed: %s", said)
		}
		if said := p.must(p.start("", func(s *sqlstore.Store, keys *seal.Keyring) { p.sealed(s, keys, false) })); said != "" {
			t.Errorf("again: %s", said)
		}
		for _, secret := range []string{"hush-one-015", "hush-two-295", "hooks.example/one-017", "hooks.example/two-297", "tkt_one-000", "tkt_two-298", "door-one-000", "hxa_i000", "hxa_i598"} {
			if p.driver == "sqlite" && p.holds(secret) {
				t.Errorf("%s is in the database", secret)
			}
		}
		p.keyIsPrivate()
	})
}

// holds reports whether a file of the SQLite database has a text.
func (p *place) holds(text string) bool {
	p.Helper()
	names, err := filepath.Glob(p.url + "*")
	if err != nil || len(names) == 0 {
		p.Fatal(names, err)
	}
	for _, name := range names {
		all, err := os.ReadFile(name)
		if err != nil {
			p.Fatal(err)
		}
		if bytes.Contains(all, []byte(text)) {
			return true
		}
	}
	return false
}

// key returns the only file with a key.
func (p *place) key() string {
	p.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "seal-*.key"))
	if err != nil || len(names) != 1 {
		p.Fatalf("the keys are %q, %v", names, err)
	}
	return names[0]
}

func (p *place) keyIsPrivate() {
	p.Helper()
	info, err := os.Stat(p.key())
	if err != nil || info.Mode() != fs.FileMode(0o600) {
		p.Errorf("the key is %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(p.key())
	if err != nil {
		p.Fatal(err)
	}
	if p.driver == "sqlite" && p.holds(strings.TrimSpace(string(text))) {
		p.Error("the key is in the database")
	}
}

// TestKeys: without its key a secret cannot be read, and with the key it can again. A start reseals
// with a new key (B2B-AUTH-073).
func TestKeys(t *testing.T) {
	t.Parallel()
	places(t, func(t *testing.T, p *place) {
		p.fill()
		p.must(p.start("", nil))
		file := p.key()
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		if p.admin != "" {
			p.admin = "another" // otherwise the key is derived again
		}
		for _, want := range []string{"is missing, so a new one was generated", "cannot be read"} {
			if p.driver == "pgx" {
				want = "cannot be read"
			}
			said := p.must(p.start("", func(s *sqlstore.Store, keys *seal.Keyring) { p.sealed(s, keys, true) }))
			if !strings.Contains(said, want) || !strings.Contains(said, "webhooks=120 webhook_urls=60 tickets=600 invite_codes=540 push_configs=2") {
				t.Errorf("the log says %s", said)
			}
		}
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
		readable := func(set string) {
			t.Helper()
			if said := p.must(p.start(set, func(s *sqlstore.Store, keys *seal.Keyring) { p.sealed(s, keys, false) })); said != "" {
				t.Errorf("the log says %s", said)
			}
		}
		readable("")
		first, second := seal.NewKey().Text(), seal.NewKey().Text()
		readable(first) // from a file to the setting
		readable(second + "," + first)
		readable(second)
		if _, err := p.start("", nil); err == nil || !strings.Contains(err.Error(), "B2B_SECRET_KEY") {
			t.Errorf("without the setting: %v", err)
		}
		said := p.must(p.start(first, func(s *sqlstore.Store, keys *seal.Keyring) { p.sealed(s, keys, true) }))
		if strings.Contains(said, first) || !strings.Contains(said, "webhooks=120") {
			t.Errorf("the log says %s", said)
		}
		readable(second)
	})
}

// TestStartsAtOnce: nodes that start at once use one key, also without a shared disk. With the next
// admin secret, secrets sealed with the last one can be read.
func TestStartsAtOnce(t *testing.T) {
	t.Parallel()
	p := &place{t, pgtest.URL(t), filepath.Join(t.TempDir(), "files"), "pgx", "secret"}
	firsts := make(chan string, 4)
	for range 4 {
		go func() {
			first, p := "", &place{t, p.url, t.TempDir(), p.driver, p.admin}
			if _, err := p.start("", func(_ *sqlstore.Store, keys *seal.Keyring) { first = keys.First() }); err != nil {
				t.Error(err)
			}
			firsts <- first
		}()
	}
	one := <-firsts
	for range 3 {
		if other := <-firsts; other != one || one == "" {
			t.Errorf("keys %q and %q", one, other)
		}
	}
	p.fill()
	p.must(p.start("", nil))
	p.admin = "rotated"
	for range 2 {
		said := p.must(p.start("", func(s *sqlstore.Store, keys *seal.Keyring) {
			if keys.First() == one {
				t.Error("the key does not depend on the admin secret")
			}
			p.sealed(s, keys, false)
		}))
		if said != "" {
			t.Errorf("the log says %s", said)
		}
	}
}
