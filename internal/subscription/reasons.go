package subscription

import (
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Reason is why a subscription ends or does not begin. The table of B2B-WS-004 lists all reasons.
type Reason uint8

// The reasons, in the order of the table.
const (
	_ Reason = iota
	TicketMissing
	TicketInvalid
	TokenInvalid
	TokenExpired
	IdentityInvalid
	SessionRevoked
	SessionExpired
	SessionEvicted
	CredentialRotated
	TokenRevoked
	BotDeleted
	OtherOrg
	Slow
	PositionRefused
	TooManyStreams
	OrgInactive
	OrgSuspended
	OrgDestroyed
	BotPending
	BotRejected
	ServerStopping
	ServerRestarting
	MessageSlow
	FrameTooLarge
	Internal
	TicketUnchecked
	// AccessLost is one of BotDeleted, OrgSuspended, OrgDestroyed, BotPending and BotRejected
	// before [Lost] has found out which.
	AccessLost
	reasons
)

// String returns the reason of the WebSocket close frame; empty if that depends on the case.
func (r Reason) String() string { return ends[r].text }

// Webhook returns what the webhook of a bot does when its subscription ends for the reason.
func (r Reason) Webhook() Webhook { return ends[r].webhook }

// Webhook is what the webhook of a bot does when its subscription ends. Its position is kept in the
// store.
type Webhook uint8

// What a webhook does.
const (
	WebhookNever   Webhook = iota // its subscription does not end for the reason
	WebhookResumes                // subscribes again at its position
	WebhookReplays                // subscribes again to the log that replaced the log, after a pause
	WebhookStops                  // stops until its bot and org are active
	WebhookEnds                   // ends for good
	WebhookMoves                  // stops on this node; another node continues
	WebhookRetries                // stops with an error, and is started again after a pause
)

var webhookTexts = [...]string{
	WebhookResumes: "continues at its position",
	WebhookReplays: "continues in the log that replaced the old one",
	WebhookStops:   "stops until the bot and its org are active",
	WebhookEnds:    "ends",
	WebhookMoves:   "continues on another node",
	WebhookRetries: "is tried again",
}

// end is a row of the table: how one reason ends a subscription over each binding.
type end struct {
	code int    // of the WebSocket close frame
	text string // its reason; empty: it depends on the case, or the frame has none
	// shown replaces text in the table of SPEC.md.
	shown string
	// stream has the codes of the errors that end a stream over SSE, Connect or gRPC; empty: a
	// stream does not end for the reason. The first is that of an end without a more exact error.
	stream  []b2bv1.ErrorCode
	webhook Webhook
	client  action // what a client does that receives the close frame
	when    string // Markdown; empty: the table of SPEC.md does not have the row
}

// codes makes the lists of the table readable.
func codes(c ...b2bv1.ErrorCode) []b2bv1.ErrorCode { return c }

// ends is the one table of how subscriptions end. That of SPEC.md is made from it.
var ends = [reasons]end{
	TicketMissing: {
		code: 4001, client: backOff, text: "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket.",
		when: "the ticket is missing or empty",
	},
	TicketInvalid: {code: 4001, client: backOff, text: "Invalid or expired ticket", when: "the ticket is unknown, used, or older than 30 s"},
	TokenInvalid:  {code: 4001, client: stop(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN), text: "Invalid token", when: "at opening: the token of the ticket was revoked, or its bot deleted"},
	TokenExpired: {
		code: 4001, client: stop(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED), text: "Token expired", stream: codes(b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED),
		when: "the scoped token expired ([WS-030](#b2b-ws-030))",
	},
	IdentityInvalid: {code: 4001, client: stop(b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID), text: "Invalid ticket", when: "at opening: the session of the ticket has ended"},
	SessionRevoked: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED), text: "Session revoked", stream: codes(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED),
		when: "the session was logged out, or ended by an admin",
	},
	SessionExpired: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED), text: "Session expired", stream: codes(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED),
		when: "the session expired ([WS-030](#b2b-ws-030))",
	},
	SessionEvicted: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED), text: "Session evicted", stream: codes(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED),
		when: "a newer session of the bot's owner replaced it",
	},
	CredentialRotated: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED), text: "Credential rotated", stream: codes(b2bv1.ErrorCode_ERROR_CODE_AUTH_REQUIRED),
		when: "for sessions of org admins: the org secret was rotated, or a newer session replaced it",
	},
	TokenRevoked: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN), text: "Token revoked", stream: codes(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN),
		when: "the scoped token was revoked",
	},
	BotDeleted: {
		code: 4002, client: stop(b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN), text: "Token regenerated", stream: lostAccess, webhook: WebhookEnds,
		when: "the bot was deleted",
	},
	OtherOrg: {code: 4003, client: stop(b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH), text: "Bot does not belong to ticket org", when: "the bot is not in the org of the ticket"},
	Slow: {
		code: 4008, client: reconnect, text: "slow consumer, resume from your cursor", stream: codes(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE), webhook: WebhookResumes,
		when: "the client reads too slowly ([WS-028](#b2b-ws-028))",
	},
	PositionRefused: {
		code: 4009, client: resync, shown: "an error code", webhook: WebhookReplays,
		stream: codes(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, b2bv1.ErrorCode_ERROR_CODE_CURSOR_AHEAD, b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED),
		when:   "the position cannot be served ([EVT-023](#b2b-evt-023))",
	},
	TooManyStreams: {
		code: 4010, client: wait, text: "TOO_MANY_STREAMS",
		when: "at opening: the bot has too many streams and connections ([LIM-010](#b2b-lim-010))",
	},
	OrgInactive:  {code: 4100, client: wait, text: "Organization is not active", when: "at opening: the org is suspended"},
	OrgSuspended: {code: 4100, client: wait, text: "Organization suspended", stream: lostAccess, webhook: WebhookStops, when: "the org was suspended"},
	OrgDestroyed: {code: 4101, client: stop(b2bv1.ErrorCode_ERROR_CODE_ORG_DESTROYED), text: "Organization destroyed", stream: lostAccess, webhook: WebhookEnds, when: "the org was destroyed"},
	BotPending: {
		code: 4403, client: wait, text: "bot_pending_approval", stream: lostAccess, webhook: WebhookStops,
		when: "the bot waits for approval: at opening or while the connection is open",
	},
	BotRejected: {
		code: 4403, client: stop(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE), text: "bot_rejected", stream: lostAccess, webhook: WebhookStops,
		when: "the bot was rejected: at opening or while the connection is open",
	},
	ServerStopping: {
		code: 1001, client: backOff, text: "Server shutting down", stream: codes(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE), webhook: WebhookMoves,
		when: "the server stops: resume on another node",
	},
	ServerRestarting: {
		code: 1012, client: backOff, text: "Service restart", stream: codes(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE), webhook: WebhookMoves,
		when: "the server restarts: resume soon",
	},
	MessageSlow:   {code: 1008, client: backOff, text: "The message came too slowly", when: "a message did not arrive in time ([LIM-042](#b2b-lim-042))"},
	FrameTooLarge: {code: 1009, client: backOff, when: "a frame is too large"},
	Internal: {
		code: 1011, client: backOff, text: "Internal error", webhook: WebhookRetries,
		stream: codes(b2bv1.ErrorCode_ERROR_CODE_INTERNAL_ERROR, b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE),
		when:   "an internal error, or the database does not respond",
	},
	TicketUnchecked: {
		code: 1013, client: backOff, text: "The ticket cannot be checked now. Try again with another ticket.",
		when: "the server cannot check the ticket: try again with another",
	},
	AccessLost: {code: 1011, client: backOff, text: "Internal error", stream: lostAccess, webhook: WebhookStops},
}

// lostAccess has the code of the streams of a bot or org without access.
var lostAccess = codes(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN)
