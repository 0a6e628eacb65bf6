package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

const (
	pace        = 10 * time.Millisecond // between two posts of one client
	pacers      = 8                     // clients
	removalMost = 10 * time.Minute
	// retentionFirst is the time from the start of a server to its first retention run.
	retentionFirst = 30 * time.Second
)

// removals measures the latency of posts of an org while data of another org is removed: all of it,
// because the org was destroyed, or its old messages. Clients post at a low rate, at which the
// removal is the main cause of delays. They also post before and after the removal. The result is
// the median of several rounds, because single rounds vary.
func removals(ctx context.Context, o options, folder string, r *report) error {
	for _, database := range []struct{ name, url string }{{"SQLite", ""}, {"PostgreSQL", o.postgres}} {
		if database.name == "PostgreSQL" && database.url == "" {
			continue
		}
		data := filepath.Join(folder, database.name)
		env, path := []string{"B2B_DATA_DIR=" + data, "B2B_DATABASE_URL=" + database.url}, database.url
		if path == "" {
			path = filepath.Join(data, "b2b.db")
		}
		for _, kind := range []string{"retention", "destroy"} {
			if !o.wants(kind) {
				continue
			}
			name := fmt.Sprintf("%s: %s of %d messages", database.name, kind, o.mass)
			var ratios []float64
			for range o.rounds {
				ratio, err := removal(ctx, o, r, name, path, env, kind == "destroy")
				if err != nil {
					return fmt.Errorf("%s: %w", kind, err)
				}
				ratios = append(ratios, ratio)
			}
			r.most(name+": p99 of another org, relative to that without", median(ratios), 2, "×")
		}
	}
	return nil
}

// removal measures one kind of removal on one database. It returns the p99 during the removal,
// relative to that without.
func removal(ctx context.Context, o options, r *report, name, path string, env []string, destroy bool) (ratio float64, err error) {
	first, err := startServer(ctx, o, env) // creates the folder of files
	if err != nil {
		return 0, err
	}
	first.stop()
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: path})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	m := newMass(st, o.mass, fmt.Sprint(time.Now().UnixNano()))
	if err := errors.Join(m.fill(ctx, !destroy), m.resetRetention(ctx)); err != nil {
		return 0, fmt.Errorf("fill an org: %w", err)
	}
	if st, err = reopen(ctx, st, path); err != nil { // the server must open a closed database
		return 0, err
	}
	server, err := startServer(ctx, o, env)
	if err != nil {
		return 0, err
	}
	defer server.stop()
	started := time.Now()
	w, err := newFixture(ctx, server.url)
	if err != nil {
		return 0, err
	}
	during := func(d time.Duration) func() (bool, error) {
		begin := time.Now()
		return func() (bool, error) { return time.Since(begin) > d, nil }
	}
	if _, err := paced(ctx, w.post(), during(2*time.Second)); err != nil { // warm up
		return 0, err
	}
	without, err := paced(ctx, w.post(), during(o.time))
	if err != nil {
		return 0, fmt.Errorf("before: %w", err)
	}
	if destroy {
		if err := destroyOrg(ctx, server.url, m.org); err != nil {
			return 0, err
		}
	}
	if wait := retentionFirst - time.Since(started); wait > 0 && !destroy {
		time.Sleep(wait)
	}
	begin := time.Now()
	with, err := paced(ctx, w.post(), func() (bool, error) { return m.gone(ctx, st, destroy) })
	if err != nil {
		return 0, fmt.Errorf("meanwhile: %w", err)
	}
	took := time.Since(begin)
	after, err := paced(ctx, w.post(), during(o.time))
	if err != nil {
		return 0, fmt.Errorf("after: %w", err)
	}
	without = append(without, after...)
	r.note("%s took %.0f s; posts of another org, %d per second, without it: %s; during it: %s",
		name, took.Seconds(), int(pacers*time.Second/pace), without, with)
	return float64(with.at(99)) / float64(without.at(99)), nil
}

// reopen opens a database again, to read it while a server uses it.
func reopen(ctx context.Context, st *sqlstore.Store, path string) (*sqlstore.Store, error) {
	if err := st.Close(); err != nil {
		return st, err
	}
	return sqlstore.Open(ctx, sqlstore.Config{URL: path, Shared: true})
}

