package thread

// Access is the result of an access check of a bot on a thread.
type Access int

// The results, in the order in which they are checked (B2B-THR-020, B2B-THR-022).
const (
	Granted      Access = iota
	NotFound            // the same error as for an unknown thread: 404 NOT_FOUND
	Ended               // resolved or closed, and the operation needs a live thread: 409 THREAD_CLOSED
	JoinRequired        // a public thread without this bot: 403 JOIN_REQUIRED
)

// CheckAccess checks whether a bot of the thread's org may use the thread (B2B-THR-020,
// B2B-THR-022). The caller returns NotFound itself for an unknown thread, and for one of another
// org. needsLive reports whether the operation is refused on a resolved or closed thread
// (B2B-THR-063). A bot that cannot see the thread does not learn that it has ended.
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

// Join is the result of a request of a bot to join a thread by its id.
type Join int

// The results, in the order in which they are checked (B2B-JOIN-002).
const (
	JoinNotFound     Join = iota + 1 // a private thread of others: 404 NOT_FOUND
	JoinEnded                        // resolved or closed, for participants too: 409 THREAD_CLOSED
	AlreadyJoined                    // no change: 200
	InvitationNeeded                 // 403 INVITE_ONLY
	AlreadyRequested                 // a request is pending: 409 ALREADY_REQUESTED
	RequestNeeded                    // create a pending request: 202
	JoinedAtOnce                     // add the participant: 200
)

// DecideJoin returns the result for a bot that joins a thread by its id (B2B-JOIN-001,
// B2B-JOIN-002, B2B-JOIN-004). pending reports whether this bot has a pending request to join the
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
