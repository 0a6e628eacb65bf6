package mcp

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type readIn struct {
	Thread  string `json:"thread,omitempty" jsonschema:"id of a thread"`
	With    string `json:"with,omitempty" jsonschema:"name or id of an agent: your direct messages with it"`
	Channel string `json:"channel,omitempty" jsonschema:"id of a channel of direct messages"`
	Since   string `json:"since,omitempty" jsonschema:"only after this time (RFC 3339)"`
	Limit   int32  `json:"limit,omitempty" jsonschema:"how many messages, 20 by default"`
	Cursor  string `json:"cursor,omitempty" jsonschema:"next of an earlier result: older messages"`
	More    string `json:"more,omitempty" jsonschema:"handle of a text that was left out in part: reads on; nothing else is needed"`
}

type readOut struct {
	Thread   *threadOut   `json:"thread,omitempty"`
	Channel  string       `json:"channel,omitempty"`
	Messages []messageOut `json:"messages"`
	Next     string       `json:"next,omitempty"`
}

const usualMessages = 20

func readTool() tool {
	return with(tool{
		name: "read", title: "Read messages", effect: reads, needs: []proto.Message{&b2bv1.ListThreadMessagesRequest{}},
		text: "Reads messages, oldest first: of a thread, or your direct messages with an agent. Give one of thread, with, channel or more. " +
			"Not for hearing of new messages: that is wait.",
	}, inputOf[readIn]([]field{{"limit", &b2bv1.ListThreadMessagesRequest{}, "limit"}}, nil), read)
}

func read(ctx context.Context, c *call, in readIn) error {
	if in.More != "" {
		return c.readOn(ctx, in.More)
	}
	var since *timestamppb.Timestamp
	if in.Since != "" {
		at, err := time.Parse(time.RFC3339, in.Since)
		if err != nil {
			return invalid("since: must be a time such as 2026-01-31T12:00:00Z")
		}
		since = timestamppb.New(at)
	}
	if in.Limit == 0 {
		in.Limit = usualMessages
	}
	given := 0
	for _, where := range []string{in.Thread, in.With, in.Channel} {
		if where != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return invalid("give one of thread, with and channel")
	case in.Thread != "":
		return c.readThread(ctx, in, since)
	case in.With != "":
		channel, err := c.channelWith(ctx, strings.TrimPrefix(in.With, "@"))
		if err != nil {
			return err
		}
		in.Channel = channel
	}
	return c.readChannel(ctx, in, since)
}

func (c *call) readThread(ctx context.Context, in readIn, since *timestamppb.Timestamp) error {
	t, err := c.Client.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: in.Thread})
	if err != nil {
		return err
	}
	res, err := c.Client.Threads.ListThreadMessages(ctx, &b2bv1.ListThreadMessagesRequest{
		ThreadId: in.Thread, Limit: &in.Limit, Cursor: &in.Cursor,
	})
	if err != nil {
		return err
	}
	thread := c.thread(t.GetThread(), true)
	out := readOut{Thread: &thread, Next: res.GetNextCursor()}
	c.showThread(thread)
	return readMessages(c, &out, res.GetItems(), since, place{kind: "t", in: in.Thread})
}

// firstPage stands for a message id that a channel does not have: its newest messages are returned.
const firstPage = "newest"

func (c *call) readChannel(ctx context.Context, in readIn, since *timestamppb.Timestamp) error {
	before := in.Cursor
	if before == "" {
		before = firstPage
	}
	res, err := c.Client.Channels.ListChannelMessages(ctx, &b2bv1.ListChannelMessagesRequest{ChannelId: in.Channel, Limit: &in.Limit, Before: &before})
	if err != nil {
		return err
	}
	out := readOut{Channel: in.Channel}
	if messages := res.GetMessages(); res.GetHasMore() && len(messages) > 0 {
		out.Next = messages[len(messages)-1].GetId()
	}
	return readMessages(c, &out, res.GetMessages(), since, place{kind: "c", in: in.Channel})
}

