package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/b2b-protocol/b2b/api"
	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tally"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// serverName is the name of the protocol that existing clients check.
const serverName = "hxa-connect"

// profiles returns the profiles of SPEC.md that this server has (B2B-SRV-011).
func (c *Config) profiles() []string {
	names := []string{"core", "files", "webhooks", "inbox", "decisions", "leases", "loop-guard", "search"}
	if c.MCP {
		names = append(names, "mcp")
	}
	if c.A2A {
		names = append(names, "a2a")
	}
	return names
}

const (
	statsLife  = time.Minute // how long counts are cached
	activeSpan = 24 * time.Hour
	pingTime   = 2 * time.Second
)

// guide is the text of /skill.md; {{BASE}} stands for the address of the server.
//
//go:embed skill.md
var guide string

// serverService serves health, version, statistics and documents of the server.
type serverService struct {
	*core
	reads    serverReads
	openAPI  []byte
	failures *tally.Log
	mu       sync.Mutex
	stats    *b2bv1.GetStatsResponse
	counted  time.Time
}

// serverReads is what serverService reads of the store.
type serverReads interface {
	PlatformStats(ctx context.Context, activeSince int64) (store.PlatformStats, error)
	Ping(ctx context.Context) error
}

func newServerService(c *core, reads serverReads) *serverService {
	return &serverService{core: c, reads: reads, openAPI: openAPI(c.Config.BasePath), failures: tally.New(c.Log, "the database failed its health check")}
}

// openAPI returns the OpenAPI document of the REST binding below a base path.
func openAPI(basePath string) []byte {
	if basePath == "" {
		return api.OpenAPI()
	}
	return bytes.Replace(api.OpenAPI(), []byte(`"url": "/"`), []byte(`"url": `+strconv.Quote(basePath)), 1)
}

func (s *serverService) GetOpenApi(context.Context, *b2bv1.GetOpenApiRequest) (*b2bv1.GetOpenApiResponse, error) {
	return &b2bv1.GetOpenApiResponse{Document: &httpbody.HttpBody{
		ContentType: "application/json; charset=utf-8", Data: s.openAPI,
	}}, nil
}

func (s *serverService) GetHealth(ctx context.Context, _ *b2bv1.GetHealthRequest) (*b2bv1.GetHealthResponse, error) {
	out := &b2bv1.GetHealthResponse{
		Status: b2bv1.HealthStatus_HEALTH_STATUS_OK, Db: b2bv1.DatabaseStatus_DATABASE_STATUS_OK,
		UptimeMs: s.Now().Sub(s.started).Milliseconds(),
	}
	pinging, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	failed := s.reads.Ping(pinging)
	if failed != nil {
		s.failures.Count("health", "error", failed) // a monitor may ask often
		out.Status, out.Db = b2bv1.HealthStatus_HEALTH_STATUS_DEGRADED, b2bv1.DatabaseStatus_DATABASE_STATUS_ERROR
	}
	if s.Sockets != nil {
		clients, bots := s.Sockets.Connections()
		out.ConnectedClients, out.ConnectedBots = int32(clients), int32(bots)
	}
	if !s.operator(ctx) {
		return out, nil
	}
	if failed != nil {
		reason := failed.Error()
		out.Reason = &reason
	}
	switch {
	case s.Sockets != nil:
		out.Ws = s.Sockets.Stats()
	default:
		out.Ws = &b2bv1.ConnectionStats{
			ByType: &b2bv1.ConnectionsByType{}, ByAge: &b2bv1.ConnectionsByAge{}, WsMetrics: &b2bv1.ConnectionMetrics{},
		}
	}
	return out, nil
}

// operator reports whether the caller sent the admin secret as its bearer token. Only /health
// accepts it so; a session of a super admin does not count here. A wrong secret counts as a failed
// login of its own kind. So /health helps to guess the secret no more than the login does, and
// nobody can lock the operator out of the login with requests to /health (B2B-SRV-010). Bots'
// tokens are not compared, since a client that sends its token to every address guesses nothing.
func (s *serverService) operator(ctx context.Context) bool {
	info := call.From(ctx)
	sent := info.Credentials.Bearer
	if sent == "" || s.Config.AdminSecret == "" || auth.IsBotToken(sent) {
		return false
	}
	attempts := attempts(ctx, "health", "")
	wait, err := s.Throttle.Wait(ctx, attempts)
	if err != nil || wait > 0 {
		return false
	}
	if s.isAdminSecret(sent) {
		err = s.Throttle.Passed(ctx, attempts)
	} else if _, err = s.Throttle.Failed(ctx, attempts); err == nil {
		s.Log.WarnContext(ctx, "wrong admin secret", "at", "health", "address", info.RemoteIP)
		return false
	}
	return err == nil
}

// isAdminSecret reports whether a text is the admin secret. Its time does not depend on where the
// texts differ or on their lengths.
func (c *core) isAdminSecret(text string) bool {
	sent, want := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(c.Config.AdminSecret))
	return subtle.ConstantTimeCompare(sent[:], want[:]) == 1
}

func (s *serverService) GetApiHealth(context.Context, *b2bv1.GetApiHealthRequest) (*b2bv1.GetApiHealthResponse, error) {
	return &b2bv1.GetApiHealthResponse{Ok: true, Server: serverName, Version: s.Config.Version}, nil
}

func (s *serverService) GetSystemPresence(context.Context, *b2bv1.GetSystemPresenceRequest) (*b2bv1.GetSystemPresenceResponse, error) {
	return &b2bv1.GetSystemPresenceResponse{Online: true, PresenceTs: s.nowMS(), Note: "GET /api/bots lists the bots of your org"}, nil
}

func (s *serverService) GetConfig(context.Context, *b2bv1.GetConfigRequest) (*b2bv1.GetConfigResponse, error) {
	return &b2bv1.GetConfigResponse{
		Server: serverName, Version: s.Config.Version, Env: "production", Scopes: call.ScopeNames(),
	}, nil
}

func (s *serverService) GetVersion(context.Context, *b2bv1.GetVersionRequest) (*b2bv1.GetVersionResponse, error) {
	return &b2bv1.GetVersionResponse{Version: s.Config.Version, Server: serverName, Profiles: s.Config.profiles()}, nil
}

// GetStats counts at most once a minute. Concurrent calls wait for the same count.
func (s *serverService) GetStats(ctx context.Context, _ *b2bv1.GetStatsRequest) (*b2bv1.GetStatsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if s.stats != nil && now.Sub(s.counted) < statsLife {
		return s.stats, nil
	}
	counts, err := s.reads.PlatformStats(ctx, now.Add(-activeSpan).UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("count orgs, bots and messages: %w", err)
	}
	s.counted = now
	s.stats = &b2bv1.GetStatsResponse{
		OrgCount: counts.OrgCount, BotCount: counts.BotCount, OnlineBotCount: counts.OnlineBotCount,
		ThreadCount: counts.ThreadCount, MessageCount: counts.MessageCount, ActiveThreadCount: counts.ActiveThreadCount,
	}
	return s.stats, nil
}

func (s *serverService) GetSkill(ctx context.Context, _ *b2bv1.GetSkillRequest) (*b2bv1.GetSkillResponse, error) {
	base := call.From(ctx).BaseURL
	if base == "" {
		base = "https://" + s.Config.Domain
	}
	return &b2bv1.GetSkillResponse{Guide: &httpbody.HttpBody{
		ContentType: "text/markdown; charset=utf-8", Data: []byte(strings.ReplaceAll(guide, "{{BASE}}", base)),
	}}, nil
}
