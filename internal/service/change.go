package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// request is a request of an operation that changes something.
type request interface {
	proto.Message
	GetRequestId() string
}

// change runs fn as one transaction of the org (empty: of the platform) and returns its result
// once that is durable. If the request_id was used before with the same content, it returns the
// first result without running fn; with another content it returns an error (B2B-IDEM).
// fn may run more than once, as store.Update states. T is the part of Tx that the service states.
func change[M proto.Message, T any](ctx context.Context, c *core, org string, req request, fn func(tx T) (M, error)) (M, error) {
	return changeIn(ctx, c, changeOptions{org: org, responseOrg: org}, req, fn)
}

// changeOptions are the options of changeIn.
type changeOptions struct {
	org         string
	responseOrg string     // where the response is stored: not in an org that the change deletes
	class       quotaClass // how the change counts against the quotas; the zero value, bulk: quotaClassOf decides by the request
}

// changeIn is change with options.
func changeIn[M proto.Message, T any](ctx context.Context, c *core, in changeOptions, req request, fn func(tx T) (M, error)) (M, error) {
	id := req.GetRequestId()
	var key, hash string
	if id != "" {
		var err error
		if key, hash, err = idempotencyKey(ctx, req); err != nil {
			return *new(M), err
		}
	}
	var out M
	if in.class == bulk {
		in.class = quotaClassOf(req)
	}
	// The quota is checked here for members of the org only. For others, as in a registration, fn
	// checks it after their credential.
	member := in.org != "" && call.CallerOf(ctx).OrgID == in.org
	err := c.db.Update(ctx, in.org, func(tx Tx) error {
		if id != "" {
			replayed, found, err := replay[M](ctx, c, tx, in.responseOrg, key, id, hash)
			if err != nil || found {
				out = replayed
				return err
			}
		}
		var err error
		if member {
			if err = c.checkStorageQuota(ctx, tx, in.class); err != nil {
				return err
			}
		}
		if out, err = fn(any(tx).(T)); err != nil {
			return err
		}
		if err = c.settle(ctx, tx, req); err != nil {
			return err
		}
		if id != "" {
			if err = c.remember(ctx, tx, in.responseOrg, key, id, hash, out); err != nil {
				return err
			}
		}
		return tx.CountStored(ctx, c.nowMS(), in.class != short)
	})
	if err != nil {
		return *new(M), err
	}
	if settlesOf(req) != nil {
		c.settled(in.org, call.CallerOf(ctx).BotID)
	}
	return out, nil
}

// idempotencyKey returns the key of the caller and the hash of the request. The key of a caller
// without a credential includes the hash, so that such callers cannot use up each other's
// request ids.
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

// replay returns the stored response of a request_id, if there is one.
func replay[M proto.Message](ctx context.Context, c *core, tx changeTx, org, key, id, hash string) (M, bool, error) {
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
			"This request_id was used before with another request").WithHint("Use a new request_id for each new request.")
	}
	plain, err := c.Keys.OpenBytes(seal.Answer(hash), record.Response)
	if err != nil {
		// The seal key was replaced. The response cannot be read, and running the change again
		// could make it twice.
		return none, false, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED,
			"This request was done before, but its stored response cannot be read")
	}
	out := none.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(plain, out); err != nil {
		return none, false, fmt.Errorf("unmarshal a stored response: %w", err)
	}
	return out, true, nil
}

// remember stores the response of a request_id.
func (c *core) remember(ctx context.Context, tx changeTx, org, key, id, hash string, response proto.Message) error {
	plain, err := proto.Marshal(response)
	if err != nil {
		return fmt.Errorf("marshal the response to store: %w", err)
	}
	return tx.PutIdempotency(ctx, &store.IdempotencyRecord{
		OrgID: org, Caller: key, RequestID: id, Hash: hash, CreatedAt: c.nowMS(),
		Response: c.Keys.SealBytes(seal.Answer(hash), plain),
	})
}
