package metrics

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/webhook"
	"github.com/b2b-protocol/b2b/internal/ws"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var update = flag.Bool("update", false, "write the table of docs/operate/monitoring.md")

// fake is every source of a scrape, with a number for everything.
type fake struct{ calls int }

func (f *fake) Ping(context.Context) error { return nil }
func (f *fake) LogBacklog(context.Context) (all, most int64, err error) {
	f.calls++
	return 12, 7, nil
}
func (*fake) InboxCounts(context.Context) (store.InboxCounts, error) {
	return store.InboxCounts{Deliveries: map[store.DeliveryState]int64{store.DeliveryDead: 3}, OldestQueued: 1}, nil
}
func (*fake) SearchLag(context.Context) (all, most int64, err error) { return 14, 9, nil }

func (f *fake) Caches() (tokens, sessions auth.CacheStats) {
	return auth.CacheStats{Hits: 1}, auth.CacheStats{Misses: 2}
}
func (f *fake) Held() bool  { return true }
func (f *fake) Lapses() int { return 3 }

type fakeStore struct{ *fake }

func (fakeStore) Stats() store.Stats {
	return store.Stats{Waiting: 4, Reads: fair.Stats{Slots: 5}}
}

type (
	hub      struct{}
	sockets  struct{}
	hooks    struct{}
	limiter  struct{}
	budget   struct{}
	listener struct{}
)

func (hub) Stats() eventlog.Stats { return eventlog.Stats{Queued: 6} }
func (sockets) Counts() ws.Counts {
	return ws.Counts{Bots: 2, Sessions: 1, Closed: map[int]int64{4008: 3}}
}
func (hooks) Stats() webhook.Stats       { return webhook.Stats{Serving: 8} }
func (limiter) Stats() concurrency.Stats { return concurrency.Stats{} }
func (budget) Stats() intake.Stats       { return intake.Stats{RefusedShare: 9} }
func (listener) stats() edge.Stats {
	return edge.Stats{Open: 5, Anonymous: 2, Cut: map[string]int64{"body": 1}, NotAccepted: map[string]int64{"no room": 1}}
}

// operations returns the operations of whole.
func (m *Metrics) operations() (unary, stream *call.Operation) {
	for op := range m.calls.byOp {
		if op.Stream == nil {
			unary = op
		} else {
			stream = op
		}
	}
	return unary, stream
}

// whole returns metrics with every series that a server may have, and its meter of calls.
func whole(t testing.TB) (*Metrics, call.Meter, *fake) {
	t.Helper()
	m, f := New(Build{Version: "1.2.3", Database: "sqlite"}), &fake{}
	unary := &call.Operation{Procedure: "/b2b.v1.ThreadService/CreateThread"}
	stream := &call.Operation{Procedure: "/b2b.v1.EventService/Subscribe", Stream: func(context.Context, proto.Message, func(proto.Message) error) error { return nil }}
	meter := m.Calls([]*call.Operation{unary, stream})
	db := m.Database()
	db.Batch(3, time.Millisecond)
	db.Pipeline(4)
	db.Statement("select", "orgs")(time.Millisecond)
	m.Lag()(time.Millisecond, true)
	m.WebhookAttempts()(webhook.Delivered, time.Second)
	stored := m.Files(&memory{})
	if _, err := stored.Put(t.Context(), files.Key{}, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	m.Read(Sources{
		Store: fakeStore{f}, Hub: hub{}, Sockets: sockets{}, Webhooks: hooks{}, Bodies: budget{}, Responses: budget{}, Limiter: limiter{}, Auth: f, Node: f,
		Listener: listener{}.stats, Disk: func() Disk { return Disk{1, 2, 3, 4} },
	})
	info := &call.Info{Operation: unary, Via: "rest"}
	meter.Begin(info)
	meter.End(info, 0, time.Millisecond, false)
	return m, meter, f
}

// memory is a store of files.
type memory struct {
	files.Store
	err error
}

func (m *memory) Put(_ context.Context, _ files.Key, r io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, r)
	if err == nil {
		err = m.err
	}
	return n, err
}

func gather(t testing.TB, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range all {
		out[f.GetName()] = f
	}
	return out
}

