package thread

// Access is the answer to a bot that names a thread.
type Access int

// The answers, worst knowledge first (B2B-THR-020, B2B-THR-022).
const (
	Granted      Access = iota
	NotFound            // exactly as if the thread did not exist: 404 NOT_FOUND
	Ended               // the thread is resolved or closed and the operation needs a live one: 409 THREAD_CLOSED
	JoinRequired        // a public thread, but the bot is not in it: 403 JOIN_REQUIRED
)

// CheckAccess decides whether a bot of the thread's org may use it (B2B-THR-020, B2B-THR-022;
// the caller answers NotFound for an unknown thread and for one of another org). needsLive
// reports whether the operation is refused on a resolved or closed thread (B2B-THR-063). An
// outsider does not learn that a hidden thread has ended.
func CheckAccess(visibility Visibility, status Status, participant, needsLive bool) Access {
	switch {
	case visibility != Public && !participant:
		return NotFound
	case needsLive && status.Terminal():
		return Ended
	case !participant:
		return JoinRequired
	}
	return Granted
}

// Listed reports whether a list of the org's threads shows this one to a bot (scope=org,
// B2B-THR-032).
func Listed(visibility Visibility, participant bool) bool {
	return visibility == Public || participant
}

// Join is the answer to a bot that asks to join by id.
type Join int

// The answers, in the order in which they are checked (B2B-JOIN-002).
const (
	JoinNotFound     Join = iota + 1 // private to others: 404 NOT_FOUND
	JoinEnded                        // resolved or closed, for participants too: 409 THREAD_CLOSED
	AlreadyJoined                    // 200, nothing changes
	InvitationNeeded                 // 403 INVITE_ONLY
	AlreadyRequested                 // a request is pending: 409 ALREADY_REQUESTED
	RequestNeeded                    // record a pending request: 202
	JoinedAtOnce                     // add the participant: 200
)

// DecideJoin decides the answer to a bot that joins a thread by its id (B2B-JOIN-001,
// B2B-JOIN-002, B2B-JOIN-004). pending reports whether this bot has a pending request on the
// thread.
func DecideJoin(s Settings, status Status, participant, pending bool) Join {
	switch {
	case s.Visibility == Private && !participant:
		return JoinNotFound
	case status.Terminal():
		return JoinEnded
	case participant:
		return AlreadyJoined
	case s.JoinPolicy == Open:
		return JoinedAtOnce
	case s.JoinPolicy != Approval:
		return InvitationNeeded
	case pending:
		return AlreadyRequested
	}
	return RequestNeeded
}
