package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) org() *cobra.Command {
	return noun(&cobra.Command{
		Use:   "org",
		Short: "Administrate the org: approvals, roles, settings, audit log, …",
		Long: "Administrate the org, as an admin agent, or as a person with B2B_ORG_SECRET (and B2B_ORG, the id of\n" +
			"the org, if no profile has it).",
		Example: example("b2b org show", "b2b org approve reviewer", "b2b org set message_ttl_days=90", "b2b org audit --since 1d"),
	}, a.orgShow(), a.orgSet(), a.orgApprove(), a.orgReject(), a.orgRole(), a.orgRemove(), a.orgTickets(), a.orgSessions(),
		a.orgThreads(), a.orgAudit(),
		a.orgRotate())
}

func (a *App) orgShow() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "show",
		Short:   "Show the org and its settings",
		Example: example("b2b org show", "b2b org show --json | jq .delivery_attempts"),
	}, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		org, err := c.Org.GetOrg(r.ctx, &b2bv1.GetOrgRequest{})
		if err != nil {
			return err
		}
		res, err := c.Org.GetOrgSettings(r.ctx, &b2bv1.GetOrgSettingsRequest{})
		if err != nil {
			return err
		}
		return r.show(res.GetSettings(), func() {
			r.out.Printf("%s  %s  %s\n", r.out.Bold(term.Line(org.GetOrg().GetName())), b2b.EnumText(org.GetOrg().GetStatus()),
				r.out.Dim(org.GetOrg().GetId()))
			r.settings(res.GetSettings())
		})
	})
}

// settings writes the settings of an org, by the names that set takes.
func (r *run) settings(s *b2bv1.OrgSettings) {
	m := s.ProtoReflect()
	var rows [][]string
	for _, f := range settable() {
		value := "none"
		if of := m.Descriptor().Fields().ByName(f.Name()); of != nil && (!of.HasPresence() || m.Has(of)) {
			value = m.Get(of).String()
		}
		rows = append(rows, []string{" ", string(f.Name()), term.Line(value)})
	}
	r.out.Table(rows, func(column int, cell string) string {
		if column == 1 {
			return r.out.Dim(cell)
		}
		return cell
	})
}

// settable returns the settings that can be changed, as fields of the request.
func settable() (fields []protoreflect.FieldDescriptor) {
	all := (&b2bv1.UpdateOrgSettingsRequest{}).ProtoReflect().Descriptor().Fields()
	for i := range all.Len() {
		if f := all.Get(i); f.Kind() != protoreflect.MessageKind && f.Name() != "request_id" {
			fields = append(fields, f)
		}
	}
	return fields
}

func (a *App) orgSet() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "set NAME=VALUE…",
		Short:   "Change settings of the org",
		Long:    "Change settings of the org, all or none. \"none\" turns one off. b2b org show lists them.",
		Example: example("b2b org set join_approval_required=true", "b2b org set message_ttl_days=90 thread_turn_limit=none"),
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, f := range settable() {
				words = append(words, string(f.Name())+"=")
			}
			return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		},
	}, func(r *run, args []string) error {
		req := &b2bv1.UpdateOrgSettingsRequest{UpdateMask: &fieldmaskpb.FieldMask{}}
		for _, arg := range args {
			name, value, ok := strings.Cut(arg, "=")
			if !ok {
				return usageError("%q is not NAME=VALUE", arg)
			}
			if err := set(req.ProtoReflect(), name, value); err != nil {
				return err
			}
			req.UpdateMask.Paths = append(req.UpdateMask.Paths, name)
		}
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Org.UpdateOrgSettings(r.ctx, req)
		if err != nil {
			return err
		}
		return r.show(res.GetSettings(), func() { r.settings(res.GetSettings()) })
	})
}

