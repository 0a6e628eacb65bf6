package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const exportLimit = 10_000

// exported is a thread with all that it has.
type exported struct {
	thread    *b2bv1.Thread
	messages  []*b2bv1.ThreadMessage // oldest first
	artifacts []*b2bv1.Artifact      // all versions
	decisions []*b2bv1.Decision      // oldest first
	more      bool                   // there are older messages
}

func (a *App) threadExport() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "export THREAD",
		Short: "Write a whole thread as Markdown or JSON",
		Long: "Write a thread with its messages, decisions and all versions of its artifacts: as Markdown, or\n" +
			"with --json an object a line, each with a member \"type\".",
		Example:           example("b2b thread export ID >incident.txt", "b2b thread export ID --json -o incident.ndjson"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeThreads,
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this `file`")
	return a.verb(cmd, func(r *run, args []string) (err error) {
		c, err := r.connect()
		if err != nil {
			return err
		}
		e, err := r.export(c, args[0])
		if err != nil {
			return err
		}
		to := io.Writer(r.out)
		if output != "" {
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return withHint(fmt.Errorf("write the export: %w", err), "An export does not replace a file: choose another name.")
			}
			defer func() {
				if closed := f.Close(); err == nil {
					err = closed
				}
			}()
			to = f
		}
		p := &term.Printer{W: to, Now: r.clock.Now}
		if r.json {
			err = e.ndjson(p)
		} else {
			e.markdown(p)
		}
		if err != nil {
			return err
		}
		if e.more {
			r.note("The newest %d messages were exported; there are older ones.", exportLimit)
		}
		return p.Err()
	}, noTimeout, paged)
}

// export reads a thread.
func (r *run) export(c *b2b.Client, id string) (*exported, error) {
	res, err := c.Threads.GetThread(r.ctx, &b2bv1.GetThreadRequest{ThreadId: id})
	if err != nil {
		return nil, noThread(r, err)
	}
	e := &exported{thread: res.GetThread()}
	page := proto.Int32(mostPage)
	e.messages, e.more, err = take(c.EachThreadMessage(r.ctx,
		&b2bv1.ListThreadMessagesRequest{ThreadId: id, Limit: page, Cursor: proto.String("")}), exportLimit)
	if err != nil {
		return nil, err
	}
	slices.Reverse(e.messages)
	for latest, err := range c.EachArtifact(r.ctx, &b2bv1.ListArtifactsRequest{ThreadId: id, Limit: page}) {
		if err != nil {
			return nil, err
		}
		for v, err := range c.EachArtifactVersion(r.ctx, &b2bv1.ListArtifactVersionsRequest{ThreadId: id,
			ArtifactKey: latest.GetArtifactKey(), Limit: page}) {
			if err != nil {
				return nil, err
			}
			e.artifacts = append(e.artifacts, v)
		}
	}
	e.decisions, _, err = take(c.EachDecision(r.ctx, &b2bv1.ListDecisionsRequest{ThreadId: &id, Limit: page}), exportLimit)
	slices.Reverse(e.decisions)
	return e, err
}

// ndjson writes an object a line.
func (e *exported) ndjson(p *term.Printer) error {
	write := func(kind string, m proto.Message) error {
		line, err := raw(m)
		if err != nil {
			return err
		}
		p.Printf("{\"type\":%q,%q:%s}\n", kind, kind, line)
		return p.Err()
	}
	if err := write("thread", e.thread); err != nil {
		return err
	}
	for _, m := range e.messages {
		if err := write("message", m); err != nil {
			return err
		}
	}
	for _, m := range e.decisions {
		if err := write("decision", m); err != nil {
			return err
		}
	}
	for _, m := range e.artifacts {
		if err := write("artifact", m); err != nil {
			return err
		}
	}
	return nil
}

// markdown writes a document. Texts of others are quoted, so that they cannot look like parts of it.
func (e *exported) markdown(p *term.Printer) {
	t := e.thread
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	p.Printf("# %s\n\nStatus: %s. Thread %s, opened %s.\n", term.Line(t.GetTopic()), b2b.EnumText(t.GetStatus()), t.GetId(),
		at(t.GetCreatedAt().AsTime()))
	var people []string
	for _, participant := range t.GetParticipants().GetValues() {
		people = append(people, term.Line(participant.GetName()))
	}
	p.Printf("Participants: %s.\n", strings.Join(people, ", "))
	if t.GetContext() != "" {
		p.Printf("\n## Context\n\n")
		p.Body("> ", t.GetContext())
	}
	p.Printf("\n## Messages\n")
	for _, m := range e.messages {
		p.Printf("\n**%s**, %s:\n\n", term.Line(m.GetSenderName()), at(m.GetCreatedAt().AsTime()))
		p.Body("> ", m.GetContent())
		for _, part := range m.GetParts() {
			if note := partNote(part); note != "" {
				p.Printf("> %s\n", note)
			}
		}
	}
	if len(e.decisions) > 0 {
		p.Printf("\n## Decisions\n")
	}
	for _, d := range e.decisions {
		p.Printf("\n%s asked, %s (%s", term.Line(d.GetAsker().GetName()), at(d.GetAskedAt().AsTime()), b2b.EnumText(d.GetStatus()))
		if d.GetAnswer() != "" {
			p.Printf(": %s", term.Line(d.GetAnswer()))
		}
		p.Printf("):\n\n")
		p.Body("> ", d.GetQuestion())
	}
	if len(e.artifacts) > 0 {
		p.Printf("\n## Artifacts\n")
	}
	for _, v := range e.artifacts {
		title := ""
		if v.GetTitle() != "" {
			title = ": " + term.Line(v.GetTitle())
		}
		p.Printf("\n### %s, version %d%s\n\n%s, %s. %s\n\n", term.Line(v.GetArtifactKey()), v.GetVersion(), title,
			b2b.EnumText(v.GetType()),
			at(v.GetCreatedAt().AsTime()), term.Line(v.GetUrl()))
		if v.GetContent() != "" {
			p.Body("    ", v.GetContent())
		}
	}
}
