package thread

// Write names the groups of fields that a PATCH of a thread writes. A group counts as written when
// the request names one of its fields, even with the current value.
type Write struct {
	Status    Status // the new status; empty when not written
	Context   bool
	Topic     bool
	Policy    bool // permission_policy
	Settings  bool // visibility, join_policy or both
	TurnLimit bool // turn_limit
}

// Revisions returns by how much the write increases the thread's revision: one for each group
// (B2B-THR-054). Any write but an empty one also sets updated_at; no write sets last_activity_at.
func (w Write) Revisions() int64 {
	var n int64
	if w.Status != "" {
		n++
	}
	for _, written := range []bool{w.Context, w.Topic, w.Policy, w.Settings, w.TurnLimit} {
		if written {
			n++
		}
	}
	return n
}

// Changes returns the `changes` of the thread_updated event, in the order of B2B-EVT-011. It names
// a setting only when the value changed, so the list may be empty; it is never nil.
func (w Write) Changes(before, after Settings) []string {
	changes := make([]string, 0, 8)
	if w.Status != "" {
		changes = append(changes, "status")
	}
	switch w.Status {
	case Closed:
		changes = append(changes, "close_reason")
	case Resolved:
		changes = append(changes, "resolved_at")
	}
	if w.Context {
		changes = append(changes, "context")
	}
	if w.Topic {
		changes = append(changes, "topic")
	}
	if w.Policy {
		changes = append(changes, "permission_policy")
	}
	if w.Settings && before.Visibility != after.Visibility {
		changes = append(changes, "visibility")
	}
	if w.Settings && before.JoinPolicy != after.JoinPolicy {
		changes = append(changes, "join_policy")
	}
	if w.TurnLimit {
		changes = append(changes, "turn_limit")
	}
	return changes
}
