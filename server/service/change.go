package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

// request is a request that changes something.
type request interface {
	proto.Message
	GetRequestId() string
}

// change runs fn as one change of the org ("" is the platform) and answers its
// result once that is durable. A request_id that was used before with the same
// content answers the first result again, without running fn; with another
// content it is refused (B2B-IDEM). fn must be re-runnable, as store.Update says.
func change[M proto.Message](ctx context.Context, c *core, org string, req request, fn func(tx store.Tx) (M, error)) (M, error) {
	return changeIn(ctx, c, place{org: org, under: org}, req, fn)
}

// place is where and how a change is made.
type place struct {
	org   string
	under string // the org that its answer is remembered under
	as    weight // bulk: that of its request
}

// changeIn is change in another place than usual.
func changeIn[M proto.Message](ctx context.Context, c *core, in place, req request, fn func(tx store.Tx) (M, error)) (M, error) {
	id := req.GetRequestId()
	var key, hash string
	if id != "" {
		var err error
		if key, hash, err = idempotencyKey(ctx, req); err != nil {
			return *new(M), err
		}
	}
	var out M
	if in.as == bulk {
		in.as = weightOf(req)
	}
	// Who is no member yet is asked for a credential before it hears of a quota.
	bounded := in.org != "" && call.CallerOf(ctx).OrgID == in.org
	err := c.Store.Update(ctx, in.org, func(tx store.Tx) error {
		if id != "" {
			replayed, found, err := replay[M](ctx, c, tx, in.under, key, id, hash)
			if err != nil || found {
				out = replayed
				return err
			}
		}
		var err error
		if bounded {
			if err = c.withinDay(ctx, tx, in.as); err != nil {
				return err
			}
		}
		if out, err = fn(tx); err != nil {
			return err
		}
		if id != "" {
			if err = c.remember(ctx, tx, in.under, key, id, hash, out); err != nil {
				return err
			}
		}
		return tx.CountStored(ctx, c.nowMS(), in.as != short)
	})
	if err != nil {
		return *new(M), err
	}
	return out, nil
}

// idempotencyKey tells whose request it is and what its content is. Callers
// without a credential are told apart by the content itself, so that one cannot
// use up another's request ids.
func idempotencyKey(ctx context.Context, req request) (key, hash string, err error) {
	info := call.From(ctx)
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return "", "", fmt.Errorf("marshal the request for its hash: %w", err)
	}
	h := sha256.New()
	h.Write([]byte(req.ProtoReflect().Descriptor().FullName()))
	h.Write([]byte{0})
	h.Write(content)
	hash = hex.EncodeToString(h.Sum(nil))
	key = info.Caller.Key()
	if info.Caller.Kind == call.Nobody {
		key += ":" + hash
	}
	return key, hash, nil
}

func replay[M proto.Message](ctx context.Context, c *core, tx store.Tx, org, key, id, hash string) (M, bool, error) {
	none := *new(M)
	record, err := tx.Idempotency(ctx, org, key, id)
	if errors.Is(err, store.ErrNotFound) {
		return none, false, nil
	}
	if err != nil {
		return none, false, fmt.Errorf("look up request_id: %w", err)
	}
	if record.Hash != hash {
		return none, false, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED,
			"This request_id was used with another content").WithHint("Use a new request_id for each new request.")
	}
	plain, err := c.Keys.OpenBytes(seal.Answer(hash), record.Response)
	if err != nil {
		// The key is another: the answer cannot be read any more, and running
		// the change again could double it.
		return none, false, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED,
			"This request was done before, but its answer can no longer be read")
	}
	out := none.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(plain, out); err != nil {
		return none, false, fmt.Errorf("read a remembered answer: %w", err)
	}
	return out, true, nil
}

func (c *core) remember(ctx context.Context, tx store.Tx, org, key, id, hash string, answer proto.Message) error {
	plain, err := proto.Marshal(answer)
	if err != nil {
		return fmt.Errorf("marshal the answer to remember: %w", err)
	}
	return tx.PutIdempotency(ctx, &store.IdempotencyRecord{
		OrgID: org, Caller: key, RequestID: id, Hash: hash, CreatedAt: c.nowMS(),
		Response: c.Keys.SealBytes(seal.Answer(hash), plain),
	})
}
