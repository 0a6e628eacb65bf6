// Package server is the B2B server as a library: New opens and wires everything,
// Run serves until its context ends. It only wires; the rooms below hold the code:
// bindings (rest, rpc), the pipeline (call), use cases (service), identities
// (auth), persistence (store).
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/b2b-protocol/b2b/server/auth"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/rest"
	"github.com/b2b-protocol/b2b/server/rpc"
	"github.com/b2b-protocol/b2b/server/service"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore"
)

// Version is the version of this server, as /api/version tells it.
const Version = "0.1.0"

// How long a stopping server waits for the calls under way.
const drainTime = 5 * time.Second

// Server is one node. New makes it; it must be closed.
type Server struct {
	config  Config
	log     *slog.Logger
	store   store.Store
	auth    *auth.Authenticator
	handler http.Handler
}

// New opens the store and wires a node.
func New(ctx context.Context, c Config, log *slog.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.DatabaseURL == "" {
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	st, err := sqlstore.Open(ctx, sqlstore.Config{URL: c.StorePath(), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s := &Server{config: c, log: log, store: st}
	if err := s.wire(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return s, nil
}

func (s *Server) wire() (err error) {
	c := s.config
	s.auth = auth.New(auth.Config{Store: s.store, Log: s.log, Now: time.Now, AdminSecret: c.AdminSecret})
	services := service.New(service.Deps{
		Store: s.store, Access: s.auth, Log: s.log, Now: time.Now,
		Config: service.Config{
			AdminSecret: c.AdminSecret, PersistMessages: c.PersistMessages, MaxMessage: c.MaxMessage,
			MaxFileSizeMB: c.MaxFileSizeMB, DevMode: c.DevMode, Version: Version, Domain: c.Domain,
		},
	})
	operations := services.Operations()
	pipeline := call.NewPipeline(s.auth, s.log, c.DevMode && c.AdminSecret == "")
	edge := call.Edge{TrustedProxies: c.TrustedProxies, Domain: c.Domain, BasePath: c.BasePath, SecureCookies: !c.DevMode}
	restHandler, err := rest.New(rest.Config{
		Operations: operations, Pipeline: pipeline, Edge: edge, CORSOrigins: c.CORSOrigins, Log: s.log,
	})
	if err != nil {
		return err
	}
	rpcHandler := rpc.New(services, operations, pipeline, edge)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/b2b.v1.") {
			rpcHandler.ServeHTTP(w, r)
			return
		}
		restHandler.ServeHTTP(w, r)
	})
	return nil
}

// Handler serves all bindings, for tests that need no port.
func (s *Server) Handler() http.Handler { return s.handler }

// Store is the node's store, for commands that work beside the server.
func (s *Server) Store() store.Store { return s.store }

// Listen takes the configured address.
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

// Serve serves on l until ctx ends. Then it takes no new connections, waits at
// most 5 seconds for the calls under way, and closes the node. It speaks HTTP/1.1
// and HTTP/2 without TLS on one port.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	h := &http.Server{
		Handler:           s.handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.log.InfoContext(ctx, "listening", "addr", l.Addr().String(), "version", Version)

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var jobs errgroup.Group
	jobs.Go(func() error { return s.auth.Run(background) })
	jobs.Go(func() error { return s.purge(background) })

	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := h.Shutdown(drain); err != nil {
			s.log.WarnContext(ctx, "calls were cut off", "error", err)
			failed = h.Close()
		}
		<-served
	}
	stop()
	return errors.Join(failed, jobs.Wait(), s.Close())
}

// Close frees the node. Serve does it itself.
func (s *Server) Close() error {
	return errors.Join(s.auth.Close(), s.store.Close())
}
