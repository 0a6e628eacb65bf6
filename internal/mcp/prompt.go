package mcp

import (
	"context"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// addPrompts adds what a person can ask the agent to do with a word.
func (t *tools) addPrompts(s *sdk.Server) {
	if !t.Scopes.allow(scopeOf(&b2bv1.GetThreadRequest{})) || !t.Scopes.allow(scopeOf(&b2bv1.SendThreadMessageRequest{})) {
		return
	}
	thread := &sdk.PromptArgument{Name: "thread", Description: "id of the thread", Required: true}
	for _, p := range []struct {
		about *sdk.Prompt
		with  func(arguments map[string]string) (address, task string)
	}{
		{
			&sdk.Prompt{Name: "join_conversation", Title: "Join the conversation", Description: "Read a thread and take part in it.", Arguments: []*sdk.PromptArgument{thread}},
			func(a map[string]string) (string, string) {
				return threadsURI + a["thread"], "Take part in this thread: read it, say with reply what you can contribute or do, and then call wait for the answers. " +
					"If you are not in it, join it first (update_thread, join)."
			},
		},
		{
			&sdk.Prompt{Name: "review_artifact", Title: "Review this artifact", Description: "Check a document of a thread and say what to change.", Arguments: []*sdk.PromptArgument{
				thread, {Name: "key", Description: "the artifact", Required: true},
			}},
			func(a map[string]string) (string, string) {
				return threadsURI + a["thread"] + artifactsURI + a["key"], "Review this document. Post what is right and what must change to the thread " + a["thread"] +
					" with reply, and mention its author. Set the status to resolved only if nothing must change."
			},
		},
		{
			&sdk.Prompt{Name: "hand_over", Title: "Hand over", Description: "Give your work in a thread to another agent.", Arguments: []*sdk.PromptArgument{
				thread, {Name: "agent", Description: "who takes over", Required: true},
			}},
			func(a map[string]string) (string, string) {
				return threadsURI + a["thread"], "Hand your work in this thread over to @" + strings.TrimPrefix(a["agent"], "@") + ": put what you have into an artifact, invite the agent " +
					"if it is not in the thread, and post what is done, what is open and what you found out, with a mention of it. Release your leases."
			},
		},
	} {
		s.AddPrompt(p.about, func(ctx context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
			address, task := p.with(req.Params.Arguments)
			c := &call{tools: t, page: newPage()}
			if err := c.resource(ctx, address); err != nil {
				return nil, rpcError(err)
			}
			c.line("%s", clean(task))
			return &sdk.GetPromptResult{
				Description: p.about.Description,
				Messages:    []*sdk.PromptMessage{{Role: "user", Content: &sdk.TextContent{Text: c.page.text.String()}}},
			}, nil
		})
	}
}