// value returns the value, or the count, of the series that has these labels: "name", "value", ….
func value(t testing.TB, all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, s := range all[name].GetMetric() {
		has := map[string]string{}
		for _, l := range s.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		same := true
		for i := 0; i < len(labels); i += 2 {
			same = same && has[labels[i]] == labels[i+1]
		}
		if same {
			return s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	t.Errorf("there is no %s with %q", name, labels)
	return -1
}

const (
	page       = "../../docs/operate/monitoring.md"
	tableBegin = "<!-- metrics: go test ./internal/metrics -run TestPage -update -->\n\n"
	tableEnd   = "\n<!-- end of metrics -->"
)

// TestPage compares the table for operators with the registry.
func TestPage(t *testing.T) {
	t.Parallel()
	m, _, _ := whole(t)
	var table strings.Builder
	table.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	all := gather(t, m)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		if !strings.HasPrefix(name, "b2b_") {
			continue
		}
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), cmp.Or(strings.Join(labels, ", "), "–"), f.GetHelp())
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	found, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatal("the page has no place for the table")
	}
	switch {
	case found == table.String():
	case *update:
		if err := os.WriteFile(page, []byte(before+tableBegin+table.String()+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the table differs from the metrics: run go test ./internal/metrics -run TestPage -update")
	}
}

// The exposition is what Prometheus expects: names, units and help texts.
func TestLint(t *testing.T) {
	t.Parallel()
	m, _, _ := whole(t)
	server := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(server, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if server.Code != http.StatusOK {
		t.Fatalf("status %d", server.Code)
	}
	problems, err := promlint.New(bytes.NewReader(server.Body.Bytes())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	bad, err := promlint.New(strings.NewReader("# TYPE b2b_milliseconds counter\nb2b_milliseconds 1\n")).Lint()
	if err != nil || len(bad) == 0 {
		t.Errorf("the check finds nothing wrong in a wrong metric: %v", err)
	}
	for _, name := range []string{"go_goroutines", "process_cpu_seconds_total", "b2b_build_info"} {
		if !strings.Contains(server.Body.String(), "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// What a scrape reads is what the sources return.
func TestSources(t *testing.T) {
	t.Parallel()
	m, _, f := whole(t)
	gather(t, m)
	all := gather(t, m)
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "b2b_build_info", []string{"version", "1.2.3", "database", "sqlite"}},
		{1, "b2b_database_healthy", nil}, {4, "b2b_database_changes_waiting", nil}, {6, "b2b_log_queued_items", nil},
		{12, "b2b_log_index_backlog_events", nil}, {7, "b2b_log_index_backlog_events_max", nil},
		{14, "b2b_search_index_backlog_events", nil}, {9, "b2b_search_index_backlog_events_max", nil},
		{3, "b2b_connections", []string{"caller", "authenticated"}}, {2, "b2b_connections", []string{"caller", "anonymous"}},
		{3, "b2b_subscriptions", []string{"binding", "ws"}}, {8, "b2b_subscriptions", []string{"binding", "webhook"}},
		{3, "b2b_websocket_closed_total", []string{"code", "4008"}}, {9, "b2b_request_memory_refused_total", []string{"of", "bodies", "room", "share"}},
		{1, "b2b_cache_lookups_total", []string{"cache", "tokens", "result", "hit"}}, {2, "b2b_cache_lookups_total", []string{"cache", "sessions", "result", "miss"}},
		{1, "b2b_node_lease_held", nil}, {3, "b2b_node_lease_lapses_total", nil}, {5, "b2b_slots", []string{"pool", "database_reads"}},
		{1, "b2b_data_disk_free_bytes", nil}, {4, "b2b_database_size_bytes", []string{"file", "wal"}},
		{1, "b2b_files_operation_duration_seconds", []string{"operation", "put", "result", "ok"}}, {4, "b2b_files_stored_bytes_total", nil},
		{1, "b2b_log_delivery_lag_seconds", []string{"committed", "here"}}, {0, "b2b_log_delivery_lag_seconds", []string{"committed", "elsewhere"}},
		{1, "b2b_webhook_attempt_duration_seconds", []string{"outcome", "delivered"}},
	} {
		if got := value(t, all, c.name, c.labels...); got != c.want {
			t.Errorf("%s %q is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if f.calls != 1 {
		t.Errorf("two scrapes read the backlog of the index %d times", f.calls)
	}
}

// A real disk and database have sizes; what is not known has none.
func TestReadDisk(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/b2b.db", []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := ReadDisk(folder, folder+"/b2b.db")
	if d.Size < d.Free || d.Size == 0 || d.Database != 5 || d.WriteLog != 0 {
		t.Errorf("the disk is %+v", d)
	}
	if d := ReadDisk(folder+"/none", ""); d != (Disk{}) {
		t.Errorf("a folder that is not there has %+v", d)
	}
}

// Calls are counted by outcome and code, and their time is measured.
func TestCalls(t *testing.T) {
	t.Parallel()
	m, meter, _ := whole(t)
	unary, stream := m.operations()
	const (
		missing  = b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND
		broken   = b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR
		busy     = b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE
		limited  = b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED
		newer    = b2bv1.ErrorCode(9999)
		create   = "ThreadService/CreateThread"
		follow   = "EventService/Subscribe"
		duration = "b2b_call_duration_seconds"
	)
	run := func(op *call.Operation, via string, code b2bv1.ErrorCode, gone bool) {
		info := &call.Info{Operation: op, Via: via}
		meter.Begin(info)
		meter.End(info, code, 3*time.Millisecond, gone)
	}
	run(unary, "ws", 0, false)
	run(unary, "ws", missing, false)
	run(unary, "ws", broken, false)
	run(unary, "ws", newer, false)
	run(unary, "ws", busy, true)
	meter.Refused(&call.Info{Operation: unary, Via: "ws"}, limited)
	meter.Refused(&call.Info{Via: "rest"}, missing)
	open := &call.Info{Operation: stream, Via: "rest"}
	meter.Begin(open)
	all := gather(t, m)
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1, "b2b_calls_total", []string{"operation", create, "binding", "ws", "outcome", "ok"}},
		{2, "b2b_calls_total", []string{"operation", create, "binding", "ws", "outcome", "refused"}},
		{2, "b2b_calls_total", []string{"operation", create, "binding", "ws", "outcome", "failed"}},
		{1, "b2b_calls_total", []string{"operation", create, "binding", "ws", "outcome", "canceled"}},
		{1, "b2b_calls_total", []string{"operation", "none", "binding", "rest", "outcome", "refused"}},
		{1, "b2b_call_errors_total", []string{"binding", "ws", "code", "NOT_FOUND"}},
		{1, "b2b_call_errors_total", []string{"binding", "ws", "code", "RATE_LIMITED"}},
		{2, "b2b_call_errors_total", []string{"binding", "ws", "code", "INTERNAL_ERROR"}},
		{0, "b2b_call_errors_total", []string{"binding", "ws", "code", "UNAVAILABLE"}},
		{4, duration, []string{"operation", create, "binding", "ws"}},
		{0, "b2b_calls_in_flight", []string{"operation", create, "binding", "ws"}},
		{1, "b2b_calls_in_flight", []string{"operation", follow, "binding", "rest"}},
		{1, "b2b_subscriptions", []string{"binding", "rest"}},
	} {
		if got := value(t, all, c.name, c.labels...); got != c.want {
			t.Errorf("%s %q is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	meter.End(open, 0, time.Hour, false)
	all = gather(t, m)
	if n := value(t, all, "b2b_subscriptions", "binding", "rest"); n != 0 {
		t.Errorf("%v subscriptions after the end of the only one", n)
	}
	for _, s := range all[duration].GetMetric() {
		for _, l := range s.GetLabel() {
			if l.GetValue() == follow {
				t.Error("the time of a stream is among those of calls")
			}
		}
	}
	if n := len(all[duration].GetMetric()[0].GetHistogram().GetBucket()); n < len(callBuckets) {
		t.Errorf("%d buckets", n)
	}
}

// An operation of a stored file counts by its result; an upload that breaks off is none of the
// storage.
func TestFiles(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		store error
		from  io.Reader
	}{
		"ok":       {nil, strings.NewReader("abc")},
		"failed":   {io.ErrShortWrite, strings.NewReader("abc")},
		"canceled": {nil, io.MultiReader(strings.NewReader("a"), failing{})},
	} {
		m := New(Build{})
		_, err := m.Files(&memory{err: c.store}).Put(t.Context(), files.Key{}, c.from)
		if (err == nil) != (want == ok) {
			t.Errorf("%s: %v", want, err)
		}
		all := gather(t, m)
		if value(t, all, "b2b_files_operation_duration_seconds", "operation", "put", "result", want) != 1 {
			t.Errorf("a put is not counted as %s", want)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A call, a statement and an event that are measured allocate nothing.
func TestMeasuringAllocatesNothing(t *testing.T) {
	// Not parallel: it counts allocations.
	m, meter, _ := whole(t)
	op, _ := m.operations()
	info := &call.Info{Operation: op, Via: "rest"}
	other := New(Build{})
	db, lag := other.Database(), other.Lag()
	statement := db.Statement("insert", "event_log")
	n := testing.AllocsPerRun(1000, func() {
		meter.Begin(info)
		meter.End(info, 0, 2*time.Millisecond, false)
		meter.Refused(info, b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED)
		db.Batch(7, time.Millisecond)
		db.Pipeline(9)
		statement(20 * time.Microsecond)
		lag(time.Millisecond, true)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCall(b *testing.B) {
	m, meter, _ := whole(b)
	op, _ := m.operations()
	info := &call.Info{Operation: op, Via: "rest"}
	b.ReportAllocs()
	for b.Loop() {
		meter.Begin(info)
		meter.End(info, 0, 2*time.Millisecond, false)
	}
}
