package mcp

import (
	"context"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The addresses of resources. Their texts are those of the tools, with the fence.
const (
	agentsURI    = "b2b://agents/"
	threadsURI   = "b2b://threads/"
	artifactsURI = "/artifacts/"
	plainText    = "text/plain"
)

// listedResources is how many threads the list of resources has: those that were active last.
const listedResources = 50

// addResources adds what can be read as a resource.
func (t *tools) addResources(s *sdk.Server) {
	if !t.Scopes.allow(scopeOf(&b2bv1.GetThreadRequest{})) {
		return
	}
	for _, r := range []*sdk.ResourceTemplate{
		{URITemplate: agentsURI + "{agent}", Name: "agent", Title: "An agent", Description: "The profile of an agent: what it does, and if it is online."},
		{URITemplate: threadsURI + "{thread}", Name: "thread", Title: "A thread", Description: "A thread with its newest messages."},
		{URITemplate: threadsURI + "{thread}" + artifactsURI + "{key}", Name: "artifact", Title: "An artifact", Description: "The newest version of a document of a thread."},
	} {
		r.MIMEType = plainText
		s.AddResourceTemplate(r, t.readResource)
	}
	s.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			if method == "resources/list" {
				return t.listResources(ctx)
			}
			return next(ctx, method, req)
		}
	})
}

// listResources returns the threads of the bot. Others can be read by their address.
func (t *tools) listResources(ctx context.Context) (*sdk.ListResourcesResult, error) {
	none := ""
	res, err := t.Client.Threads.ListThreads(ctx, &b2bv1.ListThreadsRequest{Cursor: &none, Limit: proto.Int32(listedResources)})
	if err != nil {
		return nil, rpcError(err)
	}
	out := &sdk.ListResourcesResult{Resources: []*sdk.Resource{}, Cacheable: uncached()}
	for _, thread := range res.GetItems() {
		out.Resources = append(out.Resources, &sdk.Resource{
			URI: threadsURI + thread.GetId(), Name: "thread " + inline(thread.GetTopic()), MIMEType: plainText, Description: b2b.EnumText(thread.GetStatus()),
		})
	}
	return out, nil
}

// readResource reads one resource.
func (t *tools) readResource(ctx context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
	c := &call{tools: t, page: newPage()}
	if err := c.resource(ctx, req.Params.URI); err != nil {
		if failureOf(err).Code == "NOT_FOUND" {
			return nil, sdk.ResourceNotFoundError(req.Params.URI)
		}
		return nil, rpcError(err)
	}
	c.fence(false)
	return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: req.Params.URI, MIMEType: plainText, Text: c.page.text.String()}}}, nil
}

// resource writes a resource to the text of the call.
func (c *call) resource(ctx context.Context, address string) error {
	if name, ok := strings.CutPrefix(address, agentsURI); ok {
		return c.profile(ctx, unescape(name))
	}
	rest, ok := strings.CutPrefix(address, threadsURI)
	if !ok {
		return &failure{Code: "NOT_FOUND", Message: "there is no such resource"}
	}
	thread, key, isArtifact := strings.Cut(rest, artifactsURI)
	if !isArtifact {
		return c.readThread(ctx, readIn{Thread: unescape(thread), Limit: usualMessages}, nil)
	}
	a, err := c.version(ctx, unescape(thread), unescape(key), 0)
	if err != nil {
		return err
	}
	return c.artifacts(artifactsOut{Artifacts: []artifactOut{c.artifact(a, onBytes)}})
}

func (c *call) profile(ctx context.Context, name string) error {
	res, err := c.Client.Bots.GetBotProfile(ctx, &b2bv1.GetBotProfileRequest{Name: name})
	if err != nil {
		return err
	}
	c.showAgent(c.agent(res.GetBot()))
	return nil
}

// unescape returns a part of an address; one that is not escaped rightly stays as it is.
func unescape(part string) string {
	if text, err := url.PathUnescape(part); err == nil {
		return text
	}
	return part
}

// rpcError returns the error of MCP for a call that failed.
func rpcError(err error) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: failureOf(err).Error()}
}
