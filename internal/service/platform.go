package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// platformService serves orgs and invite codes to the operator of the server.
type platformService struct {
	*core
	reads platformReads
}

// platformReads is what platformService reads of the store.
type platformReads interface {
	InviteCodes(ctx context.Context, before *store.PageKey, limit int) ([]store.InviteCode, error)
	Orgs(ctx context.Context, after *store.PageKey, limit int) ([]store.OrgSummary, error)
}

// platformTx is what its changes need.
type platformTx interface {
	secretTx
	CreateInviteCode(ctx context.Context, c *store.InviteCode) error
	DeleteInviteCode(ctx context.Context, id string) error
	RedeemInviteCode(ctx context.Context, codeHash string, now int64) (*store.InviteCode, error)
	CreateOrg(ctx context.Context, org *store.Org) error
	UpdateOrg(ctx context.Context, org *store.Org) error
	EndOrg(ctx context.Context, id string) error
}

func checkOrgName(name string) error {
	if name == "" {
		return call.Invalid("name is required")
	}
	return nil
}

func (s *platformService) CreateOrg(ctx context.Context, req *b2bv1.CreateOrgRequest) (*b2bv1.CreateOrgResponse, error) {
	if err := checkOrgName(req.GetName()); err != nil {
		return nil, err
	}
	persist := s.Config.PersistMessages
	if req.PersistMessages != nil {
		persist = req.GetPersistMessages()
	}
	return change(ctx, s.core, "", req, func(tx platformTx) (*b2bv1.CreateOrgResponse, error) {
		org, secret, err := s.createOrg(ctx, tx, req.GetName(), persist, changedBy(call.CallerOf(ctx)))
		if err != nil {
			return nil, err
		}
		return &b2bv1.CreateOrgResponse{
			Id: org.ID, Name: org.Name, OrgSecret: secret, PersistMessages: org.PersistMessages,
			Status: b2bv1.OrgStatus_ORG_STATUS_ACTIVE, CreatedAt: stamp(org.CreatedAt),
		}, nil
	})
}

func (c *core) createOrg(ctx context.Context, tx platformTx, name string, persist bool, by string) (_ *store.Org, secret string, _ error) {
	secret = auth.NewOrgSecret()
	org := &store.Org{
		ID: newID(), Name: name, SecretHash: auth.Hash(secret), PersistMessages: persist,
		Status: store.OrgActive, CreatedAt: c.nowMS(),
	}
	if err := tx.CreateOrg(ctx, org); err != nil {
		return nil, "", fmt.Errorf("create an org: %w", err)
	}
	err := c.audit(ctx, tx, org.ID, nil, "org.create", "org", org.ID, detail{"name": name, "created_by": by})
	return org, secret, err
}

func (s *platformService) ListOrgs(ctx context.Context, req *b2bv1.ListOrgsRequest) (*b2bv1.ListOrgsResponse, error) {
	after, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	size := wholePage(req.Limit)
	orgs, err := s.reads.Orgs(ctx, after, size+1)
	if err != nil {
		return nil, fmt.Errorf("list orgs: %w", err)
	}
	orgs, more := page(orgs, size)
	out := &b2bv1.ListOrgsResponse{Orgs: make([]*b2bv1.OrgListing, 0, len(orgs))}
	for i := range orgs {
		o := &orgs[i]
		listing := &b2bv1.OrgListing{
			Id: o.ID, Name: o.Name, PersistMessages: o.PersistMessages, Status: orgStatusOf(o.Status),
			CreatedAt: stamp(o.CreatedAt), BotCount: int32(o.BotCount),
		}
		if o.JoinApprovalRequired {
			listing.JoinApprovalRequired = 1
		}
		out.Orgs = append(out.Orgs, listing)
	}
	if orgs, out.Orgs, more = cutToSize(s.core, orgs, out.Orgs, more); more {
		last := &orgs[len(orgs)-1]
		out.NextCursor = formatPageToken(last.CreatedAt, last.ID)
	}
	return out, nil
}

func orgStatusOf(text string) b2bv1.OrgStatus {
	return enumOf[b2bv1.OrgStatus](b2bv1.OrgStatus_value, "ORG_STATUS_", text)
}

func orgOut(o *store.Org) *b2bv1.Org {
	return &b2bv1.Org{Id: o.ID, Name: o.Name, Status: orgStatusOf(o.Status)}
}

// liveOrg finds an org that was not deleted.
func liveOrg(ctx context.Context, r orgReader, id string) (*store.Org, error) {
	org, err := r.Org(ctx, id)
	if err != nil {
		return nil, notFound(err, "Org")
	}
	return org, nil
}

