package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// profile is a request with the lists of a profile: a registration or a profile update.
type profile interface {
	GetTags() *b2bv1.StringList
	GetLanguages() *b2bv1.StringList
}

// profileFields are the string fields of a profile in a request.
type profileFields struct {
	bio, role, function, team, statusText, timezone, activeHours, version, runtime, protocols *string
}

// apply writes the named fields to b and returns them. It checks that protocols is JSON; the sizes
// of all fields were checked before (B2B-BOT-010, B2B-LIM-001).
func (f profileFields) apply(b *store.Bot, lists profile, named func(string) bool) ([]store.BotField, error) {
	var written []store.BotField
	texts := []struct {
		field store.BotField
		value *string
		into  **string
	}{
		{store.BotBio, f.bio, &b.Bio}, {store.BotRole, f.role, &b.Role}, {store.BotFunction, f.function, &b.Function},
		{store.BotTeam, f.team, &b.Team}, {store.BotStatusText, f.statusText, &b.StatusText},
		{store.BotTimezone, f.timezone, &b.Timezone}, {store.BotActiveHours, f.activeHours, &b.ActiveHours},
		{store.BotVersion, f.version, &b.Version}, {store.BotRuntime, f.runtime, &b.Runtime},
	}
	for _, t := range texts {
		if !named(string(t.field)) {
			continue
		}
		*t.into = t.value
		written = append(written, t.field)
	}
	for _, l := range []struct {
		field store.BotField
		value *b2bv1.StringList
		into  **string
	}{{store.BotTags, lists.GetTags(), &b.Tags}, {store.BotLanguages, lists.GetLanguages(), &b.Languages}} {
		if !named(string(l.field)) {
			continue
		}
		*l.into = storedList(l.value)
		written = append(written, l.field)
	}
	if named(string(store.BotProtocols)) {
		protocols, err := rawJSON(string(store.BotProtocols), f.protocols)
		if err != nil {
			return nil, err
		}
		if protocols != nil && !strings.ContainsAny((*protocols)[:1], "{[") {
			return nil, call.Invalid("protocols must be an object or an array")
		}
		b.Protocols = protocols
		written = append(written, store.BotProtocols)
	}
	return written, nil
}

// rawJSON checks a free-form JSON value and removes the white space around it. It returns nil for
// null.
func rawJSON(field string, text *string) (*string, error) {
	if text == nil {
		return nil, nil
	}
	if !json.Valid([]byte(*text)) {
		return nil, call.Invalid("%s must be JSON", field)
	}
	trimmed := strings.Trim(*text, " \t\r\n")
	if trimmed == "null" {
		return nil, nil
	}
	return &trimmed, nil
}

func (s *botService) UpdateProfile(ctx context.Context, req *b2bv1.UpdateProfileRequest) (*b2bv1.UpdateProfileResponse, error) {
	caller := call.CallerOf(ctx)
	named := namedFields(req, req.GetUpdateMask())
	fields := profileFields{
		bio: req.Bio, role: req.Role, function: req.Function, team: req.Team, statusText: req.StatusText,
		timezone: req.Timezone, activeHours: req.ActiveHours, version: req.Version, runtime: req.Runtime,
		protocols: req.Protocols,
	}
	var sent store.Bot
	written, err := fields.apply(&sent, req, named)
	if err != nil {
		return nil, err
	}
	if len(written) == 0 {
		return nil, call.Invalid("No profile field to update").WithHint("Name at least one of the profile's fields.")
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx botTx) (*b2bv1.UpdateProfileResponse, error) {
		update := sent
		update.ID = caller.BotID
		if _, err := tx.Bot(ctx, caller.OrgID, caller.BotID); err != nil {
			return nil, notFound(err, "Bot")
		}
		if err := tx.UpdateBotProfile(ctx, &update, written...); err != nil {
			return nil, fmt.Errorf("update a profile: %w", err)
		}
		if err := s.profileChanged(ctx, tx, caller.BotID); err != nil {
			return nil, err
		}
		err := s.audit(ctx, tx, caller.OrgID, &caller.BotID, "bot.profile_update", "bot", caller.BotID, detail{"fields": written})
		if err != nil {
			return nil, err
		}
		bot, err := tx.Bot(ctx, caller.OrgID, caller.BotID)
		if err != nil {
			return nil, fmt.Errorf("read the bot again: %w", err)
		}
		return &b2bv1.UpdateProfileResponse{Bot: s.botOut(bot)}, nil
	})
}

func (s *botService) RenameMe(ctx context.Context, req *b2bv1.RenameMeRequest) (*b2bv1.RenameMeResponse, error) {
	caller := call.CallerOf(ctx)
	name := req.GetName()
	if err := limits.BotName(name); err != nil {
		return nil, ruleError(err)
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx botTx) (*b2bv1.RenameMeResponse, error) {
		bot, err := tx.Bot(ctx, caller.OrgID, caller.BotID)
		if err != nil {
			return nil, notFound(err, "Bot")
		}
		old := bot.Name
		if name == old {
			return nil, call.Invalid("name is already the name of this bot")
		}
		if err := checkNameFree(ctx, tx, caller.OrgID, name); err != nil {
			return nil, err
		}
		if err := tx.RenameBot(ctx, bot.ID, name); err != nil {
			return nil, fmt.Errorf("rename a bot: %w", err)
		}
		bot.Name = name
		if err := s.audit(ctx, tx, bot.OrgID, &bot.ID, "bot.rename", "bot", bot.ID, detail{"old_name": old, "new_name": name}); err != nil {
			return nil, err
		}
		err = s.emit(ctx, tx, toOrg(), &b2bv1.Event{Event: &b2bv1.Event_BotRenamed{
			BotRenamed: &b2bv1.BotRenamedEvent{BotId: bot.ID, OldName: old, NewName: name},
		}})
		if err != nil {
			return nil, err
		}
		if err := s.accessChanged(ctx, tx, bot.ID); err != nil {
			return nil, err
		}
		return &b2bv1.RenameMeResponse{Bot: s.botOut(bot)}, nil
	})
}

// checkNameFree returns an error for a name that another bot of the org has, or that a deleted bot
// still reserves (B2B-BOT-011, B2B-BOT-014).
func checkNameFree(ctx context.Context, r nameReader, org, name string) error {
	switch _, err := r.Tombstone(ctx, org, name); {
	case err == nil:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NAME_TOMBSTONED, "This name belonged to a bot that was deleted").
			WithHint("Take another name, or let a human release this one.")
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("look for a tombstone: %w", err)
	}
	switch _, err := r.BotByName(ctx, org, name); {
	case err == nil:
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_NAME_CONFLICT, "Another bot of this org has this name").
			WithHint("Take another name.")
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("look for the name: %w", err)
	}
	return nil
}
