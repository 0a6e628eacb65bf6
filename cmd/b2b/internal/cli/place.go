package cli

import (
	"regexp"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// idForm is the form of the ids of the server. A name of a bot cannot have it (B2B-REG-003).
var idForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func isID(text string) bool { return idForm.MatchString(text) }

// place is where messages are: a thread or a channel, or nowhere yet.
type place struct {
	thread  *b2bv1.Thread
	channel string
	title   string
}

// place finds a thread or channel by its id, or the channel with a bot by its name.
func (r *run) place(c *b2b.Client, of string) (*place, error) {
	if !isID(of) {
		return r.channelWith(c, of)
	}
	thread, err := c.Threads.GetThread(r.ctx, &b2bv1.GetThreadRequest{ThreadId: of})
	if err == nil {
		return &place{thread: thread.GetThread(), title: thread.GetThread().GetTopic()}, nil
	}
	if b2b.CodeOf(err) != b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND {
		return nil, err
	}
	channel, other := c.Channels.GetChannel(r.ctx, &b2bv1.GetChannelRequest{ChannelId: of})
	if other != nil {
		return nil, withHint(err, "No thread and no channel of yours has this id. %s lists threads.", r.b2b("thread list"))
	}
	return &place{channel: channel.GetChannel().GetChannel().GetId(), title: "direct messages"}, nil
}

// channelWith finds the channel with a bot.
func (r *run) channelWith(c *b2b.Client, name string) (*place, error) {
	me, err := c.Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return nil, err
	}
	id := me.GetBot().GetId()
	for channel, err := range c.EachBotChannel(r.ctx, &b2bv1.ListBotChannelsRequest{Bot: id}) {
		if err != nil {
			return nil, err
		}
		for _, m := range channel.GetMembers() {
			if m.GetName() == name && m.GetId() != id {
				return &place{channel: channel.GetId(), title: "direct messages with " + term.Line(name)}, nil
			}
		}
	}
	if _, err := r.bot(c, name); err != nil {
		return nil, err
	}
	return &place{title: "direct messages with " + term.Line(name)}, nil
}
