package server_test

import (
	"fmt"

	"github.com/b2b-protocol/b2b/internal/pagetoken"
)

// A question is a call that reads, as one caller makes it.
type question struct {
	operation string
	asked     string // the parameters, in words
	by        caller
	target    string
	grows     growth
}

// A growth is what the cost of a question grows with. Its value is the text of the table.
type growth string

const (
	answered    growth = "" // the answer alone
	ofTheBot    growth = "threads and channels of the bot"
	ofTheThread growth = "artifacts of the thread"
	ofMembers   growth = "members of the thread"
	passed      growth = "rows passed over"
	skipped     growth = "offset"
	searched    growth = "messages of the org"
	totalled    growth = "rows counted"
)

// questions are the calls that read, with the dearest parameters that are allowed.
func (fx *costsFixture) questions() []question {
	busy, usual, gone, admin, human := fx.busy, fx.usual, fx.gone, fx.admin, fx.human
	thread, channel := "/api/threads/"+fx.thread, "/api/channels/"+fx.channel
	orgThread := "/api/org/threads/" + fx.thread
	oldest := func(id string) pagetoken.Token { return pagetoken.Token{At: fx.base + 60, ID: id} }
	newest := pagetoken.Token{At: fx.base + int64(fx.size) - 60, ID: numbered(idOfBot, 0)}
	last := numbered(idOfMessage, 10_000_060)
	deep := fmt.Sprint(fx.size - 20)
	oldestDecision := fmt.Sprintf("%d%%7C%s", fx.base+60, numbered(idOfOther, 60))
	all := int64(fx.size)
	return []question{
		{"ListArtifacts", "all", usual, thread + "/artifacts", ofTheThread},
		{"ListArtifacts", "page", usual, thread + "/artifacts?limit=200", answered},
		{"ListArtifacts", "last page", usual, thread + "/artifacts?limit=50&cursor=key-" + fmt.Sprint(10_000_000+fx.size-50), answered},
		{"ListArtifactVersions", "all", usual, thread + "/artifacts/document/versions", answered},
		{"ListArtifactVersions", "last page", usual, thread + "/artifacts/document/versions?limit=50&cursor=" + fmt.Sprint(fx.size/2-40), answered},
		{"ListOrgThreadArtifacts", "page", human, orgThread + "/artifacts?limit=200", answered},
		{"GetChannel", "", usual, channel, answered},
		{"ListChannelMessages", "page", usual, channel + "/messages?limit=200", answered},
		{"ListChannelMessages", "last page", human, channel + "/messages?limit=50&before=" + numbered(idOfDirect, 10_000_060), answered},
		{"ListChannelMessages", "since the beginning", usual, channel + "/messages?limit=200&since=0", answered},
		{"ListBotChannels", "first page", busy, "/api/bots/" + fx.ids["busy"] + "/channels?limit=50", ofTheBot},
		{"ListBotChannels", "last page", human, "/api/bots/" + fx.ids["busy"] + "/channels?limit=50&cursor=" + oldest(numbered(idOfChannel, 60)).Plain(), ofTheBot},
		{"GetInbox", "since the beginning", busy, "/api/inbox?since=0", ofTheBot},
		{"GetInbox", "own messages only", gone, "/api/inbox?since=0", ofTheBot},
		{"GetInbox", "last page", busy, "/api/inbox?since=0&cursor=" + newest.Plain(), ofTheBot},
		{"GetInbox", "nothing new", busy, "/api/inbox?since=" + fmt.Sprint(fx.base+all), ofTheBot},
		{"ListThreads", "own", busy, "/api/threads?limit=200", ofTheBot},
		{"ListThreads", "own, few", usual, "/api/threads", answered},
		{"ListThreads", "own, last page", busy, "/api/threads?limit=50&cursor=" + oldest(numbered(idOfThread, 60)).Opaque(), ofTheBot},
		{"ListThreads", "own, no match", busy, "/api/threads?limit=50&q=nowhere&status=closed", ofTheBot},
		{"ListThreads", "of the org", usual, "/api/threads?scope=org&limit=50&q=topic", passed},
		{"ListThreads", "of the org, no match", usual, "/api/threads?scope=org&limit=50&q=nowhere", passed},
		{"GetThread", "", usual, thread, answered},
		{"ListJoinRequests", "", usual, thread + "/join-requests", answered},
		{"ListThreadMessages", "page", usual, thread + "/messages?limit=200", answered},
		{"ListThreadMessages", "last page", usual, thread + "/messages?limit=50&cursor=" + last, answered},
		{"ListThreadMessages", "since the beginning", usual, thread + "/messages?limit=200&since=0", answered},
		{"ListOrgThreads", "page", human, "/api/org/threads?limit=200", answered},
		{"ListOrgThreads", "last page", human, "/api/org/threads?limit=50&cursor=" + oldest(numbered(idOfThread, 60)).Plain(), answered},
		{"ListOrgThreads", "last rows by offset", human, "/api/org/threads?limit=50&offset=" + deep, skipped},
		{"ListOrgThreads", "no match", human, "/api/org/threads?limit=50&search=nowhere", passed},
		{"ListOrgThreads", "no thread of a status", human, "/api/org/threads?limit=50&status=closed", passed},
		{"GetOrgThread", "", human, orgThread, answered},
		{"ListOrgThreadMessages", "page", human, orgThread + "/messages?limit=200", answered},
		{"ListOrgThreadMessages", "last page", human, orgThread + "/messages?limit=50&before=" + last, answered},
		{"SearchOrgMessages", "all match", human, "/api/org/search?q=hello", searched},
		{"SearchOrgMessages", "no match", admin, "/api/org/search?q=nowhere", searched},
		{"ListBots", "all", usual, "/api/bots", answered},
		{"ListBots", "page", human, "/api/bots?limit=200", answered},
		{"ListBots", "last page", human, "/api/bots?limit=50&cursor=" + numbered(idOfBot, fx.size-50), answered},
		{"ListBots", "no match", human, "/api/bots?limit=50&search=nowhere", passed},
		{"ListBots", "no such text", usual, "/api/bots?q=nowhere", passed},
		{"ListBots", "no such role, tag", usual, "/api/bots?role=nobody&tag=none&status=away", passed},
		{"ListBots", "none online", usual, "/api/bots?status=online", answered},
		{"ListBots", "no such tag", usual, "/api/bots?tag=none", passed},
		{"GetBot", "", usual, "/api/bots/" + numbered(idOfBot, fx.size/2), answered},
		{"GetBotProfile", "", usual, "/api/bots/bot-" + fmt.Sprint(10_000_000+fx.size/2) + "/profile", answered},
		{"GetWebhookHealth", "", usual, "/api/bots/bot-" + fmt.Sprint(10_000_000+fx.size/2) + "/webhook/health", answered},
		{"GetMe", "", busy, "/api/me", answered},
		{"ListPeers", "all", usual, "/api/peers", answered},
		{"ListPeers", "last page", usual, "/api/peers?limit=50&cursor=bot-" + fmt.Sprint(10_000_000+fx.size-50), answered},
		{"GetWorkspace", "", usual, "/api/me/workspace", answered},
		{"GetWorkspace", "largest pages", busy, "/api/me/workspace?dm_limit=100&thread_limit=100", ofTheBot},
		{"ListOrgs", "page", fx.node.operator, "/api/orgs?limit=200", totalled},
		{"ListOrgs", "last page", fx.node.operator, "/api/orgs?limit=50&cursor=" + pagetoken.Token{At: fx.base + all - 50}.Plain(), totalled},
		{"ListInviteCodes", "page", fx.node.operator, "/api/platform/invite-codes?limit=200", answered},
		{"ListInviteCodes", "last page", fx.node.operator, "/api/platform/invite-codes?limit=50&cursor=" + oldest(numbered(idOfOther, 60)).Plain(), answered},
		{"GetOrg", "", usual, "/api/org", answered},
		{"GetOrgSettings", "", human, "/api/org/settings", answered},
		{"ListOrgTickets", "page, half are used", human, "/api/org/tickets?limit=100", answered},
		{"ListOrgTickets", "last page", human, "/api/org/tickets?limit=50&cursor=" + oldest(numbered(idOfOther, 60)).Opaque(), answered},
		{"ListOrgSessions", "page", human, "/api/org/sessions?limit=100", answered},
		{"ListOrgSessions", "last rows by offset", human, "/api/org/sessions?limit=50&offset=" + deep, skipped},
		{"ListAuditEntries", "page", human, "/api/audit?limit=200", answered},
		{"ListAuditEntries", "last page", human, "/api/audit?limit=50&cursor=" + oldest(numbered(idOfOther, 60)).Plain(), answered},
		{"ListAuditEntries", "no such action", human, "/api/audit?action=nothing", passed},
		{"ListAuditEntries", "no such bot, target", admin, "/api/audit?bot_id=nobody&target_type=thread&target_id=none", passed},
		{"GetSession", "", human, "/api/auth/session", answered},
		{"ListTokens", "all", busy, "/api/me/tokens", answered},
		{"ListTokens", "last page", busy, "/api/me/tokens?limit=50&cursor=" + oldest(numbered(idOfOther, 60)).Plain(), answered},
		{"Subscribe", "from here on", usual, "/api/events", answered},
		{"Subscribe", "in all threads", busy, "/api/events", ofTheBot},
		{"ListCatchupEvents", "all missed", usual, "/api/me/catchup?since=0&limit=200", answered},
		{"ListCatchupEvents", "all missed, all threads", busy, "/api/me/catchup?since=0&limit=200", ofTheBot},
		{"ListCatchupEvents", "all missed, left all threads", gone, "/api/me/catchup?since=0&limit=200", ofTheBot},
		{"ListCatchupEvents", "nothing missed", usual, "/api/me/catchup?limit=200&since=" + fmt.Sprint(fx.base+all), answered},
		{"CountCatchupEvents", "all missed", usual, "/api/me/catchup/count?since=0", answered},
		{"CountCatchupEvents", "all missed, all threads", busy, "/api/me/catchup/count?since=0", ofTheBot},
		{"CountCatchupEvents", "all missed, left all threads", gone, "/api/me/catchup/count?since=0", ofTheBot},
		{"CountCatchupEvents", "nothing missed", usual, "/api/me/catchup/count?since=" + fmt.Sprint(fx.base+all), answered},
		{"CountCatchupEvents", "nothing missed, all threads", busy, "/api/me/catchup/count?since=" + fmt.Sprint(fx.base+all), ofTheBot},
		{"GetFile", "", usual, "/api/files/" + fx.file, answered},
		{"GetFileInfo", "", usual, "/api/files/" + fx.file + "/info", answered},
		{"GetHealth", "", nobody, "/health", answered},
		{"GetApiHealth", "", nobody, "/api/health", answered},
		{"GetSystemPresence", "", nobody, "/api/system-presence", answered},
		{"GetConfig", "", nobody, "/api/config/get", answered},
		{"GetVersion", "", nobody, "/api/version", answered},
		{"GetStats", "first in a minute", nobody, "/api/stats", totalled},
		{"GetSkill", "", nobody, "/skill.md", answered},
		{"GetOpenApi", "", nobody, "/api/openapi.json", answered},
		{"ListDeadLetters", "page", human, "/api/org/webhooks/dead-letters?limit=200", answered},
		{"ListDeliveries", "page", busy, "/api/inbox/deliveries?limit=200", answered},
		{"ListDeliveries", "none in this state", busy, "/api/inbox/deliveries?state=dead", answered},
		{"ListDeliveries", "of a thread without", busy, "/api/inbox/deliveries?thread_id=none", answered},
		{"GetReceipts", "of a direct message", human, "/api/messages/" + numbered(idOfDirect, 10_000_060) + "/receipts", answered},
		{"GetReceipts", "to all of a thread", usual, "/api/messages/" + numbered(idOfMessage, 10_000_060) + "/receipts?limit=200", ofMembers},
		{"ListOverdueDeliveries", "to all of a thread", busy, "/api/overdue", ofMembers},
		{"ListOverdueDeliveries", "of a bot without", usual, "/api/overdue", answered},
		{"GetDecision", "", usual, "/api/decisions/" + numbered(idOfOther, 60), answered},
		{"ListDecisions", "of a thread", usual, "/api/decisions?limit=200&thread_id=" + fx.thread, answered},
		{"ListDecisions", "of a thread, last page", usual, "/api/decisions?limit=50&cursor=" + oldestDecision + "&thread_id=" + fx.thread, answered},
		{"ListDecisions", "of the org, last page", human, "/api/decisions?limit=50&cursor=" + oldestDecision, answered},
		{"ListDecisions", "asked by a bot, last page", busy, "/api/decisions?limit=50&asked_by=me&cursor=" + oldestDecision, answered},
		{"ListDecisions", "asked of a bot", usual, "/api/decisions", answered},
		{"ListDecisions", "asked of people", human, "/api/decisions?asked_of=me&limit=200", answered},
		{"ListDecisions", "open in a thread, last page", usual, "/api/decisions?status=open&limit=50&cursor=" + oldestDecision + "&thread_id=" + fx.thread, answered},
		{"ListDecisions", "of a status", usual, "/api/decisions?status=expired&thread_id=" + fx.thread, passed},
		{"GetLease", "", usual, "/api/leases/" + numbered(idOfOther, 60), answered},
		{"ListLeases", "page", usual, "/api/leases?limit=200", answered},
		{"ListLeases", "last page", human, "/api/leases?limit=50&cursor=" + numbered(idOfOther, fx.size-50) + "%7Cat/" + fmt.Sprint(10_000_000+fx.size-50), answered},
		{"ListLeases", "with a prefix, of a bot without", usual, "/api/leases?prefix=at/&bot=usual", passed},
		{"ListLeases", "what overlaps a path", usual, "/api/leases?name=at/10000050", answered},
		{"ListLeases", "what overlaps all, of a bot without", usual, "/api/leases?name=**&bot=usual", passed},
		{"Search", "before there is an index", usual, "/api/search?q=hello+world", answered},
		{"ListDeadLetters", "of a bot without", human, "/api/org/webhooks/dead-letters?bot=usual", answered},
	}
}
