package service

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// How many places a task and a bot may be posted to (B2B-A2A-020). Each is a reader of the log.
const (
	mostPushesOfTask = 5
	mostPushesOfBot  = 100
)

// Pushes keeps the places to which the states of tasks of A2A are posted (B2B-A2A-017). Its methods are
// for the calling bot, which the task belongs to.
type Pushes struct {
	*core
	reads pushReads
}

// pushReads is what Pushes reads of the store.
type pushReads interface {
	PushConfigs(ctx context.Context, bot, thread string, limit int) ([]store.PushConfig, error)
}

// pushTx is what its changes need.
type pushTx interface {
	entryReader
	auditTx
	eventTx
	pushReads
	accessTx
	quotaTx
	CountPushConfigs(ctx context.Context, bot string) (int64, error)
	PutPushConfig(ctx context.Context, p *store.PushConfig) error
	DeletePushConfig(ctx context.Context, id string) error
	EndPushConfigs(ctx context.Context, bot string, now int64) error
	CountStored(ctx context.Context, at int64, bulk bool) error
}

// NewPushes returns the push configs of a server.
func NewPushes(d Deps) *Pushes { return &Pushes{newCore(d), d.Store} }

// PushConfig is a place to which the state of a task is posted.
type PushConfig struct {
	ID     string // the client's, unique in the thread
	Thread string
	Agent  string // the id of the bot that works on the task
	Target seal.PushTarget
}

// CheckURL returns an error for an address that nothing may be posted to (B2B-HOOK-030).
func (s *Pushes) CheckURL(ctx context.Context, address string) error {
	if err := limits.CheckBytes("url", address, limits.MaxWebhookURL); err != nil {
		return call.Invalid("%s", err)
	}
	return s.checkAddress(ctx, "url", address)
}

// Set adds a place, or replaces the one with its id. What the replaced one had not posted yet is posted
// to the new one.
func (s *Pushes) Set(ctx context.Context, c PushConfig) error {
	if err := s.CheckURL(ctx, c.Target.URL); err != nil {
		return err
	}
	caller, now := call.CallerOf(ctx), s.nowMS()
	p := &store.PushConfig{
		ID: newID(), OrgID: caller.OrgID, BotID: caller.BotID, ThreadID: c.Thread, ConfigID: c.ID, AgentID: c.Agent,
		TokenHash: caller.TokenHash, CreatedAt: now,
	}
	var err error
	if p.Sealed, err = s.Keys.SealPush(p.ID, c.Target); err != nil {
		return fmt.Errorf("seal a push config: %w", err)
	}
	return update(ctx, s.core, caller.OrgID, func(tx pushTx) error {
		row := *p
		if err := s.checkStorageQuota(ctx, tx, bulk); err != nil {
			return err
		}
		if _, _, err := s.enter(ctx, tx, c.Thread, true); err != nil {
			return err
		}
		if err := tx.EndPushConfigs(ctx, caller.BotID, now); err != nil {
			return fmt.Errorf("end push configs without a token: %w", err)
		}
		replaced, err := s.room(ctx, tx, caller.BotID, c)
		switch {
		case err != nil:
			return err
		case replaced != nil:
			row.Seq, row.CreatedAt = replaced.Seq, replaced.CreatedAt
			if replaced.NextAt != nil {
				row.NextAt = &now
			}
			if err := tx.DeletePushConfig(ctx, replaced.ID); err != nil {
				return fmt.Errorf("remove a push config: %w", err)
			}
		default:
			top, err := tx.LogTop(ctx, caller.OrgID)
			if err != nil {
				return fmt.Errorf("find the end of the log: %w", err)
			}
			row.Seq = top.Seq
		}
		if err := tx.PutPushConfig(ctx, &row); err != nil {
			return fmt.Errorf("store a push config: %w", err)
		}
		if err := s.changed(ctx, tx, "push.set", c.Thread, detail{"config_id": c.ID, "host": hostOf(c.Target.URL)}); err != nil {
			return err
		}
		return tx.CountStored(ctx, now, true)
	})
}

// room returns the push config that has the id already, or an error if there is no room for another.
func (s *Pushes) room(ctx context.Context, tx pushTx, bot string, c PushConfig) (*store.PushConfig, error) {
	of, err := tx.PushConfigs(ctx, bot, c.Thread, mostPushesOfTask)
	if err != nil {
		return nil, fmt.Errorf("list push configs: %w", err)
	}
	if i := slices.IndexFunc(of, func(p store.PushConfig) bool { return p.ConfigID == c.ID }); i >= 0 {
		return &of[i], nil
	}
	all, err := tx.CountPushConfigs(ctx, bot)
	switch {
	case err != nil:
		return nil, fmt.Errorf("count push configs: %w", err)
	case len(of) >= mostPushesOfTask:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "The task has %d push configs, the most that it may have", mostPushesOfTask).
			WithHint("Delete one.")
	case all >= mostPushesOfBot:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "The bot has %d push configs, the most that it may have", mostPushesOfBot).
			WithHint("Delete some. Those of tasks that end go by themselves.")
	}
	return nil, nil
}

// changed writes the audit entry of a change, and tells the nodes of it.
func (s *Pushes) changed(ctx context.Context, tx pushTx, action, thread string, details detail) error {
	caller := call.CallerOf(ctx)
	if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), action, "thread", thread, details); err != nil {
		return err
	}
	if _, err := tx.Append(ctx, store.WebhookChanged(caller.BotID, s.nowMS())); err != nil {
		return fmt.Errorf("append the change of a push config: %w", err)
	}
	return nil
}

// hostOf returns the host of an address that was checked. Its path may have a secret.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// List returns the places of a task, the oldest first, without what only their receivers may know.
func (s *Pushes) List(ctx context.Context, thread string) ([]PushConfig, error) {
	rows, err := s.reads.PushConfigs(ctx, call.CallerOf(ctx).BotID, thread, mostPushesOfTask)
	if err != nil {
		return nil, fmt.Errorf("list push configs: %w", err)
	}
	out := make([]PushConfig, 0, len(rows))
	for _, p := range rows {
		target, err := s.Keys.OpenPush(p.ID, p.Sealed)
		if err != nil { // another key sealed it: it is shown without its address, so that it can be deleted
			s.Log.WarnContext(ctx, "the address of a push config cannot be decrypted", "bot", p.BotID, "thread", p.ThreadID, "error", err)
		}
		target.Token, target.Credentials = "", ""
		out = append(out, PushConfig{ID: p.ConfigID, Thread: p.ThreadID, Agent: p.AgentID, Target: target})
	}
	return out, nil
}

// Delete removes a place. After it nothing is posted there.
func (s *Pushes) Delete(ctx context.Context, thread, id string) error {
	caller := call.CallerOf(ctx)
	return update(ctx, s.core, caller.OrgID, func(tx pushTx) error {
		of, err := tx.PushConfigs(ctx, caller.BotID, thread, mostPushesOfTask)
		if err != nil {
			return fmt.Errorf("list push configs: %w", err)
		}
		i := slices.IndexFunc(of, func(p store.PushConfig) bool { return p.ConfigID == id })
		if i < 0 {
			return nil
		}
		if err := tx.DeletePushConfig(ctx, of[i].ID); err != nil {
			return fmt.Errorf("remove a push config: %w", err)
		}
		if err := s.changed(ctx, tx, "push.delete", thread, detail{"config_id": id}); err != nil {
			return err
		}
		return tx.CountStored(ctx, s.nowMS(), true)
	})
}
