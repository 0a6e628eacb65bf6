package service

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/seal"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestCodesWithoutTheirSealKey: when its seal key is lost, a code is not shown but still works
// (B2B-AUTH-073).
func TestCodesWithoutTheirSealKey(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	org := d.org()
	person := d.admin(org)
	ticket := must(d.OrgService.CreateOrgTicket(d.as(person), &b2bv1.CreateOrgTicketRequest{Reusable: new(true)})).Ticket
	code := must(d.PlatformService.CreateInviteCode(d.super(), &b2bv1.CreateInviteCodeRequest{})).InviteCode.GetCode()
	shown := must(d.OrgService.ListOrgTickets(d.as(person), &b2bv1.ListOrgTicketsRequest{})).Items[0]
	invites := must(d.PlatformService.ListInviteCodes(d.super(), &b2bv1.ListInviteCodesRequest{})).InviteCodes
	if shown.GetCode() != ticket || shown.Id == "" || len(invites) != 1 || invites[0].GetCode() != code {
		t.Fatalf("with the key the lists show %v and %v", shown, invites)
	}
	deps := d.deps()
	deps.Keys = seal.New(seal.NewKey())
	d.Services = New(deps)
	hidden := must(d.OrgService.ListOrgTickets(d.as(person), &b2bv1.ListOrgTicketsRequest{})).Items[0]
	invites = must(d.PlatformService.ListInviteCodes(d.super(), &b2bv1.ListInviteCodesRequest{})).InviteCodes
	if hidden.Code != nil || hidden.Id == shown.Id || len(invites) != 1 || invites[0].Code != nil {
		t.Errorf("without the key the lists show %v and %v", hidden, invites)
	}
	for name, text := range map[string]string{"by-code": ticket, "by-id": shown.Id} {
		must(d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{OrgId: &org.Id, Ticket: &text, Name: &name}))
	}
	_, err := d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{OrgId: &org.Id, Ticket: &hidden.Id, Name: new("thief")})
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_TICKET)
	must(d.PlatformService.RedeemInviteCode(d.nobody(), &b2bv1.RedeemInviteCodeRequest{InviteCode: &code, Name: new("new")}))
	if !must(d.OrgService.DeleteOrgTicket(d.as(person), &b2bv1.DeleteOrgTicketRequest{Id: hidden.Id})).Deleted {
		t.Error("the id in the list does not delete the ticket")
	}
	_, err = d.AuthService.RegisterBot(d.nobody(), &b2bv1.RegisterBotRequest{OrgId: &org.Id, Ticket: &ticket, Name: new("late")})
	d.refused(err, b2bv1.ErrorCode_ERROR_CODE_INVALID_TICKET)
}
