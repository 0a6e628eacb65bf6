package metrics

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/webhook"
	"github.com/b2b-protocol/b2b/internal/ws"
)

// Sources are what a scrape reads. All are required.
type Sources struct {
	Store     Store
	Hub       interface{ Stats() eventlog.Stats }
	Sockets   interface{ Counts() ws.Counts }
	Webhooks  interface{ Stats() webhook.Stats }
	Bodies    interface{ Stats() intake.Stats }
	Responses interface{ Stats() intake.Stats }
	Limiter   interface{ Stats() concurrency.Stats }
	Auth      interface {
		Caches() (tokens, sessions auth.CacheStats)
	}
	Node interface {
		Held() bool
		Lapses() int
	}
	Listener func() edge.Stats // of the server; zero: it does not listen
	Disk     func() Disk
}

// Store is what a scrape reads of the database.
type Store interface {
	Stats() store.Stats
	// Ping returns why the database does not work.
	Ping(ctx context.Context) error
	// LogBacklog returns how many events are not in the index of their log yet: of all logs, and
	// the most of one.
	LogBacklog(ctx context.Context) (all, most int64, err error)
	// SearchLag returns the same for the search index.
	SearchLag(ctx context.Context) (all, most int64, err error)
	// InboxCounts returns what the inboxes of all bots have.
	InboxCounts(ctx context.Context) (store.InboxCounts, error)
}

// Disk is the disk of the data folder, in bytes. What is not known is 0.
type Disk struct {
	Free, Size         uint64
	Database, WriteLog uint64 // the files of SQLite
}

const (
	// pingTime bounds the questions to the database of a scrape.
	pingTime = 2 * time.Second
	// countLife is how long a number is kept that takes a query.
	countLife = 10 * time.Second
)

// Read registers the metrics that a scrape reads.
func (m *Metrics) Read(s Sources) { m.registry.MustRegister(newCollector(s, m.calls)) }

// family is a metric that a scrape reads.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// collector reads Sources at a scrape.
type collector struct {
	Sources
	calls    *calls
	families []family

	healthy, connections, connectionsMax, cut, notAccepted             family
	sockets, unanswered, closed                                        family
	subscriptions, logs, replaying, queued, queuedMost, queuedBytes    family
	committed, slow, subscriptionsRefused, relistened                  family
	slots, slotsUsed, slotsWaiting, slotsRefused                       family
	memory, memoryMax, memoryRefused                                   family
	changesWaiting, undone, pool, poolMax, poolWaits, poolWait, lookup family
	backlog, backlogMost, searchBacklog, searchBacklogMost             family
	webhooksWaiting, deadLetters                                       family
	deliveries, oldestQueued                                           family
	leaseHeld, leaseLapses                                             family
	diskFree, diskSize, databaseSize                                   family

	ofLog, ofSearch recent[backlog]
	ofInboxes       recent[store.InboxCounts]
}

