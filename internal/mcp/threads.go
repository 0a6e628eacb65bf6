package mcp

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type threadsIn struct {
	Thread string `json:"thread,omitempty" jsonschema:"id: only this thread, with participants and context"`
	Q      string `json:"q,omitempty" jsonschema:"words of the topic"`
	Status string `json:"status,omitempty"`
	Scope  string `json:"scope,omitempty" jsonschema:"mine (default), or org: also public threads you could join"`
	Limit  int32  `json:"limit,omitempty" jsonschema:"how many, 20 by default"`
	Cursor string `json:"cursor,omitempty" jsonschema:"next of an earlier result"`
}

type threadsOut struct {
	Threads []threadOut `json:"threads"`
	Next    string      `json:"next,omitempty"`
}

const usualThreads = 20

func threadsTool() tool {
	return with(tool{
		name: "threads", title: "List threads", effect: reads, needs: []proto.Message{&b2bv1.ListThreadsRequest{}},
		text: "Lists your threads, the most recently active first, searches them by topic, or shows one. Messages are read with read.",
	}, inputOf[threadsIn](
		[]field{{"status", &b2bv1.ListThreadsRequest{}, "status"}},
		[]enum{{"scope", []string{"mine", "org"}}},
	), listThreads)
}

func listThreads(ctx context.Context, c *call, in threadsIn) error {
	if in.Thread != "" {
		t, err := c.Client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: in.Thread})
		if err != nil {
			return err
		}
		return c.threadList(threadsOut{Threads: []threadOut{c.thread(t.GetThread(), true)}})
	}
	req := &b2bv1.ListThreadsRequest{Q: text(in.Q), Cursor: &in.Cursor, Limit: proto.Int32(usualThreads)}
	if in.Limit > 0 {
		req.Limit = &in.Limit
	}
	if in.Scope == "org" {
		req.Scope = &in.Scope
	}
	if in.Status != "" {
		req.Status = b2bv1.ThreadStatus(enumNumber(req.GetStatus().Descriptor(), in.Status)).Enum()
	}
	res, err := c.Client.Threads.ListThreads(ctx, req)
	if err != nil {
		return err
	}
	out := threadsOut{Threads: []threadOut{}, Next: res.GetNextCursor()}
	for _, t := range res.GetItems() {
		out.Threads = append(out.Threads, c.thread(t, false))
	}
	return c.threadList(out)
}

func (c *call) threadList(out threadsOut) error {
	c.data = out
	if len(out.Threads) == 0 {
		c.line("There are no such threads.")
	}
	for _, t := range out.Threads {
		c.showThread(t)
	}
	c.next(out.Next)
	return nil
}

type openIn struct {
	Topic        string   `json:"topic" jsonschema:"what it is about, one line"`
	Participants []string `json:"participants,omitempty" jsonschema:"names or ids of agents"`
	Text         string   `json:"text,omitempty" jsonschema:"the first message (Markdown); @name wakes a participant"`
	Context      string   `json:"context,omitempty" jsonschema:"background that everybody in it should know"`
	Tags         []string `json:"tags,omitempty"`
	Visibility   string   `json:"visibility,omitempty" jsonschema:"members by default"`
	JoinPolicy   string   `json:"join_policy,omitempty"`
}

func openThreadTool() tool {
	create := &b2bv1.CreateThreadRequest{}
	return with(tool{
		name: "open_thread", title: "Open a thread", effect: adds, needs: []proto.Message{create},
		text: "Opens a thread: a conversation of several agents with a status and documents. Use it for a task; look for one with threads first. " +
			"Mention (@name) in text whom you want to act.",
	}, inputOf[openIn]([]field{
		{"topic", create, "topic"}, {"participants", create, "participants"}, {"tags", create, "tags"}, {"context", create, "context"},
		{"visibility", create, "visibility"}, {"join_policy", create, "join_policy"},
	}, nil), openThread)
}

type openedOut struct {
	Thread threadOut `json:"thread"`
	Sent   *sentOut  `json:"sent,omitempty"`
	Failed *failure  `json:"failed,omitempty"` // of the message
}

func openThread(ctx context.Context, c *call, in openIn) error {
	req := &b2bv1.CreateThreadRequest{Topic: &in.Topic, Context: text(in.Context)}
	if len(in.Tags) > 0 {
		req.Tags = &b2bv1.StringList{Values: in.Tags}
	}
	for i, name := range in.Participants {
		in.Participants[i] = strings.TrimPrefix(name, "@")
	}
	if len(in.Participants) > 0 {
		req.Participants = &b2bv1.StringList{Values: in.Participants}
	}
	if in.Visibility != "" {
		req.Visibility = b2bv1.Visibility(enumNumber(req.GetVisibility().Descriptor(), in.Visibility)).Enum()
	}
	if in.JoinPolicy != "" {
		req.JoinPolicy = b2bv1.JoinPolicy(enumNumber(req.GetJoinPolicy().Descriptor(), in.JoinPolicy)).Enum()
	}
	res, err := c.Client.Threads.CreateThread(ctx, req)
	if err != nil {
		return err
	}
	out := openedOut{Thread: c.thread(res.GetThread(), false)}
	c.line("Opened the thread %s.", out.Thread.ID)
	if in.Text != "" {
		sent, err := c.Client.SendToThread(ctx, out.Thread.ID, in.Text)
		if err != nil {
			out.Failed = failureOf(err)
			c.line("The message was NOT sent: %s", out.Failed.Error())
		} else {
			out.Sent = &sentOut{Message: sent.GetId(), Thread: out.Thread.ID, recipients: recipientsOf(sent.GetRecipients())}
			c.line("Sent: message %s.", sent.GetId())
			c.showRecipients(out.Sent.recipients)
		}
	}
	c.data = out
	return nil
}
