package service

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const awaitingApproval = "Awaiting org admin approval"

// errUnchecked is the error of a registration whose credential became valid only in its
// transaction, so that the address of the webhook was not looked up before. The registration is
// repeated.
var errUnchecked = errors.New("service: the webhook was not checked")

// RegisterBot registers a bot (B2B-REG-001). It checks in the order of B2B-REG-004 and
// B2B-REG-010, with one exception: it looks up the host of the webhook only for callers with a
// valid credential, and before the transaction, which must not wait for name servers.
func (s *authService) RegisterBot(ctx context.Context, req *b2bv1.RegisterBotRequest) (*b2bv1.RegisterBotResponse, error) {
	bot, err := newBot(req)
	if err != nil {
		return nil, err
	}
	if req.GetOrgId() == "" {
		if req, err = s.withOrg(ctx, req); err != nil {
			return nil, err
		}
		bot.OrgID = req.GetOrgId()
	}
	for {
		_, refusal := s.checkCredential(ctx, s.reads, req)
		if _, refused := call.AsError(refusal); refusal != nil && (!refused || req.GetRequestId() == "") {
			return nil, refusal // a wrong guess does not wait for a write transaction
		}
		hook := errUnchecked
		if req.GetWebhookUrl() == "" {
			hook = nil
		} else if refusal == nil {
			hook = s.checkAddress(ctx, "webhook_url", req.GetWebhookUrl())
		}
		out, err := change(ctx, s.core, req.GetOrgId(), req, func(tx authTx) (*b2bv1.RegisterBotResponse, error) {
			return s.register(ctx, tx, req, *bot, hook)
		})
		if !errors.Is(err, errUnchecked) {
			return out, err
		}
	}
}

// newBot checks the fields of the bot in a request, and returns the bot.
func newBot(req *b2bv1.RegisterBotRequest) (*store.Bot, error) {
	switch {
	case req.GetOrgId() == "" && (req.GetTicket() == "" || req.GetOrgSecret() != ""):
		return nil, call.Invalid("org_id is required")
	case req.GetTicket() == "" && req.GetOrgSecret() == "":
		return nil, call.Invalid("ticket or org_secret is required")
	}
	if err := limits.BotName(req.GetName()); err != nil {
		return nil, ruleError(err)
	}
	if err := call.InTurn(req); err != nil {
		return nil, err
	}
	bot := &store.Bot{OrgID: req.GetOrgId(), Name: req.GetName(), AuthRole: store.AuthMember}
	var err error
	if bot.Metadata, err = rawJSON("metadata", req.Metadata); err != nil {
		return nil, err
	}
	fields := profileFields{
		bio: req.Bio, role: req.Role, function: req.Function, team: req.Team, statusText: req.StatusText,
		timezone: req.Timezone, activeHours: req.ActiveHours, version: req.Version, runtime: req.Runtime,
		protocols: req.Protocols,
	}
	if _, err := fields.apply(bot, req, func(string) bool { return true }); err != nil {
		return nil, err
	}
	if req.GetOrgSecret() != "" {
		bot.AuthRole = store.AuthAdmin
	}
	return bot, nil
}

// withOrg returns a request that names the org of its ticket (B2B-REG-003).
func (s *authService) withOrg(ctx context.Context, req *b2bv1.RegisterBotRequest) (*b2bv1.RegisterBotRequest, error) {
	ticket, err := s.reads.Ticket(ctx, auth.Hash(req.GetTicket()))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ticketUnknown("ticket is unknown")
	}
	if err != nil {
		return nil, fmt.Errorf("find a ticket: %w", err)
	}
	named := proto.CloneOf(req)
	named.OrgId = &ticket.OrgID
	return named, nil
}

func ticketUnknown(text string) *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TICKET, "%s", text).WithHint("Ask an admin of the org for a new one.")
}

// checkAddress returns an error for an address that nothing may be posted to (B2B-HOOK-030). field is its
// name in the request.
func (c *core) checkAddress(ctx context.Context, field, address string) error {
	err := c.Webhooks.Check(ctx, address)
	var refusal webhookurl.Refusal
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refusal):
		return call.Invalid("%s %s", field, refusal)
	}
	return err
}

// entry is a valid credential for a registration: an org and possibly its ticket.
type entry struct {
	org    *store.Org
	ticket *store.OrgTicket // nil: the secret of the org was used
}

