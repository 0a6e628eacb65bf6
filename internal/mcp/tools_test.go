package mcp

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// connected returns a client of the tools of some scopes. Calls of the server fail.
func connected(t *testing.T, scopes Scopes) *sdk.ClientSession {
	t.Helper()
	s := New(Config{Client: b2b.New("http://127.0.0.1:1", b2b.WithRetries(0)), Scopes: scopes, Version: "1", Log: slog.New(slog.DiscardHandler)})
	ours, theirs := sdk.NewInMemoryTransports()
	served, err := s.Connect(t.Context(), ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if err := served.Wait(); err != nil {
			t.Error(err)
		}
	})
	return session
}

func listed(t *testing.T, scopes Scopes) []*sdk.Tool {
	t.Helper()
	res, err := connected(t, scopes).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.Tools
}

// The list of tools is in the context of every agent, all the time: it has at most 14 tools, and a
// fourth of its characters, which is about its tokens, is less than 4,000.
func TestToolsAreFewAndShort(t *testing.T) {
	t.Parallel()
	tools, characters := listed(t, Scopes{Full}), 0
	for _, tool := range tools {
		schema, err := json.Marshal(tool.InputSchema)
		if err != nil {
			t.Fatal(err)
		}
		n := len(tool.Name) + len(tool.Description) + len(schema)
		t.Logf("%-14s %5d characters", tool.Name, n)
		characters += n
		if first, _, ok := strings.Cut(tool.Description, ". "); !ok && !strings.HasSuffix(tool.Description, ".") || len(first) > 200 {
			t.Errorf("%s: the first sentence must say it all, briefly: %q", tool.Name, first)
		}
	}
	if len(tools) > 14 || characters >= 4*4000 {
		t.Errorf("%d tools with %d tokens", len(tools), characters/4)
	}
	t.Logf("%d tools, %d characters: about %d tokens", len(tools), characters, characters/4)
	if len(instructions) > 1200 {
		t.Errorf("the instructions have %d characters", len(instructions))
	}
}

func TestScopesDecideWhichToolsThereAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scopes Scopes
		want   string
	}{
		{Scopes{"read"}, "agents artifact file read search threads"},
		{Scopes{"message"}, "ask file send settle wait"},
		{Scopes{"thread"}, "artifact ask file lease open_thread reply settle update_thread wait"},
		{Scopes{"profile"}, ""},
		{nil, ""},
	} {
		var names []string
		if c.want == "" { // then the capability is there, and the list is empty
			names = nil
		}
		for _, tool := range listed(t, c.scopes) {
			names = append(names, tool.Name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.scopes, got, c.want)
		}
	}
}

// The schemas have the limits of the API, allow no other arguments, and describe what is not plain.
func TestSchemasHaveTheLimitsOfTheAPI(t *testing.T) {
	t.Parallel()
	schemas := map[string]*jsonschema.Schema{}
	for _, tool := range listed(t, Scopes{Full}) {
		text, err := json.Marshal(tool.InputSchema)
		if err != nil {
			t.Fatal(err)
		}
		s := &jsonschema.Schema{}
		if err := json.Unmarshal(text, s); err != nil {
			t.Fatal(err)
		}
		schemas[tool.Name] = s
		if s.AdditionalProperties == nil || s.AdditionalProperties.Not == nil {
			t.Errorf("%s allows other arguments", tool.Name)
		}
		for name, p := range s.Properties {
			if len(p.Types) > 0 || p.Type == "" {
				t.Errorf("%s: %s has the types %v", tool.Name, name, p.Types)
			}
		}
		if tool.Annotations == nil || tool.Annotations.OpenWorldHint == nil || *tool.Annotations.OpenWorldHint {
			t.Errorf("%s: annotations %+v", tool.Name, tool.Annotations)
		}
		reading := slices.Contains([]string{"agents", "read", "threads", "search"}, tool.Name)
		if tool.Annotations.ReadOnlyHint != reading {
			t.Errorf("%s: readOnlyHint is %v", tool.Name, tool.Annotations.ReadOnlyHint)
		}
	}
	open := schemas["open_thread"].Properties
	if *open["topic"].MaxLength != 512 || *open["topic"].MinLength != 1 || *open["tags"].MaxItems != 10 || *open["participants"].MaxItems != 1000 {
		t.Errorf("open_thread: topic %+v, tags %+v", open["topic"], open["tags"])
	}
	if got := schemas["update_thread"].Properties["status"].Enum; !reflect.DeepEqual(got, []any{"active", "blocked", "reviewing", "resolved", "closed"}) {
		t.Errorf("update_thread: status is one of %v", got)
	}
	if s := schemas["lease"].Properties["ttl_s"]; *s.Minimum != 1 || *s.Maximum != 86400 {
		t.Errorf("lease: ttl_s from %v to %v", *s.Minimum, *s.Maximum)
	}
	if s := schemas["read"].Properties["limit"]; *s.Minimum != 1 || *s.Maximum != 200 {
		t.Errorf("read: limit from %v to %v", *s.Minimum, *s.Maximum)
	}
	if got := schemas["search"].Properties["kinds"].Items.Enum; len(got) != 5 {
		t.Errorf("search: kinds are %v", got)
	}
}

// A server that cannot be reached is a result of the tool, not an error of MCP.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	res, err := connected(t, Scopes{"read"}).CallTool(t.Context(), &sdk.CallToolParams{Name: "agents"})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := res.Content[0].(*sdk.TextContent)
	if !ok || !res.IsError || !strings.HasPrefix(text.Text, "UNREACHABLE: ") {
		t.Errorf("the result is %+v", res.Content[0])
	}
}