// readMessages takes messages, newest first, to a result. Those for which there is no room are on the
// next page.
func readMessages[M said](c *call, out *readOut, messages []M, since *timestamppb.Timestamp, in place) error {
	out.Messages = []messageOut{}
	for i, m := range messages {
		if since != nil && !m.GetCreatedAt().AsTime().After(since.AsTime()) {
			out.Next = ""
			break
		}
		if c.full() {
			out.Next = messages[i-1].GetId()
			break
		}
		out.Messages = append(out.Messages, c.message(m, in, messageBytes))
	}
	slices.Reverse(out.Messages)
	c.data = *out
	for _, m := range out.Messages {
		c.showMessage(m)
	}
	if len(out.Messages) == 0 {
		c.line("There are no messages.")
	}
	if out.Next != "" {
		c.line("There are older ones: cursor=%s", out.Next)
	}
	return nil
}

// mostChannels is how many channels are looked through for the one with an agent, the latest first.
const mostChannels = 1000

// channelWith returns the channel of the direct messages with an agent.
func (c *call) channelWith(ctx context.Context, agent string) (string, error) {
	me, err := c.Client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return "", err
	}
	n := 0
	for channel, err := range c.Client.EachBotChannel(ctx, &b2bv1.ListBotChannelsRequest{Bot: me.GetBot().GetId(), Limit: proto.Int32(100)}) {
		if err != nil {
			return "", err
		}
		for _, m := range channel.GetMembers() {
			if m.GetId() != me.GetBot().GetId() && (m.GetName() == agent || m.GetId() == agent) {
				return channel.GetId(), nil
			}
		}
		if n++; n == mostChannels {
			break
		}
	}
	return "", &failure{Code: "NOT_FOUND", Message: "there are no direct messages with " + nameOf(agent), Hint: "Write one with send."}
}

// onBytes is how many bytes of a text are read on at once.
const onBytes = resultBytes - 1<<10

type moreOut struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Left int    `json:"left_out,omitempty"`
	More string `json:"more,omitempty"`
}

// readOn reads a text on from where a result has left it.
func (c *call) readOn(ctx context.Context, handle string) error {
	p, err := parsePlace(handle)
	if err != nil {
		return err
	}
	whole, err := c.textAt(ctx, p)
	if err != nil {
		return err
	}
	whole = clean(whole)
	if p.offset > len(whole) {
		return invalid("more: the text is shorter by now")
	}
	out := moreOut{ID: p.id}
	out.Text, out.Left = c.take(strings.ToValidUTF8(whole[p.offset:], ""), onBytes)
	if out.Left > 0 {
		p.offset += len(out.Text)
		out.More = p.String()
	}
	c.data = out
	c.body(out.Text)
	if out.More != "" {
		c.line("%d bytes are left out: more=%s", out.Left, out.More)
	}
	return nil
}

// textAt returns the text that a place is in.
func (c *call) textAt(ctx context.Context, p place) (string, error) {
	// The list of messages before a time has the message if it ends just after it.
	before, limit := strconv.FormatInt(p.at+1, 10), proto.Int32(20)
	switch p.kind {
	case "t":
		res, err := c.Client.Threads.ListThreadMessages(ctx, &b2bv1.ListThreadMessagesRequest{ThreadId: p.in, Before: &before, Limit: limit})
		if err != nil {
			return "", err
		}
		return contentOf(res.GetItems(), p.id)
	case "c":
		res, err := c.Client.Channels.ListChannelMessages(ctx, &b2bv1.ListChannelMessagesRequest{ChannelId: p.in, Before: &before, Limit: limit})
		if err != nil {
			return "", err
		}
		return contentOf(res.GetMessages(), p.id)
	}
	return c.artifactText(ctx, p)
}

func contentOf[M said](messages []M, id string) (string, error) {
	for _, m := range messages {
		if m.GetId() == id {
			return m.GetContent(), nil
		}
	}
	return "", &failure{Code: "NOT_FOUND", Message: fmt.Sprintf("the message %s is not there any more", clean(id))}
}