func (s *platformService) UpdateOrg(ctx context.Context, req *b2bv1.UpdateOrgRequest) (*b2bv1.UpdateOrgResponse, error) {
	return change(ctx, s.core, req.GetOrgId(), req, func(tx platformTx) (*b2bv1.UpdateOrgResponse, error) {
		org, err := liveOrg(ctx, tx, req.GetOrgId())
		if err != nil {
			return nil, err
		}
		was, name := org.Status, org.Name
		if req.Status != nil {
			switch req.GetStatus() {
			case b2bv1.OrgStatus_ORG_STATUS_ACTIVE, b2bv1.OrgStatus_ORG_STATUS_SUSPENDED:
				org.Status = textOf(req.GetStatus(), "ORG_STATUS_")
			default:
				return nil, call.Invalid("status must be active or suspended")
			}
		}
		if req.Name != nil {
			if err := checkOrgName(req.GetName()); err != nil {
				return nil, err
			}
			if err := call.InTurn(req); err != nil {
				return nil, err
			}
			org.Name = req.GetName()
		}
		if err := tx.UpdateOrg(ctx, org); err != nil {
			return nil, fmt.Errorf("update an org: %w", err)
		}
		if org.Status != was {
			if org.Status == store.OrgSuspended {
				if _, err := tx.DeleteUnconsumedTickets(ctx, org.ID); err != nil {
					return nil, fmt.Errorf("delete the tickets of a suspended org: %w", err)
				}
			}
			if err := s.statusChanged(ctx, tx, "", org.Status != store.OrgActive); err != nil {
				return nil, err
			}
		}
		if org.Status != was || org.Name != name {
			err := s.audit(ctx, tx, org.ID, nil, "org.update", "org", org.ID, detail{
				"old_status": was, "new_status": org.Status, "old_name": name, "new_name": org.Name, "changed_by": changedBy(call.CallerOf(ctx)),
			})
			if err != nil {
				return nil, err
			}
		}
		return &b2bv1.UpdateOrgResponse{Org: orgOut(org)}, nil
	})
}

func (s *platformService) DeleteOrg(ctx context.Context, req *b2bv1.DeleteOrgRequest) (*b2bv1.DeleteOrgResponse, error) {
	// The response is kept by the platform, because the records of the org are deleted.
	out, err := changeIn(ctx, s.core, changeOptions{org: req.GetOrgId()}, req, func(tx platformTx) (*b2bv1.DeleteOrgResponse, error) {
		if _, err := liveOrg(ctx, tx, req.GetOrgId()); err != nil {
			return nil, err
		}
		if err := s.statusChanged(ctx, tx, "", true); err != nil {
			return nil, err
		}
		// The org cannot be found from here on. Retention deletes its rows.
		if err := tx.EndOrg(ctx, req.GetOrgId()); err != nil {
			return nil, fmt.Errorf("end an org: %w", err)
		}
		return &b2bv1.DeleteOrgResponse{}, nil
	})
	if err == nil {
		s.Access.Forget(req.GetOrgId())
		if s.OrgEnded != nil {
			s.OrgEnded()
		}
	}
	return out, err
}

func (s *platformService) RotateOrgSecret(ctx context.Context, req *b2bv1.RotateOrgSecretRequest) (*b2bv1.RotateOrgSecretResponse, error) {
	return change(ctx, s.core, req.GetOrgId(), req, func(tx platformTx) (*b2bv1.RotateOrgSecretResponse, error) {
		secret, err := s.rotateSecret(ctx, tx, req.GetOrgId())
		if err != nil {
			return nil, err
		}
		return &b2bv1.RotateOrgSecretResponse{OrgSecret: secret}, nil
	})
}

// rotateSecret gives an org a new secret. It deletes the unused tickets of the org and the
// sessions of org admins (B2B-ORG-007).
func (c *core) rotateSecret(ctx context.Context, tx secretTx, id string) (string, error) {
	if _, err := liveOrg(ctx, tx, id); err != nil {
		return "", err
	}
	secret := auth.NewOrgSecret()
	if err := tx.SetOrgSecret(ctx, id, auth.Hash(secret)); err != nil {
		return "", fmt.Errorf("set an org's secret: %w", err)
	}
	if _, err := tx.DeleteUnconsumedTickets(ctx, id); err != nil {
		return "", fmt.Errorf("delete an org's tickets: %w", err)
	}
	if _, err := tx.DeleteSessionsOf(ctx, store.SessionScope{Role: store.RoleOrgAdmin, OrgID: id}); err != nil {
		return "", fmt.Errorf("end the sessions of an org's admins: %w", err)
	}
	err := c.audit(ctx, tx, id, actorBot(ctx), "auth.secret_rotated", "org", id, detail{"changed_by": changedBy(call.CallerOf(ctx))})
	if err != nil {
		return "", err
	}
	return secret, c.credentialEnded(ctx, tx, "", subscription.CredentialRotated)
}

// lastTime is the end of the year 9999 in Unix milliseconds, the latest time of a Timestamp. JSON
// numbers represent it exactly.
const lastTime = 253402300799999

// expiry returns the time, in Unix milliseconds, at which something with a lifetime in seconds
// expires. A lifetime of 0 means never and returns 0; an absent or negative one means usual
// (B2B-ORG-010, B2B-ORG-030).
func expiry(now int64, seconds *float64, usual time.Duration) int64 {
	switch {
	case seconds == nil || *seconds < 0 || math.IsNaN(*seconds):
		return now + usual.Milliseconds()
	case *seconds == 0:
		return 0
	}
	return int64(math.Min(float64(now)+*seconds*1000, lastTime))
}

