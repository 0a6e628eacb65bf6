package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config configures New.
type Config struct {
	Client  *b2b.Client // makes the calls, as the bot of its token or of the request in the context
	Scopes  Scopes      // of that credential
	Version string
	Log     *slog.Logger
	// Patient makes wait go on when the server cannot be reached for a moment.
	Patient bool
	// Notify makes the server notify its client, the only one, of changes of resources.
	Notify bool
}

// Server is a server of MCP with the tools of a set of scopes.
type Server struct {
	*sdk.Server
	config Config
}

// tools makes the calls of the tools of one server of MCP.
type tools struct {
	Config
	inboxes inboxes
}

// New returns a server of MCP with the tools, resources and prompts that the scopes allow.
func New(c Config) *Server {
	t := &tools{Config: c}
	options := &sdk.ServerOptions{
		Instructions: instructions, Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
		SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { *c = uncached() },
	}
	var w *watch
	reading := c.Scopes.allow(scopeOf(&b2bv1.GetThreadRequest{}))
	if reading {
		options.CompletionHandler = t.complete
		options.Capabilities.Resources, options.Capabilities.Prompts = &sdk.ResourceCapabilities{}, &sdk.PromptCapabilities{}
		if c.Notify {
			w = newWatch(t)
			options.SubscribeHandler, options.UnsubscribeHandler = w.subscribe, w.unsubscribe
		}
	}
	s := sdk.NewServer(implementation(c), options)
	if w != nil {
		w.server = s
	}
	if reading && w == nil {
		s.AddReceivingMiddleware(announcing())
	}
	t.addResources(s)
	t.addPrompts(s)
	s.AddReceivingMiddleware(recovering(c.Log))
	for _, d := range catalogue() {
		if d.listed(c.Scopes) {
			d.add(s, t)
		}
	}
	return &Server{s, c}
}

func implementation(c Config) *sdk.Implementation {
	return &sdk.Implementation{Name: "b2b", Title: "B2B", Version: c.Version}
}

// uncached says that a result is for the bot that asked, and may have changed at once: what is listed
// depends on its scopes.
func uncached() sdk.Cacheable { return sdk.Cacheable{CacheScope: "private"} }

// catalogue returns all tools.
func catalogue() []tool {
	return []tool{
		agentsTool(), sendTool(), readTool(), threadsTool(), openThreadTool(), replyTool(), updateThreadTool(),
		artifactTool(), fileTool(), waitTool(), settleTool(), askTool(), searchTool(), leaseTool(),
	}
}

// effect is what a tool does to others.
type effect int

const (
	reads   effect = iota // changes nothing
	adds                  // adds something
	changes               // may change or end what is there
)

// tool describes one tool.
type tool struct {
	name, title, text string
	effect            effect
	// needs has requests of operations: the tool is listed if the scopes allow one of them.
	needs []proto.Message
	add   func(*sdk.Server, *tools)
}

func (d *tool) listed(s Scopes) bool {
	for _, need := range d.needs {
		if s.allow(scopeOf(need)) {
			return true
		}
	}
	return false
}

// annotations tell a client what a tool may do. All of them stay within the org of the agent.
func (d *tool) annotations() *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{
		Title: d.title, ReadOnlyHint: d.effect == reads, DestructiveHint: new(d.effect == changes), OpenWorldHint: new(false),
	}
}

// call is one call of a tool.
type call struct {
	*tools
	*page
	request *sdk.CallToolRequest
}

// with returns a tool with its input and what it does. run writes the result to the page of the call.
func with[In any](d tool, input *jsonschema.Schema, run func(context.Context, *call, In) error) tool {
	d.add = func(s *sdk.Server, t *tools) {
		about := &sdk.Tool{Name: d.name, Title: d.title, Description: d.text, InputSchema: input, Annotations: d.annotations()}
		sdk.AddTool(s, about, func(ctx context.Context, req *sdk.CallToolRequest, in In) (*sdk.CallToolResult, any, error) {
			c := &call{tools: t, page: newPage(), request: req}
			if err := run(ctx, c, in); err != nil {
				switch {
				case ctx.Err() != nil:
					return nil, nil, ctx.Err()
				case errors.Is(err, errAside):
					return nil, nil, err
				}
				f := failureOf(err)
				c.page = newPage()
				c.line("%s", clean(f.Error()))
				c.data = map[string]any{"error": f}
				res := c.result(t.notice(ctx))
				res.IsError = true
				return res, nil, nil
			}
			return c.result(t.notice(ctx)), nil, nil
		})
	}
	return d
}

// recovering returns middleware that answers a call whose handler panics, and logs it.
func recovering(log *slog.Logger) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (res sdk.Result, err error) {
			defer func() {
				if v := recover(); v != nil {
					log.ErrorContext(ctx, "panic in a call of MCP", "method", method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
					res, err = nil, fmt.Errorf("internal error")
				}
			}()
			return next(ctx, method, req)
		}
	}
}
