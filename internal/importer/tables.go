package importer

// table is a table of the old database, and how to find the org of its rows.
type table struct {
	name string
	join string // from the table, t, to the rows that lead to the org
	org  string // the org of a row; empty: of none
	// stamps are columns whose highest values tell, beside the number of rows, whether
	// there is something new.
	stamps string
	newer  bool // databases of old versions lack it
}

// tables are the imported tables, in the order of the report.
var tables = []table{
	{name: "orgs", org: "t.id"},
	{name: "org_settings", org: "t.org_id", stamps: "updated_at"},
	{name: "bots", org: "t.org_id", stamps: "created_at join_status_changed_at"},
	{name: "deleted_bot_names", org: "t.org_id", stamps: "deleted_at", newer: true},
	{name: "bot_tokens", join: "LEFT JOIN bots p ON p.id = t.bot_id", org: "p.org_id", stamps: "created_at"},
	{name: "org_tickets", org: "t.org_id", stamps: "created_at consumed"},
	{name: "webhook_status", join: "LEFT JOIN bots p ON p.id = t.bot_id", org: "p.org_id", stamps: "last_success last_failure"},
	{name: "channels", org: "t.org_id", stamps: "created_at"},
	{name: "channel_members", join: "LEFT JOIN channels p ON p.id = t.channel_id", org: "p.org_id", stamps: "joined_at"},
	{name: "messages", join: "LEFT JOIN channels p ON p.id = t.channel_id", org: "p.org_id", stamps: "created_at"},
	{name: "threads", org: "t.org_id", stamps: "created_at updated_at last_activity_at revision"},
	{name: "thread_participants", join: "LEFT JOIN threads p ON p.id = t.thread_id", org: "p.org_id", stamps: "joined_at"},
	{name: "thread_join_requests", join: "LEFT JOIN threads p ON p.id = t.thread_id", org: "p.org_id", stamps: "requested_at resolved_at", newer: true},
	{name: "thread_messages", join: "LEFT JOIN threads p ON p.id = t.thread_id", org: "p.org_id", stamps: "created_at"},
	{name: "artifacts", join: "LEFT JOIN threads p ON p.id = t.thread_id", org: "p.org_id", stamps: "created_at"},
	{name: "files", org: "t.org_id", stamps: "created_at"},
	{name: "catchup_events", org: "t.org_id", stamps: "occurred_at"},
	{name: "audit_log", org: "t.org_id", stamps: "created_at"},
	{name: "platform_invite_codes", newer: true},
}

// leftBehind are the tables that are not imported, and why.
var leftBehind = []struct{ name, why string }{
	{"sessions", "people log in again"},
	{"rate_limit_events", "the limits count anew: they are of the last hour"},
	{"schema_versions", "bookkeeping of the old server"},
}

// of returns a query for the rows of one org, which is its argument.
func (t table) of(columns string) string {
	return "SELECT " + columns + " FROM " + t.name + " t " + t.join + " WHERE " + t.org + " = ?"
}

// orphans returns a query for the rows that belong to no org.
func (t table) orphans(columns string) string {
	return "SELECT " + columns + " FROM " + t.name + " t " + t.join + " LEFT JOIN orgs o ON o.id = " + t.org + " WHERE o.id IS NULL"
}

func named(name string) table {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	panic("importer: no table " + name)
}
