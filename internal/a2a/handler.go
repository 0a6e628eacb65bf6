package a2a

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	usualWait = 50 * time.Second // of a SendMessage for an answer
	// keepAlive is how often a silent stream has a comment: some clients wait 5 seconds for anything.
	keepAlive = 4 * time.Second
)

// Config configures New.
type Config struct {
	Client *b2b.Client // makes the calls, as the bot of the request in the context
	Pushes Pushes      // nil: push notifications are not supported
	Log    *slog.Logger
	Wait   time.Duration // how long SendMessage waits for an answer; 0: 50 seconds
}

// Handler serves the agents of a server. It implements a2asrv.RequestHandler.
type Handler struct {
	client    *b2b.Client
	pushes    Pushes
	log       *slog.Logger
	wait      time.Duration
	rpc, rest http.Handler
}

// New returns a handler.
func New(c Config) *Handler {
	h := &Handler{client: c.Client, pushes: c.Pushes, log: c.Log, wait: c.Wait}
	if h.wait == 0 {
		h.wait = usualWait
	}
	// The library logs with the content of requests; the calls of the server are logged anyway.
	in := &a2asrv.InterceptedHandler{
		Handler: h, Interceptors: []a2asrv.CallInterceptor{version{}, refusals{}}, Logger: slog.New(slog.DiscardHandler),
	}
	options := []a2asrv.TransportOption{a2asrv.WithTransportKeepAlive(keepAlive), a2asrv.WithTransportPanicHandler(h.panicked)}
	h.rpc, h.rest = a2asrv.NewJSONRPCHandler(in, options...), a2asrv.NewRESTHandler(in, options...)
	return h
}

// panicked logs a panic and returns the error for the client.
func (h *Handler) panicked(v any) error {
	h.log.Error("panic in a request of A2A", "panic", v)
	return a2a.NewError(a2a.ErrInternalError, "internal server error")
}

// Request is a request to an agent, whose caller was authenticated and whose body was read and bounded.
type Request struct {
	Caller string // the id of the bot that calls
	Agent  string // the id of the bot that is called
	Base   string // the URL of the server, as the client sees it
	Path   string // what follows the id of the agent: "", "/message:send"
}

// Serve serves a request. JSON-RPC is at the URL of the agent itself, REST below it.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, req Request) error {
	c, err := h.caller(r.Context(), req)
	if err != nil {
		return err
	}
	ctx := context.WithValue(r.Context(), callerKey{}, c)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	file, ofFile := strings.CutPrefix(req.Path, "/files/")
	switch {
	case req.Path == a2asrv.WellKnownAgentCardPath && reads:
		return h.serveCard(w, r, c.bot, c.places)
	case req.Path == "" && r.Method == http.MethodPost:
		in, err := withParams(r)
		if err != nil {
			return err
		}
		h.rpc.ServeHTTP(&resultWriter{ResponseWriter: w, of: c}, in.WithContext(ctx))
		return nil
	case ofFile && reads && !strings.Contains(file, "/"):
		return h.serveFile(ctx, w, file)
	case !served(r.Method, req.Path):
		return ErrNoPath
	}
	in := r.WithContext(ctx)
	u := *r.URL
	u.Path, u.RawPath = req.Path, ""
	in.URL = &u
	h.rest.ServeHTTP(&statusWriter{ResponseWriter: w, of: c}, in)
	if c.empty {
		w.Header().Set("Content-Type", typeJSON)
		_, _ = io.WriteString(w, "{}") // an error means that the client is gone
	}
	return nil
}

// The errors of Serve: for a bot that is not there, or does not serve A2A, and for a path that there is
// not.
var (
	ErrNoAgent = errors.New("a2a: there is no such agent")
	ErrNoPath  = errors.New("a2a: there is no such path")
)

// caller finds the agent of a request.
func (h *Handler) caller(ctx context.Context, req Request) (*caller, error) {
	res, err := h.client.Bots.GetBot(ctx, &b2bv1.GetBotRequest{Id: req.Agent})
	if b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND {
		return nil, ErrNoAgent
	}
	if err != nil {
		return nil, err
	}
	bot := res.GetBot()
	if bot.GetId() != req.Agent || !Serves(bot) {
		return nil, ErrNoAgent
	}
	return &caller{places: places{base: req.Base, agent: bot.GetId()}, id: req.Caller, name: bot.GetName(), bot: bot}, nil
}

type callerKey struct{}

// callerOf returns the caller of a request; every request of the library comes through Serve.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// version rejects requests of other versions. A request without a version is of 0.3 (A2A 1.0, 3.6.2).
type version struct {
	a2asrv.PassthroughCallInterceptor
}

// Before implements a2asrv.CallInterceptor.
func (version) Before(ctx context.Context, c *a2asrv.CallContext, _ *a2asrv.Request) (context.Context, any, error) {
	sent, _ := c.ServiceParams().Get(a2a.SvcParamVersion)
	if len(sent) == 1 && supported(sent[0]) {
		return ctx, nil, nil
	}
	asked := strings.Join(sent, ", ")
	if asked == "" {
		asked = "0.3, as the header is missing"
	}
	return ctx, nil, a2a.NewError(a2a.ErrVersionNotSupported, fmt.Sprintf(
		"this agent speaks A2A %s, not %s: send the header A2A-Version: %[1]s", a2a.Version, clip(asked, mostID)))
}

// supported reports whether a version is 1.0, whose patch versions are alike.
func supported(text string) bool {
	text = strings.TrimSpace(text)
	return text == string(a2a.Version) || strings.HasPrefix(text, string(a2a.Version)+".")
}

func clip(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

// GetTask implements a2asrv.RequestHandler.
func (h *Handler) GetTask(ctx context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	history, err := historyOf(req.HistoryLength)
	if err != nil {
		return nil, err
	}
	return h.whole(ctx, callerOf(ctx), req.ID, history)
}

// CancelTask implements a2asrv.RequestHandler: it closes the thread.
func (h *Handler) CancelTask(ctx context.Context, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	c := callerOf(ctx)
	v, err := h.read(ctx, c, req.ID, 0)
	if err != nil {
		return nil, err
	}
	ended := a2a.NewError(a2a.ErrTaskNotCancelable, "the task has ended: "+string(v.task.Status.State))
	if v.task.Status.State.Terminal() {
		return nil, ended
	}
	if v.thread.GetStatus() == b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED { // from which a thread is not closed
		err = h.setStatus(ctx, v.thread, b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, nil)
	}
	if err == nil || b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION {
		err = h.setStatus(ctx, v.thread, b2bv1.ThreadStatus_THREAD_STATUS_CLOSED, b2bv1.CloseReason_CLOSE_REASON_MANUAL.Enum())
	}
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_DECISION_OPEN:
		return nil, a2a.NewError(a2a.ErrTaskNotCancelable,
			"the task waits for a decision of its org, which must be made or withdrawn first")
	case b2bv1.ErrorCode_ERROR_CODE_THREAD_CLOSED, b2bv1.ErrorCode_ERROR_CODE_THREAD_TERMINAL,
		b2bv1.ErrorCode_ERROR_CODE_INVALID_TRANSITION:
		return nil, ended // meanwhile
	}
	if err != nil {
		return nil, errorOf(err)
	}
	return h.whole(ctx, c, req.ID, mostHistory)
}

// GetExtendedAgentCard implements a2asrv.RequestHandler.
func (h *Handler) GetExtendedAgentCard(ctx context.Context, _ *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	c := callerOf(ctx)
	return cardOf(c.bot, c.places, h.pushes != nil), nil
}