const inviteLife = 90 * 24 * time.Hour

func (s *platformService) CreateInviteCode(ctx context.Context, req *b2bv1.CreateInviteCodeRequest) (*b2bv1.CreateInviteCodeResponse, error) {
	return change(ctx, s.core, "", req, func(tx platformTx) (*b2bv1.CreateInviteCodeResponse, error) {
		code, id, now := auth.NewInviteCode(), newID(), s.nowMS()
		sealed := s.Keys.Seal(seal.Invite(id), code)
		row := &store.InviteCode{
			ID: id, CodeHash: auth.Hash(code), Sealed: &sealed, Label: req.Label, MaxUses: int64(req.GetMaxUses()),
			ExpiresAt: expiry(now, req.ExpiresIn, inviteLife), CreatedAt: now,
		}
		if err := tx.CreateInviteCode(ctx, row); err != nil {
			return nil, fmt.Errorf("create an invite code: %w", err)
		}
		return &b2bv1.CreateInviteCodeResponse{InviteCode: s.inviteOut(ctx, row)}, nil
	})
}

// inviteOut returns an invite code. The code itself is left out when the row is of an old version
// that stored only its hash, or when the key that sealed it is lost (B2B-AUTH-073).
func (s *platformService) inviteOut(ctx context.Context, c *store.InviteCode) *b2bv1.InviteCode {
	var code *string
	if c.Sealed != nil {
		text, err := s.Keys.Open(seal.Invite(c.ID), *c.Sealed)
		if err != nil {
			s.Log.WarnContext(ctx, "an invite code cannot be unsealed, it is not shown", "invite_code", c.ID, "error", err)
		} else {
			code = &text
		}
	}
	return &b2bv1.InviteCode{
		Id: c.ID, Code: code, Label: c.Label, MaxUses: int32(c.MaxUses), UseCount: int32(c.UseCount),
		ExpiresAt: c.ExpiresAt, CreatedAt: stamp(c.CreatedAt),
	}
}

func (s *platformService) ListInviteCodes(ctx context.Context, req *b2bv1.ListInviteCodesRequest) (*b2bv1.ListInviteCodesResponse, error) {
	before, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	size := wholePage(req.Limit)
	codes, err := s.reads.InviteCodes(ctx, before, size+1)
	if err != nil {
		return nil, fmt.Errorf("list invite codes: %w", err)
	}
	codes, more := page(codes, size)
	now := s.nowMS()
	out := &b2bv1.ListInviteCodesResponse{InviteCodes: make([]*b2bv1.InviteCode, len(codes))}
	for i := range codes {
		c := &codes[i]
		expired := c.ExpiresAt != 0 && c.ExpiresAt <= now
		exhausted := c.MaxUses > 0 && c.UseCount >= c.MaxUses
		out.InviteCodes[i] = s.inviteOut(ctx, c)
		out.InviteCodes[i].Expired, out.InviteCodes[i].Exhausted = &expired, &exhausted
	}
	if codes, out.InviteCodes, more = cutToSize(s.core, codes, out.InviteCodes, more); more {
		last := &codes[len(codes)-1]
		out.NextCursor = formatPageToken(last.CreatedAt, last.ID)
	}
	return out, nil
}

func (s *platformService) DeleteInviteCode(ctx context.Context, req *b2bv1.DeleteInviteCodeRequest) (*b2bv1.DeleteInviteCodeResponse, error) {
	return change(ctx, s.core, "", req, func(tx platformTx) (*b2bv1.DeleteInviteCodeResponse, error) {
		if err := tx.DeleteInviteCode(ctx, req.GetId()); err != nil {
			return nil, notFound(err, "Invite code")
		}
		return &b2bv1.DeleteInviteCodeResponse{}, nil
	})
}

func (s *platformService) RedeemInviteCode(ctx context.Context, req *b2bv1.RedeemInviteCodeRequest) (*b2bv1.RedeemInviteCodeResponse, error) {
	if req.GetInviteCode() == "" {
		return nil, call.Invalid("invite_code is required")
	}
	if err := checkOrgName(req.GetName()); err != nil {
		return nil, err
	}
	return change(ctx, s.core, "", req, func(tx platformTx) (*b2bv1.RedeemInviteCodeResponse, error) {
		code, err := tx.RedeemInviteCode(ctx, auth.Hash(req.GetInviteCode()), s.nowMS())
		if errors.Is(err, store.ErrNotFound) {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_INVITE_CODE, "This invite code is unknown, expired, used up or revoked")
		}
		if err != nil {
			return nil, fmt.Errorf("redeem an invite code: %w", err)
		}
		org, secret, err := s.createOrg(ctx, tx, req.GetName(), s.Config.PersistMessages, "invite_code:"+code.ID)
		if err != nil {
			return nil, err
		}
		return &b2bv1.RedeemInviteCodeResponse{OrgId: org.ID, Name: org.Name, OrgSecret: secret}, nil
	})
}
