package thread

import (
	"bytes"
	"encoding/json"
)

// Wildcards that a policy may list beside labels (B2B-THR-074).
const (
	anybody   = "*"
	initiator = "initiator"
)

// Subject is the participant whose permission is asked for.
type Subject struct {
	Initiator bool
	Label     string // as stored; empty when there is none
}

// StoredPolicy is a permission policy as the database has it, read once and asked often. The zero value is "no policy".
// It is safe for concurrent use.
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

// ReadPolicy reads a stored policy text; nil is "no policy". It never fails: old databases hold texts that nothing
// accepts any more, and what they mean is part of the evaluation. An array (`[]` was once accepted) is a policy that
// has no key; a text that is neither object nor array is unreadable. Of a key given twice the last counts.
func ReadPolicy(text *string) StoredPolicy {
	if text == nil {
		return StoredPolicy{}
	}
	raw := bytes.TrimSpace([]byte(*text))
	if len(raw) > 0 && raw[0] == '[' && json.Valid(raw) {
		return StoredPolicy{state: policyReadable}
	}
	// The shape that ParsePolicy accepts, in one pass. A null item reads as an empty label, which matches nobody.
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

// readLabels reads the array of one action: its strings, and nothing where there is no array. What is no string in it
// can match nobody.
func readLabels(raw json.RawMessage) ([]string, bool) {
	items, ok := decodeArray(raw)
	if !ok {
		return nil, false
	}
	labels := make([]string, 0, len(items))
	for _, item := range items {
		var label *string
		if json.Unmarshal(item, &label) == nil && label != nil {
			labels = append(labels, *label)
		}
	}
	return labels, true
}

// Evaluate decides whether a participant may do an action on a thread (B2B-THR-071 to 075):
//
//  1. A policy of the thread is used alone, also for keys it lacks; one that cannot be read
//     denies.
//  2. Without one, the org default's array for this action is used; an org default that cannot
//     be read counts as none.
//  3. No array: manage is the initiator's, every other action is open.
//  4. "*" allows everybody.
//  5. "initiator" allows the initiator.
//  6. The participant's label, exact and not empty, allows. The label "initiator" does not
//     (B2B-THR-075); in HXA-Connect it does.
//
// So an empty array denies everybody, the initiator too.
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

// Allowed is Evaluate on the stored texts; nil is "no policy".
func Allowed(threadPolicy, orgDefault *string, action Action, who Subject) bool {
	return Evaluate(ReadPolicy(threadPolicy), ReadPolicy(orgDefault), action, who)
}