func destroyOrg(ctx context.Context, url, org string) error {
	s := &setup{ctx: ctx, url: url}
	_, s.cookie = s.call("POST", "/api/auth/login", "", map[string]any{"type": "super_admin", "admin_secret": "bench"})
	s.call("DELETE", "/api/orgs/"+org, "", map[string]any{})
	return s.err
}

// paced posts from a few clients at a fixed rate until done returns true, and returns the
// latencies.
func paced(ctx context.Context, t target, done func() (bool, error)) (latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, removalMost)
	defer cancel()
	transport := &http.Transport{MaxIdleConnsPerHost: pacers, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	stop := make(chan struct{})
	took, errs := make([][]time.Duration, pacers), make([]error, pacers+1)
	var wg sync.WaitGroup
	for i := range pacers {
		wg.Go(func() {
			time.Sleep(pace * time.Duration(i) / pacers)
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for errs[i] == nil {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				begin := time.Now()
				errs[i] = once(ctx, client, t)
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	for ended := false; !ended && errs[pacers] == nil; time.Sleep(100 * time.Millisecond) {
		if errs[pacers] = ctx.Err(); errs[pacers] == nil {
			ended, errs[pacers] = done()
		}
	}
	close(stop)
	wg.Wait()
	all := latencies(slices.Concat(took...))
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%d responses", len(all)))
	}
	return all, nil
}

// latencies are the times from requests to responses.
type latencies []time.Duration

// at returns a percentile of the latencies.
func (l latencies) at(percent int) time.Duration {
	return slices.Sorted(slices.Values(l))[(len(l)-1)*percent/100]
}

func (l latencies) String() string {
	return fmt.Sprintf("p50 %.1f, p99 %.1f, max %.1f ms of %d", ms(l.at(50)), ms(l.at(99)), ms(l.at(100)), len(l))
}

// mass is an org with a large amount of data: messages, half of them direct, each with an event and
// an audit entry, and threads, artifact versions and files.
type mass struct {
	store    *sqlstore.Store
	org      string
	messages int
	at       int64 // creation time of all data
	content  string
	payload  []byte
}

func newMass(st *sqlstore.Store, messages int, org string) *mass {
	return &mass{
		store: st, org: "mass-" + org, messages: messages, at: time.Now().Add(-10 * 24 * time.Hour).UnixMilli(),
		content: strings.Repeat("x", content), payload: []byte(strings.Repeat("p", 400)),
	}
}

const (
	massBots     = 40
	massChannels = 400 // pairs of bots
	massThreads  = 1000
)

func (m *mass) id(kind string, n int) string { return fmt.Sprintf("%s-%s-%d", m.org, kind, n) }

// fill creates the org and its data. If old is set, the org keeps messages for one day, so that
// retention removes them.
func (m *mass) fill(ctx context.Context, old bool) error {
	err := m.store.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: m.org, Name: m.org, SecretHash: m.org, PersistMessages: true, Status: store.OrgActive, CreatedAt: m.at})
	})
	if err != nil {
		return err
	}
	if err = m.store.Update(ctx, m.org, func(tx store.Tx) error { return m.furnish(ctx, tx, old) }); err != nil {
		return err
	}
	const step = 1000
	for first := 0; first < m.messages; first += step {
		err := m.store.Update(ctx, m.org, func(tx store.Tx) error {
			for n := first; n < min(first+step, m.messages); n++ {
				if err := m.message(ctx, tx, n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *mass) furnish(ctx context.Context, tx store.Tx, old bool) error {
	for n := range massBots {
		id := m.id("bot", n)
		err := tx.CreateBot(ctx, &store.Bot{ID: id, OrgID: m.org, Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive, CreatedAt: m.at})
		if err != nil {
			return err
		}
	}
	for n := range massChannels {
		a := n % massBots
		c := &store.Channel{ID: m.id("channel", n), OrgID: m.org, Type: store.ChannelDirect, CreatedAt: m.at}
		if err := tx.CreateChannel(ctx, c, m.id("bot", a), m.id("bot", (a+1+n/massBots)%massBots)); err != nil {
			return err
		}
	}
	for n := range massThreads {
		t := &store.Thread{
			ID: m.id("thread", n), OrgID: m.org, Topic: "t", Status: "closed", Visibility: "members", JoinPolicy: "open", Revision: 1,
			CreatedAt: m.at, UpdatedAt: m.at, LastActivityAt: m.at,
		}
		var in []store.Participant
		for p := range 5 {
			in = append(in, store.Participant{BotID: m.id("bot", (n+p)%massBots), JoinedAt: m.at})
		}
		if err := tx.CreateThread(ctx, t, in); err != nil {
			return err
		}
	}
	if !old {
		return nil
	}
	return tx.PutOrgSettings(ctx, &store.OrgSettings{
		OrgID: m.org, MessagesPerMinutePerBot: 1000, ThreadsPerHourPerBot: 1000, FileUploadMBPerDayPerBot: 1000, MessageTTLDays: new(int64(1)), UpdatedAt: m.at,
	})
}

// message creates a message with its event and audit entry, and every 20th time an artifact and a
// file.
func (m *mass) message(ctx context.Context, tx store.Tx, n int) error {
	id, bot := m.id("message", n), m.id("bot", n%massBots)
	e := store.Event{Type: eventtype.Message, At: m.at, Audience: store.AudienceChannel, ActorID: &bot, Payload: m.payload}
	if n%2 == 0 {
		channel := m.id("channel", n/2%massChannels)
		e.ChannelID = &channel
		err := tx.InsertChannelMessage(ctx, &store.ChannelMessage{ID: id, ChannelID: channel, SenderID: bot, Content: m.content, ContentType: "text", CreatedAt: m.at + int64(n)})
		if err != nil {
			return err
		}
	} else {
		thread := m.id("thread", n/2%massThreads)
		e.Type, e.Audience, e.ThreadID = eventtype.ThreadMessage, store.AudienceThread, &thread
		err := tx.InsertThreadMessage(ctx, &store.ThreadMessage{ID: id, ThreadID: thread, SenderID: &bot, Content: m.content, ContentType: "text", CreatedAt: m.at + int64(n)})
		if err != nil {
			return err
		}
	}
	if _, err := tx.Append(ctx, e); err != nil {
		return err
	}
	if err := tx.InsertAudit(ctx, &store.AuditEntry{ID: m.id("audit", n), OrgID: m.org, BotID: &bot, Action: "message.send", TargetType: "message", TargetID: id, CreatedAt: m.at + int64(n)}); err != nil {
		return err
	}
	if n%20 != 0 {
		return nil
	}
	thread := m.id("thread", n/20%massThreads)
	version := int64(1 + n/20/massThreads)
	return errors.Join(
		tx.InsertArtifact(ctx, &store.Artifact{ID: m.id("artifact", n), ThreadID: thread, Key: "k", Type: "text", Content: &m.content, ContributorID: &bot, Version: version, CreatedAt: m.at, UpdatedAt: m.at}),
		tx.CreateFile(ctx, &store.File{ID: m.id("file", n), OrgID: m.org, UploaderID: &bot, Name: "f", MIMEType: "text/plain", Size: 1, CreatedAt: m.at}),
	)
}

// gone reports whether all data that must be removed is removed.
func (m *mass) gone(ctx context.Context, r store.Reader, destroyed bool) (bool, error) {
	if destroyed {
		left, err := r.EndedOrgs(ctx, 1)
		return len(left) == 0, err
	}
	now := time.Now().UnixMilli()
	for _, old := range []func(context.Context, string, int64, int) ([]string, error){r.OldChannelMessages, r.OldThreadMessages} {
		if left, err := old(ctx, m.org, now-24*time.Hour.Milliseconds(), 1); err != nil || len(left) > 0 {
			return false, err
		}
	}
	return true, nil
}

// resetRetention makes the retention job due, although another server has just run it.
func (m *mass) resetRetention(ctx context.Context) error {
	const job, node = "lifecycle", "bench"
	now := time.Now().UnixMilli()
	return m.store.Update(ctx, "", func(tx store.Tx) error {
		if err := tx.RenewNode(ctx, node, now+1); err != nil {
			return err
		}
		if ours, err := tx.TakeJob(ctx, job, node, store.Live{Now: now, Latest: now + 1}, now); err != nil || !ours {
			return errors.Join(err, fmt.Errorf("take job %s: %v", job, ours))
		}
		return errors.Join(tx.FinishJob(ctx, job, node, 0), tx.EndNode(ctx, node))
	})
}
