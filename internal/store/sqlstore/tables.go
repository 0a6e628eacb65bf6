package sqlstore

import "math/bits"

// tables is a set of tables of the schema.
type tables uint64

// The tables of the schema, in the order of tableNames. The last activity of threads counts as
// a table of its own, because every message changes it.
const (
	onOrgs tables = 1 << iota
	onOrgSettings
	onOrgLogs
	onEventLog
	onInviteCodes
	onOrgTickets
	onSessions
	onBots
	onTombstones
	onBotTokens
	onWebhookStatus
	onChannels
	onChannelMembers
	onChannelMessages
	onThreadRows // without their last activity
	onThreadParticipants
	onMembershipHistory
	onThreadJoinRequests
	onThreadMessages
	onArtifacts
	onAuditLog
	onRateSlots
	onIdempotency
	onWsTickets
	onPresence
	onImports
	onFiles
	onInstallation
	onActivity
	onUpkeepJobs
	onWebhookCursors
	onWebhookLeases
	onWebhookDeliveries
	onLoginFailures
	onNodes
	onUploadDays
	onArtifactSums
	onArtifactTotals
	onArtifactDays
	onLogStreams
	onLogIndex
	onLogHeads
	onLogRuns
	onLeases
	onLeaseWaits
	onInboxes
	onInboxPositions
	onDeliveries
	onInboxScopes
	onStreaming
	onDecisions
	onDecisionBots
	onSearchState
	onSearchDocs
	onSearchSegments
	onSearchPages
	onSearchRefs
	onSearchTodo
	onAckDeadlines
	onPushConfigs
	onPushLeases

	onThreads = onThreadRows | onActivity

	// What the deletion of a row changes, also by foreign keys.
	withChannels = onChannels | onChannelMembers | onChannelMessages | onThreads | onDecisions | onDecisionBots |
		onAckDeadlines
	withThreads = onThreads | onThreadParticipants | onThreadJoinRequests | onThreadMessages | onArtifacts | onArtifactSums | onDecisions |
		onDecisionBots | onAckDeadlines | onPushConfigs | onPushLeases
	withBots = onBots | onBotTokens | onChannelMembers | onThreads | onThreadParticipants | onThreadJoinRequests |
		onMembershipHistory | onArtifacts | onFiles | onPresence | onStreaming |
		onWebhookStatus | onWebhookCursors | onWebhookLeases | onWebhookDeliveries | onLeases | onLeaseWaits |
		onInboxes | onDeliveries | onInboxScopes | onDecisionBots | onAckDeadlines | onPushConfigs | onPushLeases
	withOrgs = onOrgs | onOrgSettings | onOrgLogs | onOrgTickets | onTombstones | onUploadDays | onArtifactTotals | onArtifactDays |
		onInboxPositions | withChannels | withThreads | withBots

	// onCached are the tables with rows that are worth caching and belong to one org.
	onCached = onKept | onActivity | onStreaming | onWebhookStatus | onInboxes
)

// onKept are the tables of access, membership and settings. What was read is checked against their
// changes in any case, since the server may have used what it keeps in memory of them.
const onKept = onOrgs | onOrgSettings | onBots | onChannels | onChannelMembers | onThreadRows | onThreadParticipants

// tableNames are the tables of the schema, and the last activity of threads.
var tableNames = []string{
	"orgs", "org_settings", "org_logs", "event_log", "invite_codes", "org_tickets", "sessions", "bots", "tombstones", "bot_tokens",
	"webhook_status", "channels", "channel_members", "channel_messages", "threads", "thread_participants", "membership_history",
	"thread_join_requests", "thread_messages", "artifacts", "audit_log", "rate_slots", "idempotency",
	"ws_tickets", "presence", "imports", "files", "installation", "(activity of threads)", "upkeep_jobs",
	"webhook_cursors", "webhook_leases", "webhook_deliveries", "login_failures", "nodes", "upload_days",
	"artifact_sums", "artifact_totals", "artifact_days", "log_streams", "log_index", "log_heads", "log_runs", "leases", "lease_waits",
	"inboxes", "inbox_positions", "deliveries", "inbox_scopes", "streaming",
	"decisions", "decision_bots",
	"search_state", "search_docs", "search_segments", "search_pages", "search_refs", "search_todo",
	"ack_deadlines", "push_configs", "push_leases",
}

// name returns the name of the one table of a set.
func (t tables) name() string { return tableNames[bits.TrailingZeros64(uint64(t))] }
