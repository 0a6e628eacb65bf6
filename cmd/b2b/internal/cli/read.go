package cli

import (
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// window is which messages a verb reads: the newest, of those before a message and since a time.
type window struct {
	limited
	before, since string
}

func (w *window) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&w.limit, "limit", 20, "how many at most, the newest")
	f.StringVar(&w.before, "before", "", "only those before the message with this `id`")
	f.StringVar(&w.since, "since", "", "only those since a time: 90m, 2d, 2026-11-30 or 2026-11-30T10:00:00Z")
}

func (a *App) read() *cobra.Command {
	var w window
	cmd := &cobra.Command{
		Use:   "read AGENT|THREAD",
		Short: "Read direct messages with an agent, or a thread",
		Long: "Read the newest messages, oldest first: the direct messages with an agent, by its name, or\n" +
			"those of a thread or channel, by its id.",
		Example: example("b2b read engineering", "b2b read 01890a5d-ac96-774b-bcce-b302099a8057 --since 2h",
			"b2b read engineering --limit 100 --json | jq -r .content"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completePlaces,
	}
	w.flags(cmd)
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		at, err := r.place(c, args[0])
		if err != nil {
			return err
		}
		return r.messages(c, at, args[0], &w)
	}, paged)
}

// messages writes the messages of a place.
func (r *run) messages(c *b2b.Client, at *place, name string, w *window) error {
	if err := w.check(); err != nil {
		return err
	}
	since, err := r.time(c, w.since)
	if err != nil {
		return err
	}
	if at.thread == nil && at.channel == "" {
		r.note("There are no %s yet.", at.title)
		return nil
	}
	if !r.json && r.out.Width > 0 {
		r.out.Printf("%s\n", r.out.Cyan(term.Line(at.title)))
	}
	if at.thread == nil {
		req := &b2bv1.ListChannelMessagesRequest{ChannelId: at.channel, Limit: w.page(), Before: given(w.before), Since: since}
		found, more, err := take(c.EachChannelMessage(r.ctx, req), w.limit)
		if err != nil {
			return err
		}
		return oldestFirst(r, name, w, found, more)
	}
	req := &b2bv1.ListThreadMessagesRequest{ThreadId: at.thread.GetId(), Limit: w.page(), Cursor: given(w.before), Since: since}
	found, more, err := take(c.EachThreadMessage(r.ctx, req), w.limit)
	if err != nil {
		return err
	}
	return oldestFirst(r, name, w, found, more)
}

// oldestFirst writes messages that were read with the newest first.
func oldestFirst[M interface {
	proto.Message
	anyMessage
}](r *run, name string, w *window, found []M, more bool) error {
	slices.Reverse(found)
	how := func() string {
		text := r.b2b("read %s --before %s", name, found[0].GetId())
		if w.since != "" {
			text += " --since " + w.since
		}
		return text
	}
	return listed(r, found, func(all []M) {
		for i, m := range all {
			if i > 0 {
				r.out.Printf("\n")
			}
			r.message(m, m.GetSenderName())
		}
	}, "There are no messages.", more, how)
}

// time reads a time of a flag: a time, a day, or how long ago, by the clock of the server; nil if it is
// empty.
func (r *run) time(c *b2b.Client, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return timestamppb.New(t), nil
		}
	}
	ago, err := duration(text)
	if err != nil || ago < 0 {
		return nil, usageError("%q is no time: write 90m, 2d, 2026-11-30 or 2026-11-30T10:00:00Z", text)
	}
	if _, err := c.Server.GetVersion(r.ctx, &b2bv1.GetVersionRequest{}); err != nil { // tells the time of the server
		return nil, err
	}
	return timestamppb.New(r.clock.Now().Add(-ago)), nil
}

// duration is time.ParseDuration with days.
func duration(text string) (time.Duration, error) {
	if n := len(text) - 1; n > 0 && text[n] == 'd' {
		if days, err := strconv.ParseFloat(text[:n], 64); err == nil {
			return time.Duration(days * float64(24*time.Hour)), nil
		}
	}
	return time.ParseDuration(text)
}
