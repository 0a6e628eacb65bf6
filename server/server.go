// Package server is the B2B server as a library: New opens and connects all parts, and Run serves
// until its context ends. The packages below internal/ implement the parts: bindings (rest, rpc,
// ws), the call pipeline (call), use cases (service), authentication (auth), subscriptions to the
// event log (eventlog), presence (presence), persistence (store). All requests pass package edge
// first. Package webhook delivers events to other servers.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/b2b-protocol/b2b/internal/accesslog"
	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/files/s3files"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/metrics"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/presence"
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/internal/retention"
	"github.com/b2b-protocol/b2b/internal/rpc"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/service"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/subscription"
	"github.com/b2b-protocol/b2b/internal/tally"
	"github.com/b2b-protocol/b2b/internal/tracing"
	"github.com/b2b-protocol/b2b/internal/vault"
	"github.com/b2b-protocol/b2b/internal/webhook"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	"github.com/b2b-protocol/b2b/internal/ws"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/server/config"
)

// Version is the version of this server, as in /api/version.
const Version = "0.2.0"

const (
	// How long a stopping server waits for calls in progress and for the clients of WebSocket
	// connections.
	drainTime = 5 * time.Second
	// How long a stop takes at most, even if something hangs (B2B-LIFE-035).
	stopTime = 8 * time.Second
	// How often a node checks the log of an org for events of other nodes, and thus the longest
	// delay after a lost notification (B2B-HOOK-016).
	pollLog = 500 * time.Millisecond
)

// Config configures New. Package config reads it.
type Config = config.Config

// Server is one node. It must be closed.
type Server struct {
	config   Config
	log      *slog.Logger
	store    *sqlstore.Store
	files    files.Store
	keys     *seal.Keyring
	node     *node.Node
	auth     *auth.Authenticator
	notifier notifier      // nil: this is the only node
	redis    *redis.Client // nil: not configured, or this is the only node
	hub      *eventlog.Hub
	online   *presence.Tracker
	streamed *presence.Tracker
	sockets  *ws.Server
	retain   *retention.Runner
	indexer  *search.Indexer
	calls    *call.Pipeline
	unserved *tally.Log      // requests for tickets that Redis did not serve
	tracer   *tracing.Tracer // nil: traces are off
	access   *accesslog.Log  // nil: off
	hooks    *webhook.Dispatcher
	streams  context.Context // for the streams over REST and Connect
	stop     context.CancelFunc
	handler  http.Handler
	health   http.Handler                  // of the admin listener
	metrics  *metrics.Metrics              // nil: there is no admin listener
	public   atomic.Pointer[edge.Listener] // set by Serve
}

// New opens the store and connects the parts of a node.
func New(ctx context.Context, c Config, log *slog.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Embedded() {
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	tracer := tracing.New(c.Traces, Version, log)
	if tracer != nil {
		log = tracing.Logger(log)
	}
	opening := sqlstore.Config{URL: c.StorePath(), Logger: log, Payer: call.PayerOf, Tracer: tracer, Answer: time.Duration(c.DatabaseTimeout) * time.Second}
	if !c.Embedded() {
		opening.MaxConns = c.DatabasePool
	}
	measured := newMetrics(c)
	if measured != nil {
		opening.Meter = measured.Database()
	}
	st, err := sqlstore.Open(ctx, opening)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	bytes, err := OpenFiles(ctx, c, st, log)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	if measured != nil {
		bytes = measured.Files(bytes)
	}
	self := node.New(node.Config{Store: nodeStore(st), Single: c.SingleNode(), Log: log})
	keys, err := openKeys(ctx, c, self, st, bytes, log)
	if err != nil {
		return nil, errors.Join(err, bytes.Close(), st.Close())
	}
	s := &Server{config: c, log: log, store: st, files: bytes, keys: keys, node: self, tracer: tracer, metrics: measured}
	s.streams, s.stop = context.WithCancel(context.Background())
	if err := s.node.Start(ctx); err != nil {
		return nil, errors.Join(err, bytes.Close(), st.Close())
	}
	s.online = presence.New(presence.Config{Store: presenceStore(st), Node: s.node, Now: c.Now, Log: log})
	s.streamed = presence.New(presence.Config{Store: presenceStore(st), Node: s.node, Now: c.Now, Log: log, Streams: true})
	if err := s.online.Start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("restore presence: %w", err), bytes.Close(), st.Close())
	}
	if err := s.wire(ctx); err != nil {
		return nil, errors.Join(err, bytes.Close(), st.Close())
	}
	return s, nil
}

