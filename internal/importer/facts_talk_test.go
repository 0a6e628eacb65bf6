package importer_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/b2b-protocol/b2b/internal/seal"
)

// bots compares profiles, join status, health and what each bot has.
func (f *facts) bots() {
	for _, want := range f.expected.Bots {
		id := text(want, "id")
		admin := "bot:" + f.adminIn(text(want, "org_id"))
		got := f.get(admin, "/api/bots/"+id)
		for _, name := range []string{
			"name", "auth_role", "join_status", "created_at", "bio", "role", "function", "team", "status_text", "timezone", "active_hours",
			"runtime", "metadata", "tags", "languages", "protocols",
		} {
			f.is("bot "+id+" "+name, want[name], member(got, name))
		}
		f.is("bot "+id+" version", want["version_on_the_wire"], member(got, "version"))
		f.hidden(id, want)
		if health, ok := want["webhook_health"]; ok {
			f.is("bot "+id+" webhook", health, f.get(admin, "/api/bots/"+url.PathEscape(text(want, "name"))+"/webhook/health"))
		}
		if text(want, "join_status") != "active" {
			continue
		}
		me := "bot:" + id
		f.is("bot "+id+" scoped tokens", want["scoped_tokens"], len(list(f.get(me, "/api/me/tokens"))))
		f.is("bot "+id+" channels", want["channels"], len(list(f.get(me, "/api/bots/"+id+"/channels?limit=200"))))
		f.is("bot "+id+" threads", want["threads"], len(list(member(f.get(me, "/api/threads?limit=200"), "items"))))
		f.caughtUp(me, want)
	}
}

// hidden compares what no answer tells of a bot.
func (f *facts) hidden(id string, want map[string]any) {
	got, err := f.store.BotByID(f.Context(), id)
	if err != nil {
		f.Fatal(err)
	}
	var address, secret any
	if got.SealedURL != nil {
		address = must(f.keys.Open(seal.WebhookURL(id), *got.SealedURL))(f)
	}
	f.is("bot "+id+" webhook_url", want["webhook_url"], address)
	if got.SealedSecret != nil {
		secret = must(f.keys.Open(seal.Webhook(id), *got.SealedSecret))(f)
	}
	f.is("bot "+id+" webhook_secret", want["webhook_secret"], secret)
	f.is("bot "+id+" join_status_reason", want["join_status_reason"], got.JoinStatusReason)
	f.is("bot "+id+" join_status_changed_at", want["join_status_changed_at"], got.JoinStatusChangedAt)
	var kind any
	if got.JoinStatusChangedBy != nil {
		who, by, _ := strings.Cut(*got.JoinStatusChangedBy, ":")
		kind = who
		if who == "session" && len(by) != 16 {
			f.Errorf("bot %s: %q is no handle of a session", id, by)
		}
	}
	f.is("bot "+id+" join_status_changed_by", want["join_status_changed_by_kind"], kind)
}

// adminIn is an admin bot, also of an org that was suspended.
func (f *facts) adminIn(org string) string {
	f.Helper()
	for _, b := range f.expected.Credentials.Bots {
		if b.OrgID == org && b.Role == "admin" {
			return b.ID
		}
	}
	f.Fatalf("org %s has no admin bot", org)
	return ""
}

