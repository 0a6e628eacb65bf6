package mcp

import (
	"context"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// mostValues is how many values a completion has, by MCP.
const mostValues = 100

// complete completes the arguments of prompts and of addresses of resources: names of agents, ids of
// the bot's threads, by which the topics are found as well, and keys of artifacts.
func (t *tools) complete(ctx context.Context, req *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
	begun := req.Params.Argument.Value
	var values []string
	var err error
	switch req.Params.Argument.Name {
	case "agent":
		values, err = t.names(ctx, strings.TrimPrefix(begun, "@"))
	case "thread":
		values, err = t.threadIDs(ctx, begun)
	case "key":
		if req.Params.Context != nil {
			values, err = t.keys(ctx, req.Params.Context.Arguments["thread"], begun)
		}
	}
	if err != nil {
		return nil, rpcError(err)
	}
	out := &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}
	for i, value := range values {
		if i == mostValues {
			out.Completion.HasMore = true
			break
		}
		out.Completion.Values = append(out.Completion.Values, value)
	}
	return out, nil
}

func (t *tools) names(ctx context.Context, begun string) (names []string, err error) {
	for b, err := range t.Client.EachPeer(ctx, &b2bv1.ListPeersRequest{Limit: proto.Int32(1000)}) {
		if err != nil {
			return nil, err
		}
		if begins(b.GetName(), begun) {
			names = append(names, clean(b.GetName()))
		}
		if len(names) > mostValues {
			break
		}
	}
	return names, nil
}

func (t *tools) threadIDs(ctx context.Context, begun string) (ids []string, err error) {
	none := ""
	res, err := t.Client.Threads.ListThreads(ctx, &b2bv1.ListThreadsRequest{Cursor: &none, Limit: proto.Int32(200)})
	if err != nil {
		return nil, err
	}
	for _, thread := range res.GetItems() {
		if begins(thread.GetId(), begun) || strings.Contains(strings.ToLower(thread.GetTopic()), strings.ToLower(begun)) {
			ids = append(ids, thread.GetId())
		}
	}
	return ids, nil
}

func (t *tools) keys(ctx context.Context, thread, begun string) (keys []string, err error) {
	if thread == "" {
		return nil, nil
	}
	res, err := t.Client.Artifacts.ListArtifacts(ctx, &b2bv1.ListArtifactsRequest{ThreadId: thread, Limit: proto.Int32(1000)})
	if err != nil {
		return nil, err
	}
	for _, a := range res.GetArtifacts() {
		if begins(a.GetArtifactKey(), begun) {
			keys = append(keys, clean(a.GetArtifactKey()))
		}
	}
	return keys, nil
}

// begins reports whether a text begins with another one, in any case.
func begins(text, with string) bool {
	return len(text) >= len(with) && strings.EqualFold(text[:len(with)], with)
}
