package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) orgTickets() *cobra.Command {
	var l limited
	var revoke string
	cmd := &cobra.Command{
		Use:     "tickets",
		Short:   "List the tickets with which agents can join, or revoke one",
		Example: example("b2b org tickets", "b2b org tickets --revoke ID"),
	}
	f := cmd.Flags()
	f.StringVar(&revoke, "revoke", "", "revoke the ticket with this `id`")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		if revoke != "" {
			res, err := c.Org.DeleteOrgTicket(r.ctx, &b2bv1.DeleteOrgTicketRequest{Id: revoke})
			if err != nil {
				return err
			}
			return r.show(res, func() { r.out.Printf("Revoked.\n") })
		}
		return list(r, &l, c.EachOrgTicket(r.ctx, &b2bv1.ListOrgTicketsRequest{Limit: l.page()}), func(all []*b2bv1.OrgTicket) {
			var rows [][]string
			for _, t := range all {
				ends, use, approval := "for ever", "once", ""
				if t.GetExpiresAt() != 0 {
					ends = "until " + r.out.Time(time.UnixMilli(t.GetExpiresAt()))
				}
				if t.GetReusable() {
					use = "any number"
				}
				if t.GetSkipApproval() {
					approval = "no approval needed"
				}
				rows = append(rows, []string{t.GetId(), use, ends, approval})
			}
			r.out.Table(rows, func(_ int, cell string) string { return cell })
		}, "There are no tickets: b2b invite makes one.")
	}, paged)
}

func (a *App) orgSessions() *cobra.Command {
	var l limited
	var end string
	cmd := &cobra.Command{
		Use:     "sessions",
		Short:   "List who is logged in to the org, or end a session",
		Example: example("b2b org sessions", "b2b org sessions --end REF"),
	}
	f := cmd.Flags()
	f.StringVar(&end, "end", "", "end the session with this `ref`")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		if end != "" {
			res, err := c.Org.DeleteOrgSession(r.ctx, &b2bv1.DeleteOrgSessionRequest{Ref: end})
			if err != nil {
				return err
			}
			return r.show(res, func() { r.out.Printf("Ended.\n") })
		}
		return list(r, &l, c.EachOrgSession(r.ctx, &b2bv1.ListOrgSessionsRequest{Limit: l.page()}), func(all []*b2bv1.OrgSession) {
			var rows [][]string
			for _, s := range all {
				rows = append(rows, []string{s.GetRef(), b2b.EnumText(s.GetRole()), "since " + r.out.Time(s.GetCreatedAt().AsTime()),
					term.Line(s.GetOwnerName())})
			}
			r.out.Table(rows, func(_ int, cell string) string { return cell })
		}, "Nobody is logged in.")
	}, paged)
}

func (a *App) orgThreads() *cobra.Command {
	var l limited
	var status, query string
	cmd := &cobra.Command{
		Use:     "threads",
		Short:   "List all threads of the org",
		Example: example("b2b org threads --status blocked", "b2b org threads --q login --json"),
	}
	f := cmd.Flags()
	f.StringVar(&status, "status", "", "only those that are active, blocked, reviewing, resolved or closed")
	f.StringVar(&query, "q", "", "only those with this text in the topic")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		in, err := givenEnum[b2bv1.ThreadStatus]("--status", status)
		if err != nil {
			return err
		}
		req := &b2bv1.ListOrgThreadsRequest{Search: given(query), Status: in, Limit: l.page()}
		c, err := r.admin()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachOrgThread(r.ctx, req), r.threads, "There are no such threads.")
	}, paged)
}

func (a *App) orgAudit() *cobra.Command {
	var l limited
	var since, action, target string
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "List what was done in the org, the newest first",
		Example: example("b2b org audit --since 1d", "b2b org audit --action bot.register --json"),
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "only since a time: 90m, 2d, 2026-11-30 or 2026-11-30T10:00:00Z")
	f.StringVar(&action, "action", "", "only this action, such as thread.create")
	f.StringVar(&target, "target", "", "only what was done to this `id`")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		req := &b2bv1.ListAuditEntriesRequest{Action: given(action), TargetId: given(target), Limit: l.page()}
		if since != "" {
			if req.Since, err = r.time(c, since); err != nil {
				return err
			}
		}
		return list(r, &l, c.EachAuditEntry(r.ctx, req), func(all []*b2bv1.AuditEntry) {
			who := r.names(c)
			var rows [][]string
			for _, e := range all {
				by := "a person"
				if e.BotId != nil {
					by = who.of(e.GetBotId())
				}
				if isID(by) {
					by = "a deleted agent"
				}
				rows = append(rows, []string{r.out.Time(e.GetCreatedAt().AsTime()), term.Line(e.GetAction()),
					term.Line(fmt.Sprintf("%s %s", e.GetTargetType(), e.GetTargetId())), term.Line(by)})
			}
			r.out.Table(rows, func(column int, cell string) string {
				if column == 0 {
					return r.out.Dim(cell)
				}
				return cell
			})
		}, "There are no such entries.")
	}, paged)
}

func (a *App) orgRotate() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "rotate-secret",
		Short:   "Replace the secret of the org, and end the sessions of its admins",
		Long:    "Replace the secret of the org. The new one is shown once: it goes into a file that only you can read.",
		Example: example("b2b org rotate-secret -o org.secret"),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write it to this `file` (needed)")
	return a.verb(cmd, func(r *run, _ []string) (err error) {
		if output == "" {
			return usageError("-o is missing: the file for the new secret, which is shown once")
		}
		c, err := r.admin()
		if err != nil {
			return err
		}
		to, err := secretFile(output)
		if err != nil {
			return err
		}
		defer func() {
			if closed := to.Close(); err == nil {
				err = closed
			}
		}()
		res, err := c.Org.RotateSecret(r.ctx, &b2bv1.RotateSecretRequest{})
		if err != nil {
			return err
		}
		r.logout = nil // the session has ended with the old secret
		if _, err := fmt.Fprintln(to, res.GetOrgSecret()); err != nil {
			return fmt.Errorf("write the secret: %w", err)
		}
		return r.showJSON(map[string]any{"path": output}, func() { r.out.Printf("The new secret is in %s\n", term.Line(output)) })
	})
}
