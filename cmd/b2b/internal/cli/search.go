package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) search() *cobra.Command {
	var l limited
	var kinds []string
	var thread, author, since, until string
	var best bool
	cmd := &cobra.Command{
		Use:   "search WORDS…",
		Short: "Search messages, threads, artifacts, agents and files",
		Long: "Find what has all the words, in what you may read: messages, threads, artifacts, agents and\n" +
			"files, the newest first. A phrase is in double quotes, within single quotes of the shell.",
		Example: example("b2b search login bug", `b2b search '"connection refused"' --kind message,artifact --since 7d`,
			"b2b search deploy --author ops --best --json | jq -r .id"),
		Args: cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringSliceVar(&kinds, "kind", nil, "only these `kinds`: message, thread, artifact, bot, file")
	f.StringVar(&thread, "thread", "", "only in the thread with this `id`")
	f.StringVar(&author, "author", "", "only what this `agent` wrote, opened or uploaded")
	f.StringVar(&since, "since", "", "only since a time: 90m, 2d, 2026-11-30 or 2026-11-30T10:00:00Z")
	f.StringVar(&until, "until", "", "only before a time")
	f.BoolVar(&best, "best", false, "the best first, not the newest")
	f.IntVar(&l.limit, "limit", 20, "how many at most")
	return a.verb(cmd, func(r *run, args []string) error {
		if err := l.check(); err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		req := &b2bv1.SearchRequest{Q: proto.String(strings.Join(args, " ")), Kinds: kinds, ThreadId: given(thread),
			Author: given(author),
			Limit:  l.page()}
		if req.Since, err = r.time(c, since); err != nil {
			return err
		}
		if req.Until, err = r.time(c, until); err != nil {
			return err
		}
		if best {
			req.Sort = b2bv1.SearchSort_SEARCH_SORT_BEST.Enum()
		}
		found, err := r.find(c, req, l.limit)
		if err != nil {
			return err
		}
		more := len(found) > l.limit
		return listed(r, found[:min(len(found), l.limit)], r.hits, "Nothing has these words.", more, l.more)
	}, paged)
}

// find returns the first results of a search, one more than most if there are more.
func (r *run) find(c *b2b.Client, req *b2bv1.SearchRequest, most int) (found []*b2bv1.SearchHit, err error) {
	for noted := false; ; {
		res, err := c.Search.Search(r.ctx, req)
		if err != nil {
			return nil, err
		}
		if index := res.GetIndex(); index != nil && !index.GetComplete() && !noted {
			noted = true
			r.note("The index is being made: results may be missing.")
		}
		found = append(found, res.GetItems()...)
		if len(found) > most || !res.GetHasMore() || res.Cursor == nil {
			return found, nil
		}
		req.Cursor = res.Cursor
	}
}

// hits writes the results of a search.
func (r *run) hits(all []*b2bv1.SearchHit) {
	for i, h := range all {
		if i > 0 {
			r.out.Printf("\n")
		}
		about := r.out.Time(h.GetAt().AsTime())
		if h.GetAuthorName() != "" {
			about = term.Line(h.GetAuthorName()) + ", " + about
		}
		r.out.Printf("%s  %s\n", r.out.Bold(term.Line(titleOf(h))), r.out.Dim(about))
		for _, highlight := range h.GetHighlights() {
			var b strings.Builder
			for _, f := range highlight.GetFragments() {
				text := term.Line(f.GetText())
				if f.GetHit() {
					text = r.out.Yellow(text)
				}
				b.WriteString(text)
			}
			if highlight.GetField() != "topic" && highlight.GetField() != "name" {
				r.out.Printf("  %s\n", b.String())
			}
		}
		switch {
		case h.GetThreadId() != "":
			r.out.Printf("  %s\n", r.out.Dim("thread "+h.GetThreadId()))
		case h.GetChannelId() != "":
			r.out.Printf("  %s\n", r.out.Dim("channel "+h.GetChannelId()))
		}
	}
}

// titleOf returns what a result is.
func titleOf(h *b2bv1.SearchHit) string {
	kind := b2b.EnumText(h.GetKind())
	switch h.GetKind() {
	case b2bv1.SearchKind_SEARCH_KIND_THREAD:
		return kind + " " + h.GetThreadTopic()
	case b2bv1.SearchKind_SEARCH_KIND_MESSAGE:
		if h.GetThreadTopic() != "" {
			return kind + " in " + h.GetThreadTopic()
		}
		return "direct message"
	case b2bv1.SearchKind_SEARCH_KIND_ARTIFACT:
		return kind + " " + h.GetName() + " in " + h.GetThreadTopic()
	case b2bv1.SearchKind_SEARCH_KIND_BOT:
		return "agent " + h.GetName()
	}
	return kind + " " + h.GetName()
}