// caughtUp counts what a bot has not caught up with, page by page, and by the count.
func (f *facts) caughtUp(me string, bot map[string]any) {
	types, ids := map[string]int{}, map[string]bool{}
	cursor := ""
	for {
		page := f.get(me, "/api/me/catchup?since=0&limit=3"+cursor)
		for _, e := range list(member(page, "events")) {
			types[text(e, "type")]++
			ids[text(e, "event_id")] = true
		}
		next := text(page, "cursor")
		if next == "" {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
	want := map[string]any{}
	if w, ok := bot["catchup"].(map[string]any); ok {
		want = w
	}
	f.is("catch-up of "+text(bot, "id"), want, types)
	f.is("kinds of catch-up of "+text(bot, "id"), len(want), len(types))
	total := 0
	for _, n := range types {
		total += n
	}
	f.is("ids of catch-up of "+text(bot, "id"), total, len(ids))
	f.is("count of catch-up of "+text(bot, "id"), total, member(f.get(me, "/api/me/catchup/count?since=0"), "total"))
}

func (f *facts) channels() {
	for _, want := range f.expected.Channels {
		id := text(want, "id")
		who := "org_admin:" + text(want, "org_id")
		got := f.get(who, "/api/channels/"+id)
		f.is("channel "+id+" created_at", want["created_at"], member(got, "created_at"))
		var members []any
		for _, m := range list(member(got, "members")) {
			members = append(members, text(m, "id"))
		}
		wanted := list(want["members"])
		byText := func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
		slices.SortFunc(members, byText)
		slices.SortFunc(wanted, byText)
		f.is("members of channel "+id, append([]any{}, wanted...), append([]any{}, members...))
		f.messages("channel "+id, want, list(f.get(who, "/api/channels/"+id+"/messages?limit=200")), false)
	}
}

// messages compares the number, the digest (expected.json, digest_rule) and both ends.
func (f *facts) messages(what string, want map[string]any, got []any, thread bool) {
	slices.SortFunc(got, byAge)
	f.is("messages of "+what, want["messages"], len(got))
	for at, m := range map[string]any{"first": first(got), "last": first(got[max(len(got)-1, 0):])} {
		w := want[at]
		if f.target == "postgres" { // B2B-IMP-006
			w = everyText(normal(f, w), withoutNUL)
		}
		f.is(at+" of "+what, w, m)
	}
	replies, mentions := 0, 0
	var b strings.Builder
	for _, m := range got {
		fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%s\n", text(m, "id"), text(m, "sender_id"), text(m, "created_at"), text(m, "content_type"), sha(f.original(m)))
		if !thread {
			continue
		}
		all := "0"
		if member(m, "mention_all") == true {
			all = "1"
		}
		fmt.Fprintf(&b, "%s\n%s\n", text(m, "reply_to_id"), all)
		if text(m, "reply_to_id") != "" {
			replies++
		}
		mentions += len(list(member(m, "mentions")))
	}
	f.is("digest of "+what, want["digest"], sha(b.String()))
	if thread {
		f.is("replies of "+what, want["replies"], replies)
		f.is("mentions of "+what, want["mentions"], mentions)
	}
}

// original is the content as the old server has it: one message holds a U+0000, which
// PostgreSQL cannot (B2B-IMP-006).
func (f *facts) original(m any) string {
	if f.target == "postgres" && text(m, "content") == "a NUL \uFFFD inside" {
		return "a NUL \x00 inside"
	}
	return text(m, "content")
}

func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

func first(rows []any) any {
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

func (f *facts) threads() {
	for _, want := range f.expected.Threads {
		id := text(want, "id")
		who := "org_admin:" + text(want, "org_id")
		got := f.get(who, "/api/org/threads/"+id)
		for _, name := range []string{
			"topic", "status", "close_reason", "revision", "visibility", "join_policy", "tags", "initiator_id", "channel_id", "permission_policy",
			"created_at", "updated_at", "last_activity_at", "resolved_at", "context", "participants",
		} {
			f.is("thread "+id+" "+name, want[name], member(got, name))
		}
		f.messages("thread "+id, want, list(f.get(who, "/api/org/threads/"+id+"/messages?limit=200")), true)
		f.artifacts(who, id, list(want["artifacts"]))
		if requests, ok := want["join_requests"].(map[string]any); ok {
			f.is("waiting requests of "+id, requests["pending"], len(list(f.get("bot:"+text(first(list(want["participants"])), "bot_id"), "/api/threads/"+id+"/join-requests"))))
		}
	}
}

func (f *facts) artifacts(who, thread string, want []any) {
	got := list(f.get(who, "/api/org/threads/"+thread+"/artifacts"))
	f.is("artifacts of "+thread, len(want), len(got))
	for _, w := range want {
		key := text(w, "key")
		i := slices.IndexFunc(got, func(a any) bool { return text(a, "artifact_key") == key })
		if i < 0 {
			f.Errorf("artifact %s of %s is missing", key, thread)
			continue
		}
		latest := member(w, "latest").(map[string]any)
		for name, value := range latest {
			if name == "content_sha256" {
				if value != nil {
					f.is("artifact "+key+" bytes", value, sha(text(got[i], "content")))
				}
				continue
			}
			f.is("artifact "+key+" "+name, value, member(got[i], name))
		}
		f.versions(thread, key, w)
	}
}

// versions asks a bot of the thread, where there is one: org admins see the latest.
func (f *facts) versions(thread, key string, want any) {
	for _, t := range f.expected.Threads {
		bot := text(first(list(t["participants"])), "bot_id")
		if text(t, "id") != thread || bot == "" {
			continue
		}
		var versions, types []any
		for _, v := range list(f.get("bot:"+bot, "/api/threads/"+thread+"/artifacts/"+url.PathEscape(key)+"/versions")) {
			versions, types = append(versions, member(v, "version")), append(types, member(v, "type"))
		}
		f.is("versions of "+key, member(want, "versions"), versions)
		f.is("types of "+key, member(want, "types"), types)
	}
}
