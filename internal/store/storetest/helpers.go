package storetest

import (
	"errors"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// errorsOf returns the first error.
func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var errLimited = errors.New("limited")

// take uses the message bucket of a bot once.
func take(s *suite, tx store.Tx, bot string) error {
	ok, _, err := tx.TakeRate(s.ctx, bot, "message", time.Minute, 100, 1_000_000)
	if err == nil && !ok {
		err = errLimited
	}
	return err
}
