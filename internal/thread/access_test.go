package thread

import (
	"fmt"
	"testing"
)

func visibilities() []Visibility { return []Visibility{Public, Members, Private} }
func joinPolicies() []JoinPolicy { return []JoinPolicy{Open, Approval, InviteOnly} }

func TestParseSettings(t *testing.T) {
	t.Parallel()
	for _, v := range visibilities() {
		if got, ok := ParseVisibility(string(v)); !ok || got != v {
			t.Errorf("ParseVisibility(%q) = %q, %v", v, got, ok)
		}
	}
	for _, p := range joinPolicies() {
		if got, ok := ParseJoinPolicy(string(p)); !ok || got != p {
			t.Errorf("ParseJoinPolicy(%q) = %q, %v", p, got, ok)
		}
	}
	for _, text := range []string{"", "Public", "secret", "closed"} {
		if _, ok := ParseVisibility(text); ok {
			t.Errorf("ParseVisibility(%q) accepted", text)
		}
		if _, ok := ParseJoinPolicy(text); ok {
			t.Errorf("ParseJoinPolicy(%q) accepted", text)
		}
	}
}

// Every pair of settings, every request (also an empty one).
func TestSettingsWithExhaustively(t *testing.T) {
	t.Parallel()
	for _, v := range visibilities() {
		for _, p := range joinPolicies() {
			for _, askV := range append(visibilities(), "") {
				for _, askP := range append(joinPolicies(), "") {
					want := Settings{Visibility: askV, JoinPolicy: askP}
					if askV == "" {
						want.Visibility = v
					}
					if askP == "" {
						want.JoinPolicy = p
					}
					if want.Visibility == Private {
						want.JoinPolicy = InviteOnly
					}
					before := Settings{v, p}
					got := before.With(askV, askP)
					if got != want {
						t.Errorf("%v.With(%q, %q) = %v, want %v", before, askV, askP, got, want)
					}
					wantRejects := p != InviteOnly && got.JoinPolicy == InviteOnly
					if before.RejectsPending(got) != wantRejects {
						t.Errorf("%v.RejectsPending(%v) = %v", before, got, !wantRejects)
					}
				}
			}
		}
	}
	if got := DefaultSettings(); got != (Settings{Public, Open}) {
		t.Errorf("DefaultSettings() = %v", got)
	}
	left := Settings{Public, Open}.With(Private, "").With(Public, "")
	if left != (Settings{Public, InviteOnly}) {
		t.Errorf("a thread that stopped being private has the settings %v", left)
	}
}

// TestAccessExhaustively checks the table of B2B-THR-020 for every visibility, state,
// participation, and for operations that need a live thread and that do not.
func TestAccessExhaustively(t *testing.T) {
	t.Parallel()
	outside := map[Visibility]map[bool]Access{ // by "ended and needs a live thread"
		Public:  {false: JoinRequired, true: Ended},
		Members: {false: NotFound, true: NotFound},
		Private: {false: NotFound, true: NotFound},
	}
	inside := map[bool]Access{false: Granted, true: Ended}
	for _, v := range visibilities() {
		for _, s := range Statuses() {
			for _, needsLive := range []bool{false, true} {
				ended := needsLive && (s == Resolved || s == Closed)
				if got := CheckAccess(v, s, true, needsLive); got != inside[ended] {
					t.Errorf("participant of %s %s, T=%v: %d", v, s, needsLive, got)
				}
				if got := CheckAccess(v, s, false, needsLive); got != outside[v][ended] {
					t.Errorf("outsider of %s %s, T=%v: %d", v, s, needsLive, got)
				}
			}
		}
		if !Listed(v, true) || Listed(v, false) != (v == Public) {
			t.Errorf("Listed(%s) = %v, %v", v, Listed(v, true), Listed(v, false))
		}
	}
}

// TestJoinExhaustively checks the table of B2B-JOIN-001 for every combination. The keys are
// visibility/join policy; the values are the results for a bot that is not in a live thread,
// without and with a pending request.
func TestJoinExhaustively(t *testing.T) {
	t.Parallel()
	outsider := map[string][2]Join{
		"public/open":         {JoinedAtOnce, JoinedAtOnce},
		"public/approval":     {RequestNeeded, AlreadyRequested},
		"public/invite_only":  {InvitationNeeded, InvitationNeeded},
		"members/open":        {JoinedAtOnce, JoinedAtOnce},
		"members/approval":    {RequestNeeded, AlreadyRequested},
		"members/invite_only": {InvitationNeeded, InvitationNeeded},
		"private/open":        {JoinNotFound, JoinNotFound},
		"private/approval":    {JoinNotFound, JoinNotFound},
		"private/invite_only": {JoinNotFound, JoinNotFound},
	}
	for _, v := range visibilities() {
		for _, p := range joinPolicies() {
			for _, s := range Statuses() {
				ended := s == Resolved || s == Closed
				for i, pending := range []bool{false, true} {
					want := outsider[fmt.Sprintf("%s/%s", v, p)][i]
					if ended && v != Private {
						want = JoinEnded
					}
					if got := DecideJoin(Settings{v, p}, s, false, pending); got != want {
						t.Errorf("outsider, %s/%s %s pending=%v: %d, want %d", v, p, s, pending, got, want)
					}
					want = AlreadyJoined
					if ended {
						want = JoinEnded
					}
					if got := DecideJoin(Settings{v, p}, s, true, pending); got != want {
						t.Errorf("participant, %s/%s %s pending=%v: %d, want %d", v, p, s, pending, got, want)
					}
				}
			}
		}
	}
}

// An unknown join policy, in a damaged row, lets no bot join.
func TestUnknownJoinPolicyNeedsInvitation(t *testing.T) {
	t.Parallel()
	if got := DecideJoin(Settings{Public, "whatever"}, Active, false, false); got != InvitationNeeded {
		t.Errorf("DecideJoin = %d", got)
	}
}
