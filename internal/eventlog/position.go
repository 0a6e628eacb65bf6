package eventlog

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Position is a place in the log of an org: after the event with this seq. Seq 0 is the
// beginning.
//
// Check is a fingerprint of that event. After a restore from a backup the log gets other events
// under the same seqs. The fingerprint then shows that a position is of the lost log, also after
// the restored log has grown past it. Check is 0 when the event was pruned.
type Position struct {
	Epoch string
	Seq   int64
	Check uint32
}

const (
	positionVersion = "1"
	// maxPosition bounds the text of a position, in bytes: a version, three
	// separators, 13 + 7 digits and an epoch.
	maxPosition = 64
	maxEpoch    = maxPosition - 1 - 3 - 13 - 7
)

// String returns the opaque form of a position: at most 64 characters that need no escape in a
// URL, a header or JSON.
func (p Position) String() string { return string(p.AppendTo(nil)) }

// AppendTo appends the opaque form.
func (p Position) AppendTo(b []byte) []byte {
	b = append(b, positionVersion...)
	b = append(b, '.')
	b = strconv.AppendInt(b, p.Seq, 36)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(p.Check), 36)
	b = append(b, '.')
	return append(b, p.Epoch...)
}

// ParsePosition parses the result of String, or the page token of CatchUp. Any other text is a
// VALIDATION_ERROR. It does not check whether the log has the position.
func ParsePosition(text string) (Position, error) {
	text, _, _ = strings.Cut(text, pageSeparator)
	parts := strings.Split(text, ".")
	if len(text) > maxPosition || len(parts) != 4 || parts[0] != positionVersion {
		return Position{}, errMalformed()
	}
	seq, err := strconv.ParseInt(parts[1], 36, 64)
	if err != nil || seq < 0 {
		return Position{}, errMalformed()
	}
	check, err := strconv.ParseUint(parts[2], 36, 32)
	if err != nil {
		return Position{}, errMalformed()
	}
	p := Position{Epoch: parts[3], Seq: seq, Check: uint32(check)}
	if !validEpoch(p.Epoch) || p.String() != text { // one position has one text
		return Position{}, errMalformed()
	}
	return p, nil
}

func validEpoch(epoch string) bool {
	for _, c := range []byte(epoch) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return epoch != "" && len(epoch) <= maxEpoch
}

// positionOf returns the position after an event.
func positionOf(epoch string, e *store.Event) Position {
	return Position{Epoch: epoch, Seq: e.Seq, Check: fingerprint(e)}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint returns a checksum of an event, never 0. It leaves out the payload, so that a
// text can be removed from an event later.
func fingerprint(e *store.Event) uint32 {
	var buf [256]byte
	b := strconv.AppendInt(buf[:0], e.At, 10)
	b = append(b, '|')
	b = append(b, e.Type...)
	for _, id := range [...]*string{e.ThreadID, e.ChannelID, e.BotID, e.ActorID} {
		b = append(b, '|')
		if id != nil {
			b = append(b, *id...)
		}
	}
	return max(crc32.Checksum(b, castagnoli), 1)
}

func errMalformed() error {
	return call.Invalid("cursor: this is not a cursor that the server returned")
}

func errExpired() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, "The events after this position were deleted").
		WithHint("Read the current state, then subscribe from now.")
}

func errAhead() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, "This position is ahead of the log").
		WithHint("Read the current state, then subscribe from now.")
}

func errEpoch() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED, "The log was replaced since this position was given").
		WithHint("Read the current state, then subscribe from now.")
}

// SlowError ends a subscription with a reader that fell behind.
type SlowError struct {
	// Resume is the position after the last item read. A subscription from it has no gap.
	Resume Position
}

// Error names the position to resume from.
func (e *SlowError) Error() string {
	return fmt.Sprintf("eventlog: the reader fell behind, resume from %s", e.Resume)
}