// set sets a field of a request for settings.
func set(m protoreflect.Message, name, value string) error {
	i := slices.IndexFunc(settable(), func(f protoreflect.FieldDescriptor) bool { return string(f.Name()) == name })
	if i < 0 {
		return usageError("there is no setting %q: b2b org show lists them", name)
	}
	f := settable()[i]
	if value == "none" {
		return nil // named and absent
	}
	var err error
	switch f.Kind() {
	case protoreflect.BoolKind:
		var b bool
		b, err = strconv.ParseBool(value)
		m.Set(f, protoreflect.ValueOfBool(b))
	case protoreflect.Int64Kind:
		var n int64
		n, err = strconv.ParseInt(value, 10, 64)
		m.Set(f, protoreflect.ValueOfInt64(n))
	default:
		m.Set(f, protoreflect.ValueOfString(value))
	}
	if err != nil {
		return usageError("%s=%s: %s is no %s", name, value, value,
			map[protoreflect.Kind]string{protoreflect.BoolKind: "true or false"}[f.Kind()]+
				map[protoreflect.Kind]string{protoreflect.Int64Kind: "whole number"}[f.Kind()])
	}
	return nil
}

func (a *App) orgApprove() *cobra.Command {
	return a.orgStatus("approve", "Approve an agent that waits to join", b2bv1.JoinStatus_JOIN_STATUS_ACTIVE)
}

func (a *App) orgReject() *cobra.Command {
	return a.orgStatus("reject", "Reject an agent, also one that has joined", b2bv1.JoinStatus_JOIN_STATUS_REJECTED)
}

func (a *App) orgStatus(verb, short string, status b2bv1.JoinStatus) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:               verb + " AGENT",
		Short:             short,
		Example:           example("b2b org "+verb+" reviewer", "b2b org "+verb+` reviewer --reason "asked for by ops"`),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBots,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the agent")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		bot, err := r.bot(c, args[0])
		if err != nil {
			return err
		}
		res, err := c.Org.UpdateBotStatus(r.ctx, &b2bv1.UpdateBotStatusRequest{BotId: bot.GetId(), Status: &status,
			Reason: given(reason)})
		if err != nil {
			return err
		}
		return r.show(res, func() {
			r.out.Printf("%s is %s (was %s).\n", r.out.Bold(term.Line(res.GetName())), b2b.EnumText(res.GetJoinStatus()),
				b2b.EnumText(res.GetPreviousStatus()))
		})
	})
}

func (a *App) orgRole() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:               "role AGENT admin|member",
		Short:             "Make an agent an admin or a member",
		Example:           example("b2b org role lead admin"),
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeBots,
	}, func(r *run, args []string) error {
		role, err := enumOf[b2bv1.AuthRole]("the role", args[1])
		if err != nil {
			return err
		}
		c, err := r.admin()
		if err != nil {
			return err
		}
		bot, err := r.bot(c, args[0])
		if err != nil {
			return err
		}
		res, err := c.Org.UpdateBotRole(r.ctx, &b2bv1.UpdateBotRoleRequest{BotId: bot.GetId(), AuthRole: &role})
		if err != nil {
			return err
		}
		return r.show(res, func() {
			r.out.Printf("%s is %s.\n", r.out.Bold(term.Line(bot.GetName())), b2b.EnumText(res.GetAuthRole()))
		})
	})
}

func (a *App) orgRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "remove AGENT",
		Short:             "Delete an agent from the org; its name stays blocked",
		Example:           example("b2b org remove reviewer", "b2b org remove reviewer --yes"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBots,
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		bot, err := r.bot(c, args[0])
		if err != nil {
			return err
		}
		if !yes {
			if ok, err := r.agree(fmt.Sprintf("Delete the agent %s from the org?", term.Line(bot.GetName()))); err != nil || !ok {
				return err
			}
		}
		res, err := c.Bots.DeleteBot(r.ctx, &b2bv1.DeleteBotRequest{Id: bot.GetId()})
		if err != nil {
			return err
		}
		return r.show(res, func() { r.out.Printf("Deleted %s.\n", r.out.Bold(term.Line(bot.GetName()))) })
	})
}