// OpenFiles opens the store of file content, and checks that it belongs to the database. Commands
// that add files without a server use it.
func OpenFiles(ctx context.Context, c Config, db *sqlstore.Store, log *slog.Logger) (files.Store, error) {
	var bytes files.Store
	var err error
	if c.FilesURL != "" {
		bytes, err = s3files.Open(c.FilesBucket())
	} else {
		bytes, err = files.OpenDisk(c.FilesPath(), log)
	}
	if err != nil {
		return nil, err
	}
	if err := files.Claim(ctx, bytes, filesStore(db)); err != nil {
		return nil, errors.Join(err, bytes.Close())
	}
	return bytes, nil
}

// openKeys returns the keys that encrypt the secrets of the database, and encrypts those that are
// not encrypted yet.
func openKeys(ctx context.Context, c config.Config, self *node.Node, db *sqlstore.Store, bytes files.Store, log *slog.Logger) (*seal.Keyring, error) {
	v := vault.Config{Store: vaultStore(db), Files: bytes, Keys: c.SecretKeys, Log: log}
	if !self.Single {
		v.Derive = c.AdminSecret
	}
	return vault.Open(ctx, v)
}

func (s *Server) wire(ctx context.Context) (err error) {
	c := s.config
	s.auth = auth.New(auth.Config{Store: authStore(s.store), Log: s.log, Now: c.Now, AdminSecret: c.AdminSecret, Single: s.node.Single})
	if err := s.auth.EndSessionsOfOtherSecrets(ctx); err != nil {
		return errors.Join(err, s.auth.Close())
	}
	if err := s.listenToLog(); err != nil {
		return errors.Join(err, s.auth.Close())
	}
	targets := webhookurl.Policy{Resolver: net.DefaultResolver, Plain: c.DevMode, Allow: c.WebhookAllow}
	hooks := webhook.Config{
		Store: webhookStore(s.store), Keys: s.keys, Log: s.hub, Node: s.node, Policy: targets, Version: Version, Logger: s.log, Tracer: s.tracer,
	}
	if s.metrics != nil {
		hooks.Attempted = s.metrics.WebhookAttempts()
	}
	s.unserved = tally.New(s.log, "Redis does not serve tickets of WebSockets, so the database does")
	tickets := &auth.Tickets{Store: ticketStore(s.store), Redis: s.redis, Failed: s.unserved}
	throttle := &auth.Throttle{Store: throttleStore(s.store), Now: c.Now}
	deps := service.Deps{
		Store: serviceStore(s.store), Files: s.files, Access: s.auth, Tickets: tickets, Throttle: throttle, Keys: s.keys,
		Events: s.hub, Streams: s.streams, Streaming: s.streamed, Log: s.log, Now: c.Now, Sockets: gauge{s}, Webhooks: targets,
		OrgEnded: func() { s.retain.Wake() }, Node: s.node, Single: s.node.Single,
		Config: service.Config{
			AdminSecret: c.AdminSecret, PersistMessages: c.PersistMessages, MaxMessage: c.MaxMessage,
			ArtifactsPerThread: c.ArtifactsPerThread, ArtifactMBPerThread: c.ArtifactMBPerThread,
			ArtifactMBPerDay: c.ArtifactMBPerDay, ArtifactMBPerOrg: c.ArtifactMBPerOrg,
			StoredMBPerDay: c.StoredMBPerDay, BulkMBPerDay: c.BulkMBPerDay,
			PageBytes: c.PageBytes, MaxFileSizeMB: c.MaxFileSizeMB, FileUploadMBPerDay: c.FileUploadMBPerDay, DevMode: c.DevMode, Version: Version, Domain: c.Domain, BasePath: c.BasePath, MCP: c.MCP, A2A: c.A2A,
		},
	}
	s.retain = retention.New(retention.Config{
		Store: retentionStore(s.store), Orgs: service.NewRetention(deps), Node: s.node, Now: time.Now, Log: s.log, Tracer: s.tracer, Grace: 4 * pollLog,
		RemoveFiles: s.files.DeleteOrg, Sweep: s.sweepFiles,
	})
	s.indexer = search.New(search.Config{Store: searchStore(s.store), Node: s.node, Log: s.log, Pace: true})
	services := service.New(deps)
	operations := services.Operations()
	pipeline := call.NewPipeline(s.auth, s.log, c.DevMode && c.AdminSecret == "")
	pipeline.Trace(s.tracer)
	s.calls = pipeline
	logged := c.AccessLog != "" && c.AccessLog != accesslog.Off
	if s.metrics != nil {
		pipeline.Measure(s.metrics.Calls(operations))
	}
	proxies := call.Edge{
		AccessLog: logged,
		Proxies:   c.Proxies, Distrusted: s.distrusted(), Domain: c.Domain, BasePath: c.BasePath, SecureCookies: !c.DevMode,
	}
	s.access = accesslog.New(s.log, c.AccessLog, c.AccessLogLines, proxies)
	limiter := concurrency.NewLimiter(concurrency.Config{
		Scheduler: c.Scheduler, Remote: !c.Embedded(),
		Long: []string{
			b2bv1connect.EventServiceListCatchupEventsProcedure, b2bv1connect.EventServiceCountCatchupEventsProcedure,
			b2bv1connect.OrgThreadServiceSearchOrgMessagesProcedure, b2bv1connect.OrgServiceListAuditEntriesProcedure,
			b2bv1connect.SearchServiceSearchProcedure,
		},
	})
	bodies, answers := intake.New(intake.Sizes{}, limiter), intake.NewAnswers(intake.Sizes{}, limiter)
	restHandler, err := rest.New(rest.Config{
		Operations: operations, Pipeline: pipeline, Intake: bodies, Answers: answers, Edge: proxies, Log: s.log, Keep: s.keep(),
	})
	if err != nil {
		return errors.Join(err, s.leaveLog(), s.auth.Close())
	}
	s.sockets = ws.New(ws.Config{
		Operations: operations, Pipeline: pipeline, Hub: s.hub, Access: s.auth, Presence: s.online,
		Store: s.store, Tickets: tickets, Edge: proxies, Intake: bodies, Log: s.log, AccessLog: s.access, Stall: c.Limits.Stall,
	})
	var overMCP, overA2A http.Handler // nil: off
	entrance := newDoor(s.streams, proxies, pipeline, bodies, answers, s.log, s.Handler)
	if c.MCP {
		overMCP = newMCP(entrance, service.WaitsOf(services))
	}
	if c.A2A {
		agents := newA2A(entrance, service.NewAgentCards(deps.Store), &pushes{service.NewPushes(deps), pipeline})
		overA2A, hooks.Tasks = agents, agents
	}
	s.hooks = webhook.New(hooks)
	s.handler = s.access.Handler(edge.Handler(edge.Config{
		REST:    restHandler,
		RPC:     rpc.New(services, operations, pipeline, proxies, bodies, answers, rpc.Elsewhere{Next: restHandler, Refuse: rest.WriteError}),
		Sockets: s.sockets, MCP: overMCP, A2A: overA2A, Origins: c.CORSOrigins, BasePath: c.BasePath,
	}))
	s.health = health(services.ServerService)
	s.watch(bodies, answers, limiter)
	return nil
}

