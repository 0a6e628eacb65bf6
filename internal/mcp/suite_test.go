//go:build agents

package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// TestSuite runs MCP's own conformance suite against the handler, with the tools, resources and prompts
// that the suite calls beside ours. B2B_MCP_SUITE is the command of the suite, to which the URL is added.
func TestSuite(t *testing.T) {
	// Not parallel: the suite measures time.
	command := strings.Fields(os.Getenv("B2B_MCP_SUITE"))
	if len(command) == 0 {
		t.Fatal("B2B_MCP_SUITE is not set: make test-agents sets it")
	}
	s := New(Config{Client: b2b.New("http://127.0.0.1:1", b2b.WithRetries(0)), Scopes: Scopes{Full}, Version: "1", Log: slog.New(slog.DiscardHandler)})
	addFixtures(s.Server)
	served := httptest.NewServer(Handler(func(*http.Request) (string, *Server) { return "bot", s }, nil))
	defer served.Close()
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], "--url", served.URL+"/mcp")...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// suiteBytes stand for an image and for audio.
var suiteBytes = []byte("\x89PNG\r\n\x1a\n")

// addFixtures adds what the suite calls by its names.
func addFixtures(s *sdk.Server) {
	image := &sdk.ImageContent{Data: suiteBytes, MIMEType: "image/png"}
	embedded := func(uri, kind, text string) sdk.Content {
		return &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: uri, MIMEType: kind, Text: text}}
	}
	for name, content := range map[string][]sdk.Content{
		"test_simple_text":       {&sdk.TextContent{Text: "This is a simple text response for testing."}},
		"test_image_content":     {image},
		"test_audio_content":     {&sdk.AudioContent{Data: suiteBytes, MIMEType: "audio/wav"}},
		"test_embedded_resource": {embedded("test://embedded-resource", plainText, "This is an embedded resource content.")},
		"test_multiple_content_types": {
			&sdk.TextContent{Text: "Multiple content types test:"}, image,
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`),
		},
	} {
		addFixture(s, name, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			return &sdk.CallToolResult{Content: content}, nil
		})
	}
	addFixture(s, "test_error_handling", func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		res := &sdk.CallToolResult{}
		res.SetError(errors.New("This tool intentionally returns an error for testing"))
		return res, nil
	})
	addFixture(s, "test_tool_with_progress", func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		for _, progress := range []float64{0, 50, 100} {
			if err := req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
				ProgressToken: req.Params.GetProgressToken(), Progress: progress, Total: 100,
			}); err != nil {
				return nil, err
			}
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "done"}}}, nil
	})
	addFixtureResources(s)
	addFixturePrompts(s, image)
	s.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			if method == "resources/list" { // ours asks a server
				return &sdk.ListResourcesResult{Resources: []*sdk.Resource{{URI: "test://static-text", Name: "text"}}, Cacheable: uncached()}, nil
			}
			return next(ctx, method, req)
		}
	})
}

func addFixture(s *sdk.Server, name string, handle sdk.ToolHandler) {
	s.AddTool(&sdk.Tool{Name: name, Description: "For the suite.", InputSchema: &jsonschema.Schema{Type: "object"}}, handle)
}

func addFixtureResources(s *sdk.Server) {
	add := func(uri, kind string, contents func(uri string) *sdk.ResourceContents) {
		handle := func(_ context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
			return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{contents(req.Params.URI)}}, nil
		}
		if strings.Contains(uri, "{") {
			s.AddResourceTemplate(&sdk.ResourceTemplate{URITemplate: uri, Name: uri, MIMEType: kind}, handle)
			return
		}
		s.AddResource(&sdk.Resource{URI: uri, Name: uri, MIMEType: kind}, handle)
	}
	add("test://static-text", plainText, func(string) *sdk.ResourceContents {
		return &sdk.ResourceContents{Text: "This is the content of the static text resource."}
	})
	add("test://static-binary", "image/png", func(string) *sdk.ResourceContents { return &sdk.ResourceContents{Blob: suiteBytes} })
	add("test://template/{id}/data", "application/json", func(uri string) *sdk.ResourceContents {
		id := strings.TrimSuffix(strings.TrimPrefix(uri, "test://template/"), "/data")
		return &sdk.ResourceContents{Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id)}
	})
}

func addFixturePrompts(s *sdk.Server, image sdk.Content) {
	text := func(text string) sdk.Content { return &sdk.TextContent{Text: text} }
	for name, p := range map[string]struct {
		arguments []string
		contents  func(arguments map[string]string) []sdk.Content
	}{
		"test_simple_prompt": {nil, func(map[string]string) []sdk.Content {
			return []sdk.Content{text("This is a simple prompt for testing.")}
		}},
		"test_prompt_with_arguments": {[]string{"arg1", "arg2"}, func(a map[string]string) []sdk.Content {
			return []sdk.Content{text(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", a["arg1"], a["arg2"]))}
		}},
		"test_prompt_with_embedded_resource": {[]string{"resourceUri"}, func(a map[string]string) []sdk.Content {
			return []sdk.Content{
				&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: a["resourceUri"], MIMEType: plainText, Text: "Embedded resource content for testing."}},
				text("Please process the embedded resource above."),
			}
		}},
		"test_prompt_with_image": {nil, func(map[string]string) []sdk.Content {
			return []sdk.Content{image, text("Please analyze the image above.")}
		}},
	} {
		about := &sdk.Prompt{Name: name, Description: "For the suite."}
		for _, argument := range p.arguments {
			about.Arguments = append(about.Arguments, &sdk.PromptArgument{Name: argument, Description: "For the suite.", Required: true})
		}
		s.AddPrompt(about, func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			res := &sdk.GetPromptResult{}
			for _, content := range p.contents(req.Params.Arguments) {
				res.Messages = append(res.Messages, &sdk.PromptMessage{Role: "user", Content: content})
			}
			return res, nil
		})
	}
}
