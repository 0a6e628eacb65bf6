package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/intake"
	"github.com/b2b-protocol/b2b/internal/mcp"
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/internal/rpc"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mcpBinding serves /mcp (B2B-MCP): it lets bots in, reads what they send within the limits of requests,
// and passes it to the server of MCP that has the tools of their scopes. The tools call this server as
// any client does, in the process.
type mcpBinding struct {
	edge     call.Edge
	pipeline *call.Pipeline
	intake   *intake.Budget
	log      *slog.Logger
	client   *b2b.Client
	stopping context.Context // ends when the server stops: requests that wait end
	next     http.Handler

	mu      sync.Mutex
	servers map[call.Scopes]*sdk.Server
}

// mcpElement is how much memory an element of a request takes beside its content, once it is decoded.
const mcpElement = 96

// newMCP returns the binding. self returns the handler of the server, for the calls of the tools.
func newMCP(stopping context.Context, edge call.Edge, pipeline *call.Pipeline, budget *intake.Budget, log *slog.Logger, self func() http.Handler) *mcpBinding {
	b := &mcpBinding{
		stopping: stopping, edge: edge, pipeline: pipeline, intake: budget, log: log, servers: map[call.Scopes]*sdk.Server{},
		client: b2b.New("http://b2b.internal"+edge.BasePath, b2b.WithHTTPClient(inProcess{self}), b2b.WithRetries(0)),
	}
	b.next = mcp.Handler(b.pick)
	return b
}

// ServeHTTP implements http.Handler.
func (b *mcpBinding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info := b.edge.Info(r, "mcp")
	info.Credentials.SessionID, info.Credentials.CrossSite = "", false // only a bearer token counts
	reservation := b.intake.Begin(info)
	defer reservation.End()
	body, err := b.admit(r, info, &reservation)
	if err != nil {
		b.pipeline.Refused(r.Context(), info, err)
		if e, ok := call.AsError(err); ok && e.Status() == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		_ = rest.WriteError(w, r, err) // an error means that the client is gone
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(b.stopping, cancel)() // its result says whether it was in time
	in := r.WithContext(call.WithInfo(within(ctx, r), info))
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	b.next.ServeHTTP(w, in)
}

// admit authenticates the caller, and then reads the body. It keeps no more memory than the body has,
// since a call may wait.
func (b *mcpBinding) admit(r *http.Request, info *call.Info, reservation *intake.Reservation) (body []byte, err error) {
	if err := b.pipeline.Identify(r.Context(), info); err != nil {
		return nil, err
	}
	if info.Caller.Kind != call.Bot {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "MCP is for bots")
	}
	buf := wire.GetBuffer()
	defer wire.PutBuffer(buf)
	buf.B, err = reservation.Read(r.Context(), buf.B, r.Body, r.ContentLength, rpc.MaxMessage)
	switch _, known := call.AsError(err); {
	case errors.Is(err, intake.ErrTooLarge):
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_PAYLOAD_TOO_LARGE, "The request is larger than %d bytes", rpc.MaxMessage)
	case known:
		return nil, err
	case err != nil:
		return nil, call.Invalid("body: could not be read to its end")
	case len(buf.B) == 0:
		return nil, nil // the handler says what it needs
	}
	elements, err := wire.CheckJSON(buf.B)
	if err != nil {
		return nil, call.Invalid("%s", err)
	}
	if err := reservation.Decode(r.Context()); err != nil {
		return nil, err
	}
	defer reservation.Decoded()
	if !json.Valid(buf.B) {
		return nil, call.Invalid("body: is not valid JSON")
	}
	return bytes.Clone(buf.B), reservation.Take(r.Context(), int64(elements)*mcpElement)
}

// pick returns the bot that calls, and the server that has its tools.
func (b *mcpBinding) pick(r *http.Request) (bot string, server *sdk.Server) {
	caller := call.CallerOf(r.Context())
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.servers[caller.Scopes]
	if !ok {
		s = mcp.New(mcp.Config{Client: b.client, Scopes: namesOf(caller.Scopes), Version: Version, Log: b.log})
		b.servers[caller.Scopes] = s
	}
	return caller.BotID, s
}

func namesOf(s call.Scopes) (names mcp.Scopes) {
	for _, name := range call.ScopeNames() {
		if s&call.ParseScopes([]string{name}) != 0 {
			names = append(names, name)
		}
	}
	return names
}