// distrusted returns a function that logs once that requests came through a proxy which is not
// configured (B2B-HTTP-042).
func (s *Server) distrusted() func(peer string) {
	var once sync.Once
	return func(peer string) {
		once.Do(func() {
			s.log.Warn("headers of a proxy are ignored: the address of its clients is not known, and they share one. "+
				"If the proxy is yours, set B2B_TRUST_PROXY to its address; if not, a client forged them",
				"headers", "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto", "peer", peer, "setting", "B2B_TRUST_PROXY="+peer,
				"trusted_proxies", s.config.Proxies.String())
		})
	}
}

// sweepFiles removes content that belongs to no file.
func (s *Server) sweepFiles(ctx context.Context, between func(context.Context) error) error {
	swept, err := files.Sweep(ctx, s.files, s.store, time.Now(), between)
	if swept != (files.Swept{}) {
		s.log.InfoContext(ctx, "swept files", "orphans", swept.Orphans, "leftovers", swept.Leftovers)
	}
	return err
}

// gauge reports connections to the services, which are made before s.sockets.
type gauge struct{ s *Server }

func (g gauge) Connections() (clients, bots int) { return g.s.sockets.Connections() }

func (g gauge) Stats() *b2bv1.ConnectionStats { return g.s.sockets.Stats() }

