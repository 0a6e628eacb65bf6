package search_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEach runs a test on each database.
func onEach(t *testing.T, run func(*fixture)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newFixture(t, open(t)))
		})
	}
}

func newFixture(t *testing.T, url string) *fixture {
	t.Helper()
	f := &fixture{T: t, Store: sqltest.Open(t, url), ctx: t.Context(), clock: 1_767_225_600_000, postgres: sqlstore.IsPostgres(url)}
	f.change("", func(tx store.Tx) error {
		return tx.CreateOrg(f.ctx, &store.Org{ID: "org", Name: "org", SecretHash: "x", Status: store.OrgActive, CreatedAt: f.clock})
	})
	f.change("org", func(tx store.Tx) error {
		return tx.CreateThread(f.ctx, &store.Thread{ID: "t", OrgID: "org", Topic: "topic", Status: "resolved", Visibility: "members", JoinPolicy: "open", CreatedAt: f.clock}, nil)
	})
	return f
}

// fixture is an org with a thread, in which messages are written.
type fixture struct {
	*testing.T
	*sqlstore.Store
	ctx      context.Context
	postgres bool
	clock    int64
	sent     []string // the contents, in order; the id of each is m and its index
}

func (f *fixture) change(org string, fn func(store.Tx) error) {
	f.Helper()
	if err := f.Update(f.ctx, org, fn); err != nil {
		f.Fatal(err)
	}
}

// say writes messages.
func (f *fixture) say(contents ...string) {
	f.Helper()
	f.change("org", func(tx store.Tx) error {
		for i, content := range contents {
			id := fmt.Sprintf("m%06d", len(f.sent)+i)
			m := &store.ThreadMessage{ID: id, ThreadID: "t", Content: content, ContentType: "text", CreatedAt: f.clock + int64(len(f.sent)+i)}
			if err := tx.InsertThreadMessage(f.ctx, m); err != nil {
				return err
			}
			thread := "t"
			if _, err := tx.Append(f.ctx, store.Event{Type: eventtype.ThreadMessage, At: m.CreatedAt, Audience: store.AudienceThread, ThreadID: &thread, Payload: []byte{}, MessageID: &id}); err != nil {
				return err
			}
		}
		return nil
	})
	f.sent = append(f.sent, contents...)
}

func (f *fixture) indexer(id string) *search.Indexer {
	n := node.New(node.Config{ID: id, Single: !f.postgres, Log: slog.New(slog.DiscardHandler), Store: store.Narrow(f.Store, func(tx store.Tx) node.Tx { return tx })})
	if err := n.Start(f.ctx); err != nil {
		f.Fatal(err)
	}
	return search.New(search.Config{
		Store: store.Narrow(f.Store, func(tx store.Tx) search.Tx { return tx }), Node: n, Log: slog.New(slog.NewTextHandler(f.Output(), nil)),
	})
}

// finish does all the work that there is.
func (f *fixture) finish(x *search.Indexer) {
	f.Helper()
	for {
		more, err := x.Step(f.ctx, "org")
		if err != nil {
			f.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// found returns the ids of the messages that are found by words, in order.
func (f *fixture) found(q search.Query, words ...string) (ids []string) {
	f.Helper()
	q.OrgID = "org"
	for _, w := range words {
		q.Clauses = append(q.Clauses, searchindex.Clause{{searchindex.Word(w)}})
	}
	for docs, err := range search.Find(f.ctx, f.Store, q) {
		if err != nil {
			f.Fatal(err)
		}
		for _, d := range docs {
			if d.Kind == store.SearchThreadMessage {
				ids = append(ids, d.ID)
			}
		}
	}
	return ids
}

// want compares what is found with all messages that have the words, the newest first.
func (f *fixture) want(words ...string) {
	f.Helper()
	var want []string
	for i, content := range slices.Backward(f.sent) {
		has := strings.Fields(content)
		if content != "" && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(has, w) }) {
			want = append(want, fmt.Sprintf("m%06d", i))
		}
	}
	if got := f.found(search.Query{}, words...); !slices.Equal(got, want) {
		f.Errorf("%v: found %d messages, want %d:\n%v\n%v", words, len(got), len(want), got[:min(9, len(got))], want[:min(9, len(want))])
	}
}

// TestFollows: what was committed is found after a step, once, newest first, whatever was merged.
func TestFollows(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		r := rand.New(rand.NewPCG(1, 2))
		x := f.indexer("n1")
		f.finish(x)
		for range 40 {
			var some []string
			for range 1 + r.IntN(20) {
				content := "all"
				for _, p := range []int{2, 5, 50} {
					if r.IntN(p) == 0 {
						content += fmt.Sprint(" one", p)
					}
				}
				some = append(some, content)
			}
			f.say(some...)
			for range r.IntN(4) { // also in the middle of a merge
				if _, err := x.Step(f.ctx, "org"); err != nil {
					f.Fatal(err)
				}
			}
			if r.IntN(4) == 0 {
				x = f.indexer("n1") // a crash
			}
		}
		f.finish(x)
		for _, words := range [][]string{{"all"}, {"one2"}, {"one2", "one5"}, {"one50", "all"}, {"none"}, {"all", "none"}} {
			f.want(words...)
		}
		segments, err := f.SearchSegments(f.ctx, "org")
		if err != nil || len(segments) > 24 || slices.ContainsFunc(segments, func(s store.SearchSegment) bool { return !s.Live }) {
			f.Errorf("%d segments, %v", len(segments), err)
		}
		if st, err := f.SearchState(f.ctx, "org"); err != nil || st.Node != "" || st.Stage != "" {
			f.Errorf("at rest: %+v, %v", st, err)
		}
	})
}