// checkCredential returns the entry of the credential of a registration.
func (s *authService) checkCredential(ctx context.Context, r authReader, req *b2bv1.RegisterBotRequest) (*entry, error) {
	if req.GetOrgSecret() != "" {
		org, err := secretOrg(ctx, r, req.GetOrgId(), req.GetOrgSecret())
		if err != nil {
			return nil, err
		}
		if refusal := auth.OrgRefusal(org); refusal != nil {
			return nil, refusal
		}
		return &entry{org: org}, nil
	}
	ticket, err := r.Ticket(ctx, auth.Hash(req.GetTicket()))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find a ticket: %w", err)
	}
	switch {
	case err != nil || ticket.OrgID != req.GetOrgId():
		return nil, ticketUnknown("ticket is unknown in this org")
	case ticket.ExpiresAt != 0 && ticket.ExpiresAt <= s.nowMS():
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TICKET_EXPIRED, "This ticket has expired").
			WithHint("Ask an admin of the org for a new one.")
	case ticket.Consumed && !ticket.Reusable:
		return nil, ticketConsumed()
	}
	org, err := liveOrg(ctx, r, req.GetOrgId())
	if err != nil {
		return nil, err
	}
	if refusal := auth.OrgRefusal(org); refusal != nil {
		return nil, refusal
	}
	return &entry{org: org, ticket: ticket}, nil
}

func ticketConsumed() *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TICKET_CONSUMED, "This ticket was used already").
		WithHint("Ask an admin of the org for a new one.")
}

// register stores a bot. hook is the result of checkWebhook, nil for an allowed address.
func (s *authService) register(ctx context.Context, tx authTx, req *b2bv1.RegisterBotRequest, bot store.Bot, hook error) (*b2bv1.RegisterBotResponse, error) {
	in, err := s.checkCredential(ctx, tx, req)
	if err != nil {
		return nil, err
	}
	if hook != nil {
		return nil, hook
	}
	if err := s.checkStorageQuota(ctx, tx, bulk); err != nil {
		return nil, err
	}
	if err := checkNameFree(ctx, tx, bot.OrgID, bot.Name); err != nil {
		return nil, err
	}
	via := "org_secret"
	bot.JoinStatus = store.BotActive
	if in.ticket != nil {
		via = "ticket"
		if !in.ticket.Reusable {
			switch first, err := tx.ConsumeTicket(ctx, in.ticket.ID); {
			case err != nil:
				return nil, fmt.Errorf("consume a ticket: %w", err)
			case !first:
				return nil, ticketConsumed()
			}
		}
		if in.org.JoinApprovalRequired && !in.ticket.SkipApproval {
			bot.JoinStatus = store.BotPending
		}
	}
	token, now := auth.NewBotToken(), s.nowMS()
	bot.ID, bot.TokenHash, bot.CreatedAt, bot.LastSeenAt = newID(), auth.Hash(token), now, &now
	if secret := req.GetWebhookSecret(); secret != "" {
		sealed := s.Keys.Seal(seal.Webhook(bot.ID), secret)
		bot.SealedSecret = &sealed
	}
	if url := req.GetWebhookUrl(); url != "" {
		sealed := s.Keys.Seal(seal.WebhookURL(bot.ID), url)
		bot.SealedURL = &sealed
	}
	if err := tx.CreateBot(ctx, &bot); err != nil {
		return nil, fmt.Errorf("create a bot: %w", err)
	}
	if bot.SealedURL != nil {
		if err := tx.StartWebhook(ctx, bot.ID); err != nil {
			return nil, fmt.Errorf("start a webhook: %w", err)
		}
	}
	err = s.audit(ctx, tx, bot.OrgID, &bot.ID, "bot.register", "bot", bot.ID, detail{
		"name": bot.Name, "reregister": false, "via": via, "auth_role": bot.AuthRole,
	})
	if err != nil {
		return nil, err
	}
	if err := s.announce(ctx, tx, &bot); err != nil {
		return nil, err
	}
	out := &b2bv1.RegisterBotResponse{Bot: s.botOut(&bot), BotId: bot.ID, Token: token}
	if bot.JoinStatus == store.BotPending {
		message := awaitingApproval
		out.Message = &message
	}
	return out, nil
}

// announce emits the events of a registration: to the org, and to its admins when the bot needs
// their approval.
func (s *authService) announce(ctx context.Context, tx authTx, bot *store.Bot) error {
	all := toOrg()
	all.ActorID = &bot.ID
	err := s.emit(ctx, tx, all, &b2bv1.Event{Event: &b2bv1.Event_BotRegistered{
		BotRegistered: &b2bv1.BotRegisteredEvent{
			Bot: &b2bv1.RegisteredBot{Id: bot.ID, Name: bot.Name, JoinStatus: joinStatusOf(bot.JoinStatus)},
		},
	}})
	if err != nil || bot.JoinStatus != store.BotPending {
		return err
	}
	admins := toAdmins()
	admins.ActorID = &bot.ID
	return s.emit(ctx, tx, admins, &b2bv1.Event{Event: &b2bv1.Event_BotJoinRequest{
		BotJoinRequest: &b2bv1.BotJoinRequestEvent{Bot: &b2bv1.BotBrief{Id: bot.ID, Name: bot.Name}, OrgId: bot.OrgID},
	}})
}
