package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// item is what a listener's handler received.
type item struct {
	kind     string // "event", "other" or "resync"
	position string // "-": it has none
	content  string // of a message, or the reason of a resync
}

// life is one process of a listener.
type life struct {
	stored string // what its position store had when it started; empty: nothing
	closed bool   // it was asked to end, and saved its position
	items  []item
}

// sending is what is known about the sending of a message.
type sending int

const (
	unsure sending = iota // no response: it was sent once or not at all
	sent
)

// judge returns what is wrong with what a listener handled in its lives, given the contents of all
// messages of the log in their order, and the reasons for which there must be resyncs. Each life must
// have handled what follows the position that it found, each message once and in order; the last one
// must have reached the end.
func judge(log []string, lives []life, resyncs []string) error {
	number := make(map[string]int, len(log)) // of the messages up to this one
	for i, content := range log {
		if number[content] > 0 {
			return fmt.Errorf("message %s is in the log twice", content)
		}
		number[content] = i + 1
	}
	var handled []reached // over all lives
	done := 0             // messages
	seen := map[string]bool{}
	for i, l := range lives {
		now := map[string]bool{} // a life may end before it commits a resync
		at, err := handledAt(l.stored, handled, done)
		if err != nil {
			return fmt.Errorf("life %d: %w", i+1, err)
		}
		if i > 0 && lives[i-1].closed && at < done-1 {
			return fmt.Errorf("life %d saved a position after %d messages when it was closed, of the %d that it had handled", i, at, done)
		}
		for _, it := range l.items {
			switch it.kind {
			case "event":
				n := number[it.content]
				switch {
				case n == 0:
					return fmt.Errorf("life %d handled message %s, which is not in the log", i+1, it.content)
				case n <= at:
					return fmt.Errorf("life %d handled message %s again: it was at message %d of the log, and has stored %q", i+1, it.content, at, l.stored)
				case n > at+1:
					return fmt.Errorf("life %d lost %d messages before %s: it was at message %d of the log, and has stored %q", i+1, n-at-1, it.content, at, l.stored)
				}
				at = n
			case "resync":
				if now[it.content] {
					return fmt.Errorf("life %d has two resyncs with %s", i+1, it.content)
				}
				now[it.content], seen[it.content] = true, true
			}
			if it.position != "-" {
				handled = append(handled, reached{it.position, at})
			}
		}
		done = max(done, at)
	}
	if done < len(log) {
		return fmt.Errorf("the last %d messages are lost", len(log)-done)
	}
	for _, reason := range resyncs {
		if !seen[reason] {
			return fmt.Errorf("there was no resync with %s", reason)
		}
		delete(seen, reason)
	}
	if len(seen) > 0 {
		return fmt.Errorf("resyncs without a reason: %v", slices.Collect(maps.Keys(seen)))
	}
	return nil
}

// reached says how many messages were handled when a listener was at a position.
type reached struct {
	position string
	messages int
}

// handledAt returns how many messages were handled at a stored position. A position between two
// events counts as the first.
func handledAt(stored string, handled []reached, done int) (int, error) {
	if stored == "" {
		return 0, nil
	}
	log, seq, err := parsePosition(stored)
	if err != nil {
		return 0, err
	}
	at, found := 0, false
	for _, h := range handled {
		l, s, err := parsePosition(h.position)
		if err != nil {
			return 0, err
		}
		if l == log && s <= seq {
			at, found = max(at, h.messages), true
		}
	}
	if !found && !slices.ContainsFunc(handled, func(h reached) bool {
		l, _, err := parsePosition(h.position)
		return err == nil && l == log
	}) && len(handled) > 0 {
		return done, nil // the beginning of another log
	}
	return at, nil
}

// parsePosition returns the log and the place in it. Positions are opaque to clients; this program
// is of the repository of the server.
func parsePosition(position string) (log string, seq int64, err error) {
	parts := strings.Split(position, ".")
	if len(parts) != 4 {
		return "", 0, fmt.Errorf("position %q is malformed", position)
	}
	seq, err = strconv.ParseInt(parts[1], 36, 64)
	return parts[3], seq, err
}

// isAtLeast reports whether a position is of the same log as another, and not before it.
func isAtLeast(position, other string) (bool, error) {
	if position == "" {
		return false, nil
	}
	log, seq, err := parsePosition(position)
	if err != nil {
		return false, err
	}
	otherLog, otherSeq, err := parsePosition(other)
	return log == otherLog && seq >= otherSeq, err
}

// judgeSends returns what is wrong with the log, given what is known about the sends.
func judgeSends(log []string, sends map[int]sending) error {
	times := map[string]int{}
	for _, content := range log {
		times[content]++
	}
	numbers := make([]int, 0, len(sends))
	for n := range sends {
		numbers = append(numbers, n)
	}
	slices.SortFunc(numbers, cmp.Compare)
	for _, n := range numbers {
		got := times[strconv.Itoa(n)]
		delete(times, strconv.Itoa(n))
		if got > 1 {
			return fmt.Errorf("message %d was sent %d times", n, got)
		}
		if sends[n] == sent && got == 0 {
			return fmt.Errorf("message %d was acknowledged and is not in the log", n)
		}
	}
	if len(times) > 0 {
		return fmt.Errorf("the log has messages that nobody sent: %v", times)
	}
	return nil
}