// Handler returns the handler of all bindings, for tests without a port.
func (s *Server) Handler() http.Handler { return s.handler }

// Store returns the store of the node, for commands that work beside the server.
func (s *Server) Store() *sqlstore.Store { return s.store }

// Listen listens on the configured address.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.config.Addr())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.config.Addr(), err)
	}
	return l, nil
}

// Run listens and serves until ctx ends, then stops gracefully and closes.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.Listen(ctx)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return s.Serve(ctx, l)
}

// ErrRestart, as the cause of the end of a context, means that the server will restart at once.
// Connected clients get close code 1012.
var ErrRestart = errors.New("server: restart")

// Serve serves on l until ctx ends. Then it accepts no new connections, waits at most 5 seconds for
// calls in progress and the clients of WebSocket connections, and closes the node. It returns
// within 8 seconds, with ErrHung if the database, Redis or the files do not respond. It serves
// HTTP/1.1 and HTTP/2 without TLS on one port.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	limits := s.config.Limits
	limits.Connections = s.config.MaxConnections
	watch, err := s.listenAdmin(ctx)
	if err != nil {
		return errors.Join(err, l.Close(), s.Close())
	}
	bounded := edge.Listen(l, limits, s.log)
	s.public.Store(bounded)
	h := bounded.NewServer(s.handler)
	s.log.InfoContext(ctx, "listening", "addr", l.Addr().String(), "version", Version)

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var jobs errgroup.Group
	jobs.Go(func() error { return bounded.Run(background) })
	jobs.Go(func() error { return s.calls.Run(background) })
	jobs.Go(func() error { return s.unserved.Run(background) })
	jobs.Go(func() error { return s.access.Run(background) })
	jobs.Go(func() error { return s.auth.Run(background) })
	jobs.Go(func() error { return s.node.Run(background) })
	jobs.Go(func() error { return s.retain.Run(background) })
	jobs.Go(func() error { return s.indexer.Run(background) })
	jobs.Go(func() error { return s.online.Run(background) })
	jobs.Go(func() error { return s.streamed.Run(background) })
	jobs.Go(func() error { return s.hooks.Run(background) })
	// Traces end last, so that the spans of what ends before are exported.
	exporting, stopExport := context.WithCancel(context.WithoutCancel(ctx))
	defer stopExport()
	exported := make(chan error, 1)
	go func() { exported <- s.tracer.Run(exporting) }()
	if watch != nil {
		jobs.Go(func() error { return watch.Serve(background) })
	}

	late := make(chan struct{}) // closed when the time for the stop is over
	served := make(chan error, 1)
	go func() { served <- h.Serve(bounded) }()
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping")
		defer time.AfterFunc(stopTime, func() { close(late) }).Stop()
		s.stop() // clients of streams reconnect to another node
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		reason := subscription.ServerStopping
		if errors.Is(context.Cause(ctx), ErrRestart) {
			reason = subscription.ServerRestarting
		}
		jobs.Go(func() error {
			s.sockets.Close(drain, reason)
			return nil
		})
		if err := h.Shutdown(drain); err != nil {
			s.log.WarnContext(ctx, "calls cut off", "error", err)
			failed = h.Close()
		}
		<-served
	}
	stop()
	left := make(chan error, 1)
	go func() {
		err := errors.Join(jobs.Wait(), s.Close())
		stopExport()
		left <- errors.Join(err, <-exported)
	}()
	select {
	case err := <-left:
		return errors.Join(failed, err)
	case <-late:
		return errors.Join(failed, ErrHung)
	}
}

// ErrHung is returned by a stop that could not wait for the database, Redis or the files.
// Acknowledged changes are safe; the lease of this node ends by itself.
var ErrHung = fmt.Errorf("server: stop not finished after %v: the database, Redis or the files do not respond", stopTime)

// Close closes the node. Serve calls it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	s.stop()
	s.sockets.Close(ctx, subscription.ServerStopping)
	return errors.Join(s.online.Close(ctx), s.streamed.Close(ctx), s.node.End(ctx), s.leaveLog(), s.auth.Close(), s.files.Close(), s.store.Close())
}