func newCollector(s Sources, calls *calls) *collector {
	c := &collector{Sources: s, calls: calls}
	gauge := func(name, help string, labels ...string) family {
		return c.add(prometheus.GaugeValue, name, help, labels)
	}
	counter := func(name, help string, labels ...string) family {
		return c.add(prometheus.CounterValue, name, help, labels)
	}

	c.healthy = gauge("b2b_database_healthy", "1 if the database answers and takes changes, else 0: what /health says.")
	c.connections = gauge("b2b_connections", "Open connections, by whether a caller has authenticated on them.", "caller")
	c.connectionsMax = gauge("b2b_connections_max", "Connections that may be open.")
	c.cut = counter("b2b_connections_cut_total", "Connections that were cut, by the reason: no headers, no body or an unread answer in time, a request that took too long, or no room for another.", "reason")
	c.notAccepted = counter("b2b_connections_not_accepted_total", "Connections that were not accepted, by the reason: no room, or an error of the system.", "reason")

	c.sockets = gauge("b2b_websocket_connections", "Open WebSocket connections, by caller: a bot with its token, or the session of a person.", "caller")
	c.unanswered = gauge("b2b_websocket_pings_unanswered", "WebSocket connections that have not responded to the last ping.")
	c.closed = counter("b2b_websocket_closed_total", "WebSocket connections that the server closed or refused, by the close code of SPEC.md (4008: a slow reader).", "code")

	c.subscriptions = gauge("b2b_subscriptions", "Open subscriptions to the event log, by how they are delivered: ws, rest (server-sent events), rpc (Connect and gRPC) or webhook.", "binding")
	c.logs = gauge("b2b_log_tails", "Event logs that this node follows, one for each org with a subscription.")
	c.replaying = gauge("b2b_log_replaying", "Subscriptions that read older events from the database.")
	c.queued = gauge("b2b_log_queued_items", "Items that wait for the readers of subscriptions.")
	c.queuedMost = gauge("b2b_log_queued_items_max", "Items that wait for the reader with the most.")
	c.queuedBytes = gauge("b2b_log_queued_bytes", "Bytes of the items that wait for readers; readers share them.")
	c.committed = gauge("b2b_log_committed_waiting", "Events that this node committed and has not delivered to the subscriptions yet.")
	c.slow = counter("b2b_log_slow_readers_total", "Subscriptions that ended since their reader was too slow.")
	c.subscriptionsRefused = counter("b2b_log_subscriptions_refused_total", "Subscriptions that were refused since their bot or org has too many.")
	c.relistened = counter("b2b_log_notifier_reconnects_total", "Lost connections of the notifier between nodes.")
	c.backlog = gauge("b2b_log_index_backlog_events", "Events that are not in the index of their log yet. Read every 10 seconds.")
	c.backlogMost = gauge("b2b_log_index_backlog_events_max", "The same for the log with the most.")
	c.searchBacklog = gauge("b2b_search_index_backlog_events", "Events that are not in the search index of their org yet. Read every 10 seconds.")
	c.searchBacklogMost = gauge("b2b_search_index_backlog_events_max", "The same for the org with the most.")

	c.slots = gauge("b2b_slots", "Slots that orgs share, by pool: reads and heavy (calls that run), database_reads (reads that run), webhooks and webhooks_failing (attempts).", "pool")
	c.slotsUsed = gauge("b2b_slots_in_use", "Slots in use, by pool. The pool changes has no fixed number.", "pool")
	c.slotsWaiting = gauge("b2b_slots_waiting", "Requests that wait for a slot, by pool.", "pool")
	c.slotsRefused = counter("b2b_slots_refused_total", "Requests that got no slot in time, or found too many of their org waiting, by pool.", "pool")

	c.memory = gauge("b2b_request_memory_bytes", "Memory that requests and unread responses have reserved, by size: small (up to 16 KiB each) or large.", "of", "size")
	c.memoryMax = gauge("b2b_request_memory_max_bytes", "Memory that they may reserve.", "of", "size")
	c.memoryRefused = counter("b2b_request_memory_refused_total", "Requests without room, by whether their org (share) or the server (total) has none.", "of", "room")

	c.changesWaiting = gauge("b2b_database_changes_waiting", "Changes that wait for a batch.")
	c.undone = counter("b2b_database_batches_undone_total", "Batches that could not be committed as one, so that each change ran alone.")
	c.pool = gauge("b2b_database_connections", "Open connections to the database (of SQLite those that read), by state: in_use or idle.", "state")
	c.poolMax = gauge("b2b_database_connections_max", "Connections to the database that may be open.")
	c.poolWaits = counter("b2b_database_connection_waits_total", "Waits for a connection to the database.")
	c.poolWait = counter("b2b_database_connection_wait_seconds_total", "Time of these waits.")
	c.lookup = counter("b2b_cache_lookups_total", "Look-ups in caches, by cache (rows: of the writers of the database; tokens and sessions: of authentication) and result.", "cache", "result")

	c.webhooksWaiting = gauge("b2b_webhook_deliveries_waiting", "Events that wait for another attempt to deliver them to a webhook of this node.")
	c.deadLetters = counter("b2b_webhook_dead_letters_total", "Events that became dead letters of a webhook on this node.")

	c.deliveries = gauge("b2b_inbox_deliveries", "Deliveries in the inboxes of bots that are not settled, by state: queued, leased (a worker has it), waiting, failed or dead. Read every 10 seconds.", "state")
	c.oldestQueued = gauge("b2b_inbox_oldest_queued_seconds", "Age of the oldest delivery that is queued; 0: none is. Read every 10 seconds.")

	c.leaseHeld = gauge("b2b_node_lease_held", "1 while the lease of this node is live, else 0.")
	c.leaseLapses = counter("b2b_node_lease_lapses_total", "Times that the lease of this node ended before it was renewed.")
	c.diskFree = gauge("b2b_data_disk_free_bytes", "Bytes that this process may still write to the disk of the data folder.")
	c.diskSize = gauge("b2b_data_disk_size_bytes", "Size of that disk.")
	c.databaseSize = gauge("b2b_database_size_bytes", "Size of the files of SQLite: main, and wal (the write-ahead log).", "file")
	return c
}

