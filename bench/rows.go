package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/b2b-protocol/b2b/bench/internal/table"
)

const (
	talkers     = 13   // participants of the thread that is read
	listed      = 1000 // bots of the org that is listed
	smallLog    = 25_000
	countThread = 20 // threads over which the events of the counts are spread
)

// unlimited are settings of a server without the daily quotas.
var unlimited = []string{
	"B2B_ARTIFACTS_PER_THREAD=2000000000", "B2B_ARTIFACT_MB_PER_THREAD=1000000", "B2B_ARTIFACT_MB_PER_ORG=1000000",
	"B2B_ARTIFACT_MB_PER_DAY=1000000", "B2B_BULK_MB_PER_DAY=1000000", "B2B_STORED_MB_PER_DAY=1000000",
}

// rows measures the rows of the table that relate to the baseline on SQLite.
func rows(ctx context.Context, o options, folder string, base *process, r *report) error {
	data := filepath.Join(folder, "rows")
	ours, err := startServer(ctx, o, append(unlimited, "B2B_DATA_DIR="+data))
	if err != nil {
		return err
	}
	defer ours.stop()
	contests, err := messageContests(ctx, o, base, ours)
	if err != nil {
		return err
	}
	lists, err := listContests(ctx, o, base, ours)
	if err != nil {
		return err
	}
	if err := r.measure(ctx, o, append(contests, lists...)); err != nil {
		return err
	}
	return counts(ctx, o, base, ours, r)
}

// measure runs the contests whose names have the text of -row and adds their rows to the report.
func (r *report) measure(ctx context.Context, o options, contests []contest) error {
	var selected []contest
	for _, c := range contests {
		if o.wantsRow(c.name) {
			selected = append(selected, c)
		}
	}
	rows, err := o.run(ctx, selected)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r.add(row)
	}
	return nil
}

// messageContests are the loads of messages and threads.
func messageContests(ctx context.Context, o options, base, ours *process) ([]contest, error) {
	c, err := newCrowd(ctx, ours.url, "rows", max(talkers, o.clients+1))
	if err != nil {
		return nil, err
	}
	pair, err := c.threadOf("pair", 2)
	if err != nil {
		return nil, err
	}
	thread, err := c.threadOf("talk", talkers)
	if err != nil {
		return nil, err
	}
	c.call(http.MethodPost, "/api/threads/"+pair+"/artifacts", c.tokens[0], map[string]any{"artifact_key": "plan", "type": "text", "content": "first"})
	if c.err != nil {
		return nil, c.err
	}
	floor := &fixture{url: base.url, token: "none", thread: "thread", peer: "peer"}
	w := &fixture{url: ours.url, token: c.tokens[0], thread: pair, peer: c.names[1]}
	for _, f := range []*fixture{floor, w} {
		if err := f.fill(ctx); err != nil {
			return nil, err
		}
	}
	return []contest{
		{table.Direct, o.repeated(floor.post()), o.repeated(w.post())},
		{table.ThreadPosts, o.repeated(floor.postToThread()), o.repeated(w.postToThread())},
		{table.SocketSends, o.socketSends(base.url, "/sends", nil, ""), o.socketSends(ours.url, "", c.tokens[:o.clients], c.names[o.clients])},
		{table.Artifacts, o.repeated(floor.postToThread()), o.repeated(w.updateArtifact())},
		{table.ReadMessages, o.repeated(floor.read()), o.repeated(w.read())},
		{table.GetThread, o.repeated(floor.get("/api/threads/thread")), o.repeated(w.get("/api/threads/" + thread))},
	}, nil
}

// listContests are the loads of lists. The floor writes as many bytes, which it has in memory.
func listContests(ctx context.Context, o options, base, ours *process) ([]contest, error) {
	if !o.wantsRow(table.ListBots, table.ListChanged) {
		return nil, nil
	}
	c, err := newCrowd(ctx, ours.url, "listed", listed)
	if err != nil {
		return nil, err
	}
	w := &fixture{url: ours.url, token: c.tokens[0]}
	list := w.get("/api/bots")
	size, err := sizeOf(ctx, list)
	if err != nil {
		return nil, err
	}
	floor := (&fixture{url: base.url, token: "none"}).get(fmt.Sprintf("/bytes/%d", size))
	change := target{method: http.MethodPatch, url: ours.url + "/api/me/profile", token: c.tokens[1]}
	changing := func(ctx context.Context, length time.Duration) (float64, error) {
		res, err := loadEach(ctx, o.clients, length, func(ctx context.Context, client *http.Client, n int) error {
			t := change
			t.body = fmt.Appendf(nil, `{"status_text":"working on %d"}`, n)
			if err := once(ctx, client, t); err != nil {
				return err
			}
			return once(ctx, client, list)
		})
		return res.perSecond, err
	}
	return []contest{
		{table.ListBots, o.repeated(floor), o.repeated(list)},
		{table.ListChanged, o.repeated(floor), changing},
	}, nil
}

// counts measures how fast a bot counts all that it missed, with few and with many events in the
// log. The events are messages of threads in which the bot is.
func counts(ctx context.Context, o options, base, ours *process, r *report) error {
	if !o.wantsRow(table.CountSmall, table.CountLarge) {
		return nil
	}
	c, err := newCrowd(ctx, ours.url, "counted", 2)
	if err != nil {
		return err
	}
	threads := make([]string, countThread)
	for i := range threads {
		if threads[i], err = c.newThread(fmt.Sprint("thread ", i)); err != nil {
			return err
		}
	}
	floor := &fixture{url: base.url, token: "none"}
	w := &fixture{url: ours.url, token: c.tokens[1]}
	had := 0
	for _, part := range []struct {
		name   string
		events int
	}{{table.CountSmall, smallLog}, {table.CountLarge, smallLog + o.mass}} {
		if !o.wantsRow(part.name) {
			continue
		}
		if err := pipelined(ctx, ours.url, c.tokens[0], threads, part.events-had); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
		had = part.events
		err := r.measure(ctx, o, []contest{{part.name, o.repeated(floor.get("/api/me/catchup/count?since=1")), o.repeated(w.get("/api/me/catchup/count?since=1"))}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *fixture) postToThread() target {
	return target{method: http.MethodPost, url: w.url + "/api/threads/" + w.thread + "/messages", token: w.token, body: w.body("")}
}

func (w *fixture) updateArtifact() target {
	return target{method: http.MethodPatch, url: w.url + "/api/threads/" + w.thread + "/artifacts/plan", token: w.token, body: w.body("")}
}

func (w *fixture) get(path string) target {
	return target{method: http.MethodGet, url: w.url + path, token: w.token}
}

// threadOf creates a thread of the first bots.
func (c *crowd) threadOf(topic string, participants int) (string, error) {
	thread, _ := c.call(http.MethodPost, "/api/threads", c.tokens[0], map[string]any{"topic": topic, "participants": c.names[1:participants]})
	id, _ := thread["id"].(string)
	return id, c.err
}

// sizeOf returns the size of the body of a response.
func sizeOf(ctx context.Context, t target) (int, error) {
	var body bytes.Buffer
	err := fetch(ctx, http.DefaultClient, t, &body)
	return body.Len(), err
}

// version returns the version of a server.
func version(ctx context.Context, url string) (string, error) {
	var body bytes.Buffer
	if err := fetch(ctx, http.DefaultClient, target{method: http.MethodGet, url: url + "/api/version"}, &body); err != nil {
		return "", err
	}
	var v struct{ Version string }
	if err := json.Unmarshal(body.Bytes(), &v); err != nil {
		return "", fmt.Errorf("read the version: %w", err)
	}
	return v.Version, nil
}
