package thread

import (
	"bytes"
	"encoding/json"
)

// Texts with a special meaning in a policy, beside labels (B2B-THR-074).
const (
	anybody   = "*"
	initiator = "initiator"
)

// Subject is the participant that a policy is evaluated for.
type Subject struct {
	Initiator bool
	Label     string // as stored; empty when there is none
}

// StoredPolicy is a permission policy of the database, parsed once and evaluated often. The zero
// value is "no policy". It is safe for concurrent use.
type StoredPolicy struct {
	state policyState
	rules map[Action][]string
}

type policyState int

const (
	policyAbsent policyState = iota
	policyReadable
	policyUnreadable
)

// ReadPolicy parses a stored policy; nil is "no policy". It never fails: old databases contain
// texts that ParsePolicy refuses, and Evaluate defines what they mean. An array (`[]` was once
// accepted) is a policy without keys. Any other text that is not an object is unreadable. Of a
// duplicate key the last one counts.
func ReadPolicy(text *string) StoredPolicy {
	if text == nil {
		return StoredPolicy{}
	}
	raw := bytes.TrimSpace([]byte(*text))
	if len(raw) > 0 && raw[0] == '[' && json.Valid(raw) {
		return StoredPolicy{state: policyReadable}
	}
	// The form that ParsePolicy accepts, in one pass. A null item becomes an empty label, which
	// matches no participant.
	var accepted map[Action]*[]string
	if err := json.Unmarshal(raw, &accepted); err == nil && accepted != nil {
		rules := make(map[Action][]string, len(accepted))
		for action, labels := range accepted {
			if labels != nil {
				rules[action] = *labels
			}
		}
		return StoredPolicy{state: policyReadable, rules: rules}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return StoredPolicy{state: policyUnreadable}
	}
	rules := make(map[Action][]string, len(members))
	for _, action := range Actions() {
		if labels, ok := readLabels(members[string(action)]); ok {
			rules[action] = labels
		}
	}
	return StoredPolicy{state: policyReadable, rules: rules}
}

// readLabels returns the strings in the array of an action. ok is false when there is no array.
// Items that are not strings match no participant and are left out.
func readLabels(raw json.RawMessage) (labels []string, ok bool) {
	items, ok := decodeArray(raw)
	if !ok {
		return nil, false
	}
	labels = make([]string, 0, len(items))
	for _, item := range items {
		var label *string
		if json.Unmarshal(item, &label) == nil && label != nil {
			labels = append(labels, *label)
		}
	}
	return labels, true
}

// Evaluate reports whether a participant may do an action on a thread (B2B-THR-071 to 075):
//
//  1. The policy of the thread takes precedence as a whole, also for keys that it lacks. An
//     unreadable one denies.
//  2. Without a policy of the thread, the array of the org default for this action is used. An
//     unreadable org default counts as none.
//  3. Without an array, manage is for the initiator, and every other action is for everybody.
//  4. "*" allows everybody.
//  5. "initiator" allows the initiator.
//  6. A label allows the participants with exactly this label, unless it is empty. A participant
//     with the label "initiator" is not allowed by it (B2B-THR-075); in HXA-Connect it is.
//
// So an empty array denies everybody, including the initiator.
func Evaluate(thread, orgDefault StoredPolicy, action Action, who Subject) bool {
	labels, restricted := []string(nil), false
	switch thread.state {
	case policyUnreadable:
		return false
	case policyReadable:
		labels, restricted = thread.rules[action]
	case policyAbsent:
		labels, restricted = orgDefault.rules[action]
	}
	if !restricted {
		return action != ActionManage || who.Initiator
	}
	for _, label := range labels {
		switch {
		case label == anybody:
			return true
		case label == initiator:
			if who.Initiator {
				return true
			}
		case who.Label != "" && label == who.Label:
			return true
		}
	}
	return false
}

// Allowed is Evaluate for stored policies; nil is "no policy".
func Allowed(threadPolicy, orgDefault *string, action Action, who Subject) bool {
	return Evaluate(ReadPolicy(threadPolicy), ReadPolicy(orgDefault), action, who)
}
