package service

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// tokenService manages the scoped tokens of a bot.
type tokenService struct {
	*core
	reads tokenReads
}

// tokenReads is what tokenService reads of the store.
type tokenReads interface {
	Tokens(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.Token, error)
}

// tokenTx is what its changes need.
type tokenTx interface {
	eventTx
	auditTx
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	TokenByID(ctx context.Context, bot, id string) (*store.Token, error)
	CreateToken(ctx context.Context, t *store.Token) error
	DeleteToken(ctx context.Context, bot, id string) (store.Descendants, error)
}

func (s *tokenService) CreateToken(ctx context.Context, req *b2bv1.CreateTokenRequest) (*b2bv1.CreateTokenResponse, error) {
	caller := call.CallerOf(ctx)
	if len(req.GetScopes()) == 0 {
		return nil, call.Invalid("scopes must be a list of at least one scope")
	}
	scopes := make([]string, len(req.GetScopes()))
	for i, scope := range req.GetScopes() {
		if _, known := b2bv1.TokenScope_name[int32(scope)]; !known || scope == b2bv1.TokenScope_TOKEN_SCOPE_UNSPECIFIED {
			return nil, call.Invalid("scopes must be any of %s", strings.Join(call.ScopeNames(), ", "))
		}
		scopes[i] = textOf(scope, "TOKEN_SCOPE_")
	}
	if in := req.ExpiresIn; in != nil && !(*in > 0) {
		return nil, call.Invalid("expires_in must be a number of milliseconds above 0")
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx tokenTx) (*b2bv1.CreateTokenResponse, error) {
		token, now := auth.NewScopedToken(), s.nowMS()
		row := &store.Token{
			ID: newID(), BotID: caller.BotID, TokenHash: auth.Hash(token), Scopes: *jsonText(scopes), Label: req.Label, CreatedAt: now,
		}
		if req.ExpiresIn != nil {
			ends := int64(math.Min(math.Ceil(float64(now)+req.GetExpiresIn()), lastTime))
			row.ExpiresAt = &ends
		}
		if err := s.inherit(ctx, tx, row); err != nil {
			return nil, err
		}
		if _, err := tx.Bot(ctx, caller.OrgID, caller.BotID); err != nil {
			return nil, notFound(err, "Bot")
		}
		if err := tx.CreateToken(ctx, row); err != nil {
			return nil, fmt.Errorf("create a token: %w", err)
		}
		details := detail{"scopes": scopes, "label": row.Label, "expires_at": row.ExpiresAt}
		if row.ParentID != nil {
			details["parent_id"] = *row.ParentID
		}
		if err := s.audit(ctx, tx, caller.OrgID, &caller.BotID, "bot.token_create", "token", row.ID, details); err != nil {
			return nil, err
		}
		out := s.tokenOut(row, req.GetScopes())
		out.Token = &token
		return &b2bv1.CreateTokenResponse{Token: out}, nil
	})
}

// inherit makes the scoped token of the caller, or of its session, the parent of a new token,
// which must not expire later than its parent (B2B-AUTH-060). It does not check scopes: only
// callers with the scope full may create tokens, and full includes all others.
func (s *tokenService) inherit(ctx context.Context, tx tokenTx, row *store.Token) error {
	caller := call.CallerOf(ctx)
	id := caller.TokenID
	if caller.Session != nil {
		id = caller.Session.TokenID
		if id == "" && caller.Session.IsScopedToken { // imported data does not name the token
			row.EndBy(caller.Session.ExpiresAt)
		}
	}
	if id == "" {
		return nil
	}
	parent, err := tx.TokenByID(ctx, caller.BotID, id)
	if errors.Is(err, store.ErrNotFound) {
		return auth.TokenUnknown()
	}
	if err != nil {
		return fmt.Errorf("find the token of the caller: %w", err)
	}
	row.ParentID = &parent.ID
	if parent.ExpiresAt != nil {
		row.EndBy(*parent.ExpiresAt)
	}
	return nil
}

func (s *tokenService) tokenOut(row *store.Token, scopes []b2bv1.TokenScope) *b2bv1.Token {
	out := &b2bv1.Token{
		Id: row.ID, Scopes: scopes, Label: row.Label, ExpiresAt: stampOf(row.ExpiresAt), CreatedAt: stamp(row.CreatedAt),
	}
	used := s.Access.LastUsed(row.ID)
	if row.LastUsedAt != nil {
		used = max(used, *row.LastUsedAt)
	}
	if used != 0 {
		out.LastUsedAt = stamp(used)
	}
	return out
}

func (s *tokenService) ListTokens(ctx context.Context, req *b2bv1.ListTokensRequest) (*b2bv1.ListTokensResponse, error) {
	before, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	size := within(req.Limit, limits.UsualTokensPage, limits.MaxTokensPage)
	rows, err := s.reads.Tokens(ctx, call.CallerOf(ctx).BotID, before, size+1)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	rows, more := page(rows, size)
	out := &b2bv1.ListTokensResponse{Tokens: make([]*b2bv1.Token, len(rows))}
	for i := range rows {
		names := listOut(&rows[i].Scopes)
		out.Tokens[i] = s.tokenOut(&rows[i], scopesOf(names.GetValues()))
	}
	if rows, out.Tokens, more = cutToSize(s.core, rows, out.Tokens, more); more {
		last := &rows[len(rows)-1]
		out.NextCursor = formatPageToken(last.CreatedAt, last.ID)
	}
	return out, nil
}

func scopesOf(names []string) []b2bv1.TokenScope {
	scopes := make([]b2bv1.TokenScope, len(names))
	for i, name := range names {
		scopes[i] = enumOf[b2bv1.TokenScope](b2bv1.TokenScope_value, "TOKEN_SCOPE_", name)
	}
	return scopes
}

func (s *tokenService) DeleteToken(ctx context.Context, req *b2bv1.DeleteTokenRequest) (*b2bv1.DeleteTokenResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx tokenTx) (*b2bv1.DeleteTokenResponse, error) {
		gone, err := tx.DeleteToken(ctx, caller.BotID, req.GetId())
		if err != nil {
			return nil, notFound(err, "Token")
		}
		var details any
		if gone != (store.Descendants{}) {
			details = detail{"tokens_ended": gone.Tokens, "sessions_ended": gone.Sessions}
		}
		if err := s.audit(ctx, tx, caller.OrgID, &caller.BotID, "bot.token_revoke", "token", req.GetId(), details); err != nil {
			return nil, err
		}
		if err := s.accessChanged(ctx, tx, caller.BotID); err != nil {
			return nil, err
		}
		return &b2bv1.DeleteTokenResponse{Ok: true}, nil
	})
}
