// Package eventtype is the one list of the types of the entries of an event log.
//
// The types of events, the rows of a catch-up, and which of the events clients and webhooks receive
// are generated from the schema (api/): a choice of Event is delivered if its option told names
// scopes, and posted to webhooks if it has the option webhook. A choice without scopes, such as
// [AccessChanged], is in the log for the nodes of the server alone.
//
// The log also has records that are no choice of Event, so no binding can send them. They are
// listed here.
package eventtype

// The types of records whose payload is no Event.
const (
	// WebhookChanged reports that something else than the node that serves the webhook of the bot in
	// Event.BotID has changed the webhook's state in the store: an org admin redelivers dead letters,
	// or a connection of the bot ended the degraded state. It has no payload.
	WebhookChanged = "webhook_changed"
	// SearchChanged reports that something is to be indexed for search that no event names: the profile
	// of the bot in Event.BotID, or the file with the id that is the payload. Without either, retention
	// has removed something.
	SearchChanged = "search_changed"
	// ImportedRow is a row of the catch-up of a bot, from the system that the org was imported from.
	ImportedRow = "catchup_carried"
)