// TestFilters: documents below a number and of a time.
func TestFilters(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		x := f.indexer("n1")
		f.finish(x)
		for range 3 {
			f.say("word", "word", "word", "word")
			f.clock += 24 * 3_600_000
			f.finish(x)
		}
		since, until := f.clock-2*24*3_600_000+5, f.clock-24*3_600_000+9
		if got, want := f.found(search.Query{Since: &since, Until: &until}, "word"), []string{"m000008", "m000007", "m000006", "m000005"}; !slices.Equal(got, want) {
			f.Errorf("of a time: %v, want %v", got, want)
		}
		all := f.found(search.Query{}, "word")
		st, err := f.SearchState(f.ctx, "org")
		if err != nil {
			f.Fatal(err)
		}
		if got := f.found(search.Query{Below: st.Docs - 2}, "word"); !slices.Equal(got, all[3:]) {
			f.Errorf("below a document: %v of %v", got, all)
		}
		if got := f.found(search.Query{From: st.Docs - 2}, "word"); !slices.Equal(got, all[:3]) {
			f.Errorf("from a document on: %v of %v", got, all)
		}
	})
}

// TestAnew: an index that is made anew, while messages are written and after crashes, finds what it
// did before.
func TestAnew(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		x := f.indexer("n1")
		f.finish(x)
		for i := range 25 {
			f.say(strings.Fields(strings.Repeat(fmt.Sprint("word", i%3, " "), 100))...)
		}
		f.finish(x)
		f.want("word1")
		if err := x.Reset(f.ctx, "org"); err != nil {
			f.Fatal(err)
		}
		for i := range 60 {
			if i%7 == 3 {
				f.say("word1")
			}
			if i%11 == 5 {
				x = f.indexer("n1")
			}
			if _, err := x.Step(f.ctx, "org"); err != nil {
				f.Fatal(err)
			}
		}
		f.finish(x)
		f.want("word0")
		f.want("word1")
		if st, err := f.SearchState(f.ctx, "org"); err != nil || st.Epoch != 2 {
			f.Errorf("the state is %+v, %v", st, err)
		}
		todo, err := f.SearchTodo(f.ctx, "org", 9)
		if err != nil || len(todo) != 0 {
			f.Errorf("left to do: %v, %v", todo, err)
		}
	})
}

// TestForgets: what retention removed leaves the index.
func TestForgets(t *testing.T) {
	t.Parallel()
	onEach(t, func(f *fixture) {
		x := f.indexer("n1")
		f.finish(x)
		for range 20 {
			f.say("keep", "drop", "drop", "drop")
		}
		f.finish(x)
		var ids []string
		for i, content := range f.sent {
			if content == "drop" {
				ids = append(ids, fmt.Sprintf("m%06d", i))
				f.sent[i] = ""
			}
		}
		f.change("org", func(tx store.Tx) error {
			if _, err := tx.DeleteThreadMessages(f.ctx, ids); err != nil {
				return err
			}
			_, err := tx.Append(f.ctx, store.Event{Type: eventtype.SearchChanged, At: f.clock, Payload: []byte{}})
			return err
		})
		f.finish(x)
		f.want("keep")
		f.want("drop")
		segments, err := f.SearchSegments(f.ctx, "org")
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range segments {
			pages, err := f.SearchPages(f.ctx, []int64{s.Segment}, []string{searchindex.Word("drop"), searchindex.Word("keep")})
			lists := 0
			for _, p := range pages {
				if err := (searchindex.Page{First: p.First, Data: p.Data}).Lists([]string{searchindex.Word("drop"), searchindex.Word("keep")}, func(string, []byte) { lists++ }); err != nil {
					f.Fatal(err)
				}
			}
			if err != nil || lists == 2 && s.Last-s.First > 8 {
				f.Errorf("segment %+v has the word of removed messages: %d lists, %v", s, lists, err)
			}
		}
	})
}

// TestNodes: two nodes that index at the same time add every event once.
func TestNodes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.URL(t)) // an SQLite database has one process
	a, b := f.indexer("n1"), f.indexer("n2")
	done := make(chan error, 2)
	ctx, cancel := context.WithCancel(f.ctx)
	for _, x := range []*search.Indexer{a, b} {
		go func() { done <- x.Run(ctx) }()
	}
	for i := range 30 {
		f.say("all", fmt.Sprint("word", i%2))
	}
	waittest.Until(f, "all messages are found", func() bool { return len(f.found(search.Query{}, "all")) == 30 })
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			f.Error(err)
		}
	}
	f.want("all")
	f.want("word1")
}
