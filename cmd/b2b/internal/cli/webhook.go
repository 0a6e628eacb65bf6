package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) webhook() *cobra.Command {
	return noun(&cobra.Command{
		Use:     "webhook",
		Short:   "Look after webhooks: health, dead letters, redelivery",
		Example: example("b2b webhook health reviewer", "b2b webhook dead", "b2b webhook redeliver reviewer"),
	}, a.webhookHealth(), a.webhookDead(), a.webhookRedeliver())
}

func (a *App) webhookHealth() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:               "health AGENT",
		Short:             "Show whether the webhook of an agent works",
		Example:           example("b2b webhook health reviewer"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBots,
	}, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Bots.GetWebhookHealth(r.ctx, &b2bv1.GetWebhookHealthRequest{Name: args[0]})
		if err != nil {
			return hintFor(err, notFound, "The agent has no webhook, or there is no such agent.")
		}
		return r.show(res, func() {
			state := r.out.Green("healthy")
			switch {
			case res.GetDegraded():
				state = r.out.Red("degraded: deliveries are paused")
			case !res.GetHealthy():
				state = r.out.Yellow("failing")
			}
			r.out.Printf("%s  %s\n", r.out.Bold(term.Line(args[0])), state)
			if res.LastSuccess != nil {
				r.field("success", r.out.Time(res.GetLastSuccess().AsTime()))
			}
			if res.LastFailure != nil {
				r.field("failure", r.out.Time(res.GetLastFailure().AsTime()))
			}
			r.field("failures", fmt.Sprintf("%d since the last success", res.GetConsecutiveFailures()))
		})
	})
}

func (a *App) webhookDead() *cobra.Command {
	var l limited
	var bot string
	cmd := &cobra.Command{
		Use:     "dead",
		Short:   "List deliveries that were given up, for admins",
		Example: example("b2b webhook dead", "b2b webhook dead --agent reviewer --json"),
	}
	f := cmd.Flags()
	f.StringVar(&bot, "agent", "", "only those of this `agent`")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachDeadLetter(r.ctx, &b2bv1.ListDeadLettersRequest{Bot: given(bot), Limit: l.page()}),
			func(all []*b2bv1.DeadLetter) {
				who := r.names(c)
				var rows [][]string
				for _, d := range all {
					rows = append(rows, []string{d.GetDeliveryId(), term.Line(who.of(d.GetBotId())), d.GetEventType(),
						fmt.Sprintf("%d attempts", d.GetAttempts()),
						term.Line(d.GetReason())})
				}
				r.out.Table(rows, func(column int, cell string) string {
					if column == 0 {
						return r.out.Dim(cell)
					}
					return cell
				})
			}, "Nothing was given up.")
	}, paged)
}

func (a *App) webhookRedeliver() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:               "redeliver AGENT",
		Short:             "Deliver again what was given up, for admins",
		Example:           example("b2b webhook redeliver reviewer", "b2b webhook redeliver reviewer --id ID"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBots,
	}
	cmd.Flags().StringVar(&id, "id", "", "only the delivery with this `id`")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Webhooks.RedeliverDeadLetters(r.ctx, &b2bv1.RedeliverDeadLettersRequest{Bot: &args[0], DeliveryId: given(id)})
		if err != nil {
			return err
		}
		return r.show(res, func() { r.out.Printf("Queued %d.\n", res.GetRedelivered()) })
	})
}
