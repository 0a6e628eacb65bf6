package server

import (
	"context"
	"net/http"

	"github.com/b2b-protocol/b2b/internal/admin"
	"github.com/b2b-protocol/b2b/internal/concurrency"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/metrics"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// newMetrics returns the metrics of a server with an admin listener, else nil: then nothing is
// measured.
func newMetrics(c Config) *metrics.Metrics {
	if c.AdminListen == "" {
		return nil
	}
	database := "postgresql"
	if c.Embedded() {
		database = "sqlite"
	}
	return metrics.New(metrics.Build{Version: Version, Database: database})
}

// watch makes scrapes read the parts of the server.
func (s *Server) watch(bodies *intake.Budget, responses *intake.Answers, limiter *concurrency.Limiter) {
	if s.metrics == nil {
		return
	}
	file := ""
	if s.config.Embedded() {
		file = s.config.StorePath()
	}
	s.metrics.Read(metrics.Sources{
		Store: s.store, Hub: s.hub, Sockets: s.sockets, Webhooks: s.hooks, Bodies: bodies, Responses: responses, Limiter: limiter,
		Auth: s.auth, Node: s.node, Listener: s.connections, Disk: func() metrics.Disk { return metrics.ReadDisk(s.config.DataDir, file) },
	})
}

// connections returns the numbers of the public listener.
func (s *Server) connections() edge.Stats {
	if l := s.public.Load(); l != nil {
		return l.Stats()
	}
	return edge.Stats{}
}

// listenAdmin opens the admin listener; nil if there is none.
func (s *Server) listenAdmin(ctx context.Context) (*admin.Server, error) {
	if s.metrics == nil {
		return nil, nil
	}
	return admin.Listen(ctx, admin.Config{
		Addr: s.config.AdminListen, Token: s.config.AdminListenToken, Metrics: s.metrics.Handler(s.log), Health: s.health, Log: s.log,
	})
}

// health returns the handler of /health on the admin listener. It is that of the public one, for
// anybody.
func health(server b2bv1connect.ServerServiceHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := server.GetHealth(r.Context(), &b2bv1.GetHealthRequest{})
		var body []byte
		if err == nil {
			body, err = wire.Append(nil, out)
		}
		if err != nil {
			http.Error(w, "The health cannot be read.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if out.GetStatus() != b2bv1.HealthStatus_HEALTH_STATUS_OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n')) // an error means that the client is gone
	})
}
