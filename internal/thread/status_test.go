package thread

import (
	"errors"
	"testing"
)

// table is the table of B2B-THR-060: the states that each state may change to.
var table = map[Status]map[Status]bool{
	Active:    {Blocked: true, Reviewing: true, Resolved: true, Closed: true},
	Blocked:   {Active: true},
	Reviewing: {Active: true, Resolved: true, Closed: true},
	Resolved:  {Active: true},
	Closed:    {Active: true},
}

func reasons() []CloseReason { return []CloseReason{NoReason, Manual, Timeout, Failure, "bored"} }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range Statuses() {
		if got, ok := ParseStatus(string(s)); !ok || got != s {
			t.Errorf("ParseStatus(%q) = %q, %v", s, got, ok)
		}
	}
	for _, text := range []string{"", "Active", " active", "open", "done"} {
		if _, ok := ParseStatus(text); ok {
			t.Errorf("ParseStatus(%q) accepted", text)
		}
	}
	for _, r := range []CloseReason{"manual", "timeout", "error"} {
		if got, ok := ParseCloseReason(string(r)); !ok || got != r {
			t.Errorf("ParseCloseReason(%q) = %q, %v", r, got, ok)
		}
	}
	for _, text := range []string{"", "Manual", "failure"} {
		if _, ok := ParseCloseReason(text); ok {
			t.Errorf("ParseCloseReason(%q) accepted", text)
		}
	}
}

func TestTerminalAndGuard(t *testing.T) {
	t.Parallel()
	guards := map[Status]Action{Resolved: ActionResolve, Closed: ActionClose}
	for _, s := range Statuses() {
		action, guarded := s.Guard()
		if want := guards[s]; action != want || guarded != (want != "") {
			t.Errorf("%s.Guard() = %q, %v", s, action, guarded)
		}
		if want := s == Resolved || s == Closed; s.Terminal() != want {
			t.Errorf("%s.Terminal() = %v", s, s.Terminal())
		}
	}
}

// Every state, target (also an unknown one) and reason: the result, and the first error.
func TestStatusChangeExhaustively(t *testing.T) {
	t.Parallel()
	targets := append(Statuses(), "", "paused")
	for _, from := range append(Statuses(), "", "paused") {
		for _, to := range targets {
			for _, reason := range reasons() {
				_, known := table[to]
				var want Refusal
				switch {
				case !known:
					want = UnknownStatus
				case reason == "bored":
					want = UnknownReason
				case to == Closed && reason == NoReason:
					want = ReasonRequired
				case to != Closed && reason != NoReason:
					want = ReasonNotAllowed
				case !table[from][to]:
					want = TransitionRefused
				}
				err := ValidateStatusChange(from, to, reason)
				if got := refusalOf(err); got != want {
					t.Errorf("%s -> %s (%s): refusal %d, want %d", from, to, reason, got, want)
				}
				if err != nil && err.Error() == "" {
					t.Errorf("%s -> %s (%s): the error has no text", from, to, reason)
				}
				if CanTransition(from, to) != (table[from][to]) || (CheckTransition(from, to) == nil) != table[from][to] {
					t.Errorf("CanTransition(%s, %s) = %v", from, to, CanTransition(from, to))
				}
				checkLifecycle(t, from, to, reason, want == 0)
			}
		}
	}
}

func checkLifecycle(t *testing.T, from, to Status, reason CloseReason, allowed bool) {
	t.Helper()
	earlier := int64(5)
	for _, resolvedAt := range []*int64{nil, &earlier} {
		before := Lifecycle{Status: from, CloseReason: Manual, ResolvedAt: resolvedAt}
		after, err := before.Change(to, reason, 9)
		if (err == nil) != allowed {
			t.Errorf("Change(%s -> %s, %s) = %v", from, to, reason, err)
			continue
		}
		if !allowed {
			if after != before {
				t.Errorf("a refused change of %s altered the lifecycle", from)
			}
			continue
		}
		wantResolved := resolvedAt
		switch to {
		case Active:
			wantResolved = nil
		case Resolved:
			nine := int64(9)
			wantResolved = &nine
		}
		if after.Status != to || after.CloseReason != reason || (to != Closed && after.CloseReason != NoReason) {
			t.Errorf("Change(%s -> %s, %s) = %+v", from, to, reason, after)
		}
		if (after.ResolvedAt == nil) != (wantResolved == nil) || (wantResolved != nil && *after.ResolvedAt != *wantResolved) {
			t.Errorf("Change(%s -> %s) resolved_at = %v", from, to, after.ResolvedAt)
		}
	}
}

func TestCloseReasonAloneIsRefused(t *testing.T) {
	t.Parallel()
	if got := refusalOf(CheckPairing("", Manual)); got != ReasonNotAllowed {
		t.Errorf("refusal %d", got)
	}
	if err := CheckPairing("", NoReason); err != nil {
		t.Errorf("without a status and a reason: %v", err)
	}
}

// Active can be reached from every state.
func TestActiveIsReachable(t *testing.T) {
	t.Parallel()
	for _, s := range Statuses() {
		if s != Active && !CanTransition(s, Active) {
			t.Errorf("%s cannot become active again", s)
		}
	}
}

func refusalOf(err error) Refusal {
	var refused *StatusError
	if errors.As(err, &refused) {
		return refused.Refusal
	}
	return 0
}
