package thread

// Visibility decides which bots of the org can see that a thread exists (B2B-THR-010, B2B-THR-022).
type Visibility string

// The visibilities. A new thread is public.
const (
	Public  Visibility = "public"  // listed for the whole org; others get JOIN_REQUIRED
	Members Visibility = "members" // hidden from others, who may still join by id
	Private Visibility = "private" // hidden from others; joined by invitation only
)

// ParseVisibility parses the exact text of a visibility.
func ParseVisibility(text string) (Visibility, bool) {
	switch v := Visibility(text); v {
	case Public, Members, Private:
		return v, true
	}
	return "", false
}

// JoinPolicy decides what happens when a bot joins by id (B2B-THR-010, B2B-JOIN-001).
type JoinPolicy string

// The join policies. A new thread is open.
const (
	Open       JoinPolicy = "open"        // joined at once
	Approval   JoinPolicy = "approval"    // a pending request
	InviteOnly JoinPolicy = "invite_only" // refused
)

// ParseJoinPolicy parses the exact text of a join policy.
func ParseJoinPolicy(text string) (JoinPolicy, bool) {
	switch p := JoinPolicy(text); p {
	case Open, Approval, InviteOnly:
		return p, true
	}
	return "", false
}

// Settings are the two settings that decide who may join.
type Settings struct {
	Visibility Visibility
	JoinPolicy JoinPolicy
}

// DefaultSettings returns the settings of a thread that is created without any.
func DefaultSettings() Settings { return Settings{Visibility: Public, JoinPolicy: Open} }

// With returns the settings after a request; an empty value keeps the current one. A private thread
// is always invite_only. A thread that stops being private stays invite_only unless the request
// names another policy (B2B-THR-011).
func (s Settings) With(visibility Visibility, policy JoinPolicy) Settings {
	if visibility != "" {
		s.Visibility = visibility
	}
	if policy != "" {
		s.JoinPolicy = policy
	}
	if s.Visibility == Private {
		s.JoinPolicy = InviteOnly
	}
	return s
}

// RejectsPending reports whether the change from s to next rejects the pending join requests: the
// thread becomes private or invite_only and was not invite_only before (B2B-THR-057).
func (s Settings) RejectsPending(next Settings) bool {
	return s.JoinPolicy != InviteOnly && (next.Visibility == Private || next.JoinPolicy == InviteOnly)
}
