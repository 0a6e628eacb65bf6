package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Found is the bot of a token.
type Found struct {
	Bot   *store.Bot
	Token *store.Token // the scoped token; nil for the primary one
}

// FindToken finds a primary or scoped token of a bot, expired or not. The error of an unknown
// token is store.ErrNotFound.
func FindToken(ctx context.Context, r TokenReader, token string) (*Found, error) {
	return findHash(ctx, r, Hash(token), strings.HasPrefix(token, scopedPrefix))
}

// findHash finds a token by its hash. scoped reports that it probably is a scoped one, which is
// then looked up first.
func findHash(ctx context.Context, r TokenReader, hash string, scoped bool) (*Found, error) {
	kinds := []func(context.Context, TokenReader, string) (*Found, error){findPrimary, findScoped}
	if scoped {
		kinds[0], kinds[1] = kinds[1], kinds[0]
	}
	found, err := kinds[0](ctx, r, hash)
	if errors.Is(err, store.ErrNotFound) {
		found, err = kinds[1](ctx, r, hash)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find a token: %w", err)
	}
	return found, err
}

func findPrimary(ctx context.Context, r TokenReader, hash string) (*Found, error) {
	bot, err := r.BotByTokenHash(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &Found{Bot: bot}, nil
}

func findScoped(ctx context.Context, r TokenReader, hash string) (*Found, error) {
	token, err := r.TokenByHash(ctx, hash)
	if err != nil {
		return nil, err
	}
	bot, err := r.BotByID(ctx, token.BotID)
	if err != nil {
		return nil, err
	}
	return &Found{Bot: bot, Token: token}, nil
}

// Expired reports whether the token had expired at now, in Unix milliseconds.
func (f *Found) Expired(now int64) bool {
	return f.Token != nil && f.Token.ExpiresAt != nil && *f.Token.ExpiresAt < now
}

// Scopes returns the names of the token's scopes.
func (f *Found) Scopes() ([]string, error) {
	if f.Token == nil {
		return []string{"full"}, nil
	}
	return scopeNames(f.Token.Scopes)
}

func scopeNames(text string) ([]string, error) {
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("read stored scopes: %w", err)
	}
	return names, nil
}

// TokenUnknown is the error of a token that does not exist.
func TokenUnknown() *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN, "This token is not known")
}

// TokenExpired is the error of a scoped token that has expired.
func TokenExpired() *call.Error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED, "This token has expired").
		WithHint("Make a new one with the bot's primary token.")
}

// BotRefusal returns the reason why a bot is refused, or nil for an active bot. Clients match
// the text of the error.
func BotRefusal(bot *store.Bot) *call.Error {
	message := "This bot was rejected by an admin of its org"
	switch bot.JoinStatus {
	case store.BotActive:
		return nil
	case store.BotPending:
		message = "This bot waits for the approval of an admin of its org"
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "bot_not_active").
		With("join_status", bot.JoinStatus).With("message", message)
}

// OrgRefusal returns the reason why all callers of an org are refused, or nil for an active
// org.
func OrgRefusal(org *store.Org) *call.Error {
	if org.Status == store.OrgActive {
		return nil
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED, "This org is suspended").
		WithHint("Ask the operator of the server.")
}
