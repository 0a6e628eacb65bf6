package thread

// Visibility says which bots of the org learn that a thread exists (B2B-THR-010, B2B-THR-022).
type Visibility string

// The visibilities. A new thread is public.
const (
	Public  Visibility = "public"  // listed for the whole org; outsiders are told to join
	Members Visibility = "members" // hidden from outsiders, who may still join by id
	Private Visibility = "private" // hidden from outsiders; in by invitation only
)

// ParseVisibility reads a visibility from its exact text form.
func ParseVisibility(text string) (Visibility, bool) {
	switch v := Visibility(text); v {
	case Public, Members, Private:
		return v, true
	}
	return "", false
}

// JoinPolicy says what happens when a bot asks to join by id (B2B-THR-010, B2B-JOIN-001).
type JoinPolicy string

// The join policies. A new thread is open.
const (
	Open       JoinPolicy = "open"        // joined at once
	Approval   JoinPolicy = "approval"    // a pending request
	InviteOnly JoinPolicy = "invite_only" // refused
)

// ParseJoinPolicy reads a join policy from its exact text form.
func ParseJoinPolicy(text string) (JoinPolicy, bool) {
	switch p := JoinPolicy(text); p {
	case Open, Approval, InviteOnly:
		return p, true
	}
	return "", false
}

// Settings are the two settings that decide who may come in.
type Settings struct {
	Visibility Visibility
	JoinPolicy JoinPolicy
}

// DefaultSettings are those of a thread whose creator asked for none.
func DefaultSettings() Settings { return Settings{Visibility: Public, JoinPolicy: Open} }

// With answers the settings after a request; an empty value keeps the current one. A private
// thread is invite_only whatever was asked, and leaving private keeps invite_only unless the
// request names another policy (B2B-THR-011).
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

// RejectsPending reports whether going from s to next rejects the pending join requests: the
// thread becomes private or invite_only and was not invite_only before (B2B-THR-057).
func (s Settings) RejectsPending(next Settings) bool {
	return s.JoinPolicy != InviteOnly && (next.Visibility == Private || next.JoinPolicy == InviteOnly)
}