func (c *collector) add(kind prometheus.ValueType, name, help string, labels []string) family {
	f := family{prometheus.NewDesc(name, help, labels, nil), kind}
	c.families = append(c.families, f)
	return f
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.families {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := emitter(out)
	c.collectConnections(e)
	c.collectLog(e)
	c.collectInboxes(e)
	c.collectLimits(e)
	c.collectDatabase(e)
	hooks := c.Webhooks.Stats()
	e.send(c.webhooksWaiting, float64(hooks.Waiting))
	e.send(c.deadLetters, float64(hooks.DeadLetters))
	e.pool(c, "webhooks", hooks.Responding)
	e.pool(c, "webhooks_failing", hooks.Failing)
	e.send(c.subscriptions, float64(hooks.Serving), "webhook")
	e.flag(c.leaseHeld, c.Node.Held())
	e.send(c.leaseLapses, float64(c.Node.Lapses()))
	d := c.Disk()
	e.known(c.diskFree, d.Free)
	e.known(c.diskSize, d.Size)
	e.known(c.databaseSize, d.Database, "main")
	e.known(c.databaseSize, d.WriteLog, "wal")
}

func (c *collector) collectConnections(e emitter) {
	l := c.Listener()
	e.send(c.connections, float64(l.Anonymous), "anonymous")
	e.send(c.connections, float64(l.Open-l.Anonymous), "authenticated")
	e.send(c.connectionsMax, float64(l.Most))
	for reason, n := range l.Cut {
		e.send(c.cut, float64(n), reason)
	}
	for reason, n := range l.NotAccepted {
		e.send(c.notAccepted, float64(n), reason)
	}
	s := c.Sockets.Counts()
	e.send(c.sockets, float64(s.Bots), "bot")
	e.send(c.sockets, float64(s.Sessions), "session")
	e.send(c.unanswered, float64(s.Unanswered))
	for code, n := range s.Closed {
		e.send(c.closed, float64(n), strconv.Itoa(code))
	}
	e.send(c.subscriptions, float64(s.Bots+s.Sessions), "ws")
	for _, b := range []int{viaREST, viaRPC} {
		e.send(c.subscriptions, c.calls.streams(b), bindingNames[b])
	}
}

func (c *collector) collectLog(e emitter) {
	h := c.Hub.Stats()
	e.send(c.logs, float64(h.Logs))
	e.send(c.replaying, float64(h.Replaying))
	e.send(c.queued, float64(h.Queued))
	e.send(c.queuedMost, float64(h.QueuedMost))
	e.send(c.queuedBytes, float64(h.QueuedBytes))
	e.send(c.committed, float64(h.Committed))
	e.send(c.slow, float64(h.Slow))
	e.send(c.subscriptionsRefused, float64(h.Refused))
	e.send(c.relistened, float64(h.Relistened))
	if b, err := c.ofLog.get(backlogBy(c.Store.LogBacklog)); err == nil {
		e.send(c.backlog, float64(b.all))
		e.send(c.backlogMost, float64(b.most))
	}
	if b, err := c.ofSearch.get(backlogBy(c.Store.SearchLag)); err == nil {
		e.send(c.searchBacklog, float64(b.all))
		e.send(c.searchBacklogMost, float64(b.most))
	}
}

// deliveryStates are the states of deliveries, by their labels.
var deliveryStates = map[store.DeliveryState]string{
	store.DeliveryQueued: "queued", store.DeliveryLeased: "leased", store.DeliveryWaiting: "waiting",
	store.DeliveryFailed: "failed", store.DeliveryDead: "dead",
}

func (c *collector) collectInboxes(e emitter) {
	n, err := c.ofInboxes.get(c.Store.InboxCounts)
	if err != nil {
		return
	}
	for state, label := range deliveryStates {
		e.send(c.deliveries, float64(n.Deliveries[state]), label)
	}
	age := 0.0
	if n.OldestQueued > 0 {
		age = max(time.Since(time.UnixMilli(n.OldestQueued)).Seconds(), 0)
	}
	e.send(c.oldestQueued, age)
}

// backlog is the number of events that are not in an index yet: of all, and the most of one.
type backlog struct{ all, most int64 }

func backlogBy(read func(context.Context) (all, most int64, err error)) func(context.Context) (backlog, error) {
	return func(ctx context.Context) (b backlog, err error) {
		b.all, b.most, err = read(ctx)
		return b, err
	}
}

// recent is what was read last.
type recent[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

// get reads, or returns what it read a moment ago.
func (r *recent[T]) get(read func(context.Context) (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) >= countLife {
		ctx, cancel := context.WithTimeout(context.Background(), pingTime)
		defer cancel()
		r.value, r.err = read(ctx)
		r.at = time.Now()
	}
	return r.value, r.err
}

func (c *collector) collectLimits(e emitter) {
	l := c.Limiter.Stats()
	e.pool(c, "reads", l.Reads)
	e.pool(c, "heavy", l.Heavy)
	e.pool(c, "changes", l.Changes)
	for of, s := range map[string]intake.Stats{"bodies": c.Bodies.Stats(), "responses": c.Responses.Stats()} {
		if of == "bodies" { // small responses reserve nothing
			e.send(c.memory, float64(s.Small), of, "small")
			e.send(c.memoryMax, float64(s.MostSmall), of, "small")
		}
		e.send(c.memory, float64(s.Large), of, "large")
		e.send(c.memoryMax, float64(s.MostLarge), of, "large")
		e.send(c.memoryRefused, float64(s.RefusedShare), of, "share")
		e.send(c.memoryRefused, float64(s.RefusedTotal), of, "total")
	}
}

func (c *collector) collectDatabase(e emitter) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	e.flag(c.healthy, c.Store.Ping(ctx) == nil)
	s := c.Store.Stats()
	e.send(c.changesWaiting, float64(s.Waiting))
	e.send(c.undone, float64(s.Undone))
	e.pool(c, "database_reads", s.Reads)
	e.send(c.pool, float64(s.Pool.InUse), "in_use")
	e.send(c.pool, float64(s.Pool.Idle), "idle")
	e.send(c.poolMax, float64(s.Pool.MaxOpenConnections))
	e.send(c.poolWaits, float64(s.Pool.WaitCount))
	e.send(c.poolWait, s.Pool.WaitDuration.Seconds())
	tokens, sessions := c.Auth.Caches()
	for cache, n := range map[string]auth.CacheStats{"rows": {Hits: s.CacheHits, Misses: s.CacheMisses}, "tokens": tokens, "sessions": sessions} {
		e.send(c.lookup, float64(n.Hits), cache, "hit")
		e.send(c.lookup, float64(n.Misses), cache, "miss")
	}
}

// emitter sends the metrics of one scrape.
type emitter chan<- prometheus.Metric

func (e emitter) send(f family, value float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
}

// known sends a value unless it is not known.
func (e emitter) known(f family, value uint64, labels ...string) {
	if value > 0 {
		e.send(f, float64(value), labels...)
	}
}

func (e emitter) flag(f family, set bool) {
	value := 0.0
	if set {
		value = 1
	}
	e.send(f, value)
}

// pool sends the numbers of a pool. One without limits has no number of slots.
func (e emitter) pool(c *collector, name string, s fair.Stats) {
	if s.Slots > 0 {
		e.send(c.slots, float64(s.Slots), name)
	}
	e.send(c.slotsUsed, float64(s.InUse), name)
	e.send(c.slotsWaiting, float64(s.Waiting), name)
	e.send(c.slotsRefused, float64(s.Refused), name)
}
