package importer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Every fact of expected.json of every sample is told by the server over HTTP, after an
// import into either database. Suspended orgs are asked last, woken up.
// It proves B2B-IMP-001, 009.
func TestFacts(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		for _, to := range targets(t) {
			t.Run(s.name+" into "+to.name, func(t *testing.T) {
				importInto(t, s.from, s.dir, to)
				f := &facts{site: serve(t, to, &s.expected), target: to.name}
				steps := []struct {
					name string
					run  func()
				}{
					{"tokens", f.tokens}, {"dead", f.dead}, {"audit", f.audit}, {"logins", f.logins}, {"totals", f.totals},
					{"orgs", f.orgs}, {"wake", f.wake}, {"bots", f.bots}, {"channels", f.channels}, {"threads", f.threads}, {"files", f.downloads},
					{"invites", f.invites}, {"tickets", f.tickets}, {"tombstones", f.tombstones},
				}
				for _, step := range steps {
					t.Run(step.name, func(t *testing.T) {
						f.TB = t
						step.run()
					})
				}
			})
		}
	}
}

type facts struct {
	*site
	target string
}

// is compares a fact with what was answered.
func (f *facts) is(what string, want, got any) {
	f.Helper()
	c := comparison{}
	c.compare("", normal(f, want), normal(f, got))
	for _, d := range c.differences {
		f.Errorf("%s%s", what, d)
	}
}

// normal makes a value look as if it was read from JSON.
func normal(f *facts, v any) any {
	f.Helper()
	switch v := v.(type) {
	case int:
		return number(v)
	case missing, nil:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		f.Fatal(err)
	}
	return out
}

// answers checks status, code and join status of an answer.
func (f *facts) answers(what string, want answer, r *response) {
	f.Helper()
	f.is(what+": status", want.Status, r.Status)
	if want.Code != "" {
		f.is(what+": code", want.Code, member(r.Body, "code"))
	}
	if want.JoinStatus != "" {
		f.is(what+": join_status", want.JoinStatus, member(r.Body, "join_status"))
	}
}

// get answers a body that must be there.
func (f *facts) get(who, path string) any {
	f.Helper()
	r := f.as(who, "GET", path, nil)
	if r.Status != 200 {
		f.Errorf("%s as %s: %d %s", path, who, r.Status, r.Raw)
	}
	return r.Body
}

func (f *facts) tokens() {
	for _, b := range f.expected.Credentials.Bots {
		f.answers("bot "+b.Name, b.Expect, f.as("bot:"+b.ID, "GET", "/api/me", nil))
	}
	for _, k := range f.expected.Credentials.Scoped {
		f.answers("scoped token "+k.ID, k.Expect, f.as("scoped:"+k.ID, "GET", "/api/me", nil))
	}
}

func (f *facts) dead() {
	for _, d := range f.expected.Credentials.Dead {
		if d.What == "bot" {
			f.answers("dead "+d.Name, d.Expect, f.as("dead:"+d.Name, "GET", "/api/me", nil))
			continue
		}
		r := f.as("", "POST", "/api/auth/login", map[string]string{"type": "org_admin", "org_id": d.OrgID, "org_secret": d.Secret})
		f.answers("dead secret of "+d.OrgID, d.Expect, r)
	}
}

func (f *facts) logins() {
	for _, o := range f.expected.Credentials.Orgs {
		r := f.as("", "POST", "/api/auth/login", map[string]string{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret})
		f.answers("login of "+o.Key, o.Expect, r)
	}
}

// audit counts entries by action, as an admin bot, before anybody logs in.
func (f *facts) audit() {
	for _, o := range f.expected.Orgs {
		if text(o, "status") != "active" {
			continue
		}
		counts := map[string]int{}
		for action := range o["audit"].(map[string]any) {
			counts[action] = 0
		}
		for action := range counts {
			counts[action] = len(list(f.get("bot:"+f.adminOf(text(o, "id")), "/api/audit?limit=200&action="+action)))
		}
		f.is("audit of "+text(o, "key"), o["audit"], counts)
	}
}

func (f *facts) adminOf(org string) string {
	f.Helper()
	for _, b := range f.expected.Credentials.Bots {
		if b.OrgID == org && b.Role == "admin" && b.Expect.Status == 200 {
			return b.ID
		}
	}
	f.Fatalf("org %s has no admin bot", org)
	return ""
}

func (f *facts) totals() {
	stats := f.get("", "/api/stats")
	for _, name := range []string{"orgs", "bots", "threads", "messages"} {
		got := member(stats, strings.TrimSuffix(name, "s")+"_count")
		if got == nil {
			got = member(stats, name)
		}
		f.is("total of "+name, f.expected.Totals[name], got)
	}
}

func (f *facts) orgs() {
	all := list(f.get("super_admin", "/api/orgs"))
	f.is("number of orgs", len(f.expected.Orgs), len(all))
	for _, want := range f.expected.Orgs {
		id := text(want, "id")
		got := byID(all, id)
		for _, name := range []string{"name", "status", "persist_messages", "created_at"} {
			f.is("org "+id+" "+name, want[name], member(got, name))
		}
		if want["status"] == "active" {
			f.settings(want)
			f.lists(want)
		}
	}
}

// settings checks those of an org, or their defaults where none were saved.
func (f *facts) settings(org map[string]any) {
	who := "org_admin:" + text(org, "id")
	settings := f.get(who, "/api/org/settings")
	f.is("join approval", org["join_approval_required"], member(settings, "join_approval_required"))
	want, ok := org["settings"].(map[string]any)
	if !ok {
		want = map[string]any{
			"messages_per_minute_per_bot": 120, "threads_per_hour_per_bot": 30, "file_upload_mb_per_day_per_bot": 100,
			"message_ttl_days": nil, "thread_auto_close_days": nil, "artifact_retention_days": nil, "default_thread_permission_policy": nil,
		}
	}
	f.is("settings of "+text(org, "key"), want, settings)
}

// lists counts what an org admin sees.
func (f *facts) lists(org map[string]any) {
	who := "org_admin:" + text(org, "id")
	threads := map[string]int{}
	for _, t := range list(member(f.get(who, "/api/org/threads?limit=200"), "items")) {
		threads[text(t, "status")]++
	}
	f.is("threads of "+text(org, "key"), org["threads"], threads)
	f.is("open tickets of "+text(org, "key"), org["open_tickets"], len(list(member(f.get(who, "/api/org/tickets?limit=100"), "items"))))
	bots := map[string]int{"active": 0, "pending": 0, "rejected": 0}
	for _, b := range list(f.get(who, "/api/bots")) {
		bots[text(b, "join_status")]++
	}
	f.is("bots of "+text(org, "key"), org["bots"], bots)
}

// wake makes suspended orgs active, to be looked into.
func (f *facts) wake() {
	for _, o := range f.expected.Orgs {
		if text(o, "status") != "active" {
			f.is("wake "+text(o, "key"), 200, f.as("super_admin", "PATCH", "/api/orgs/"+text(o, "id"), map[string]string{"status": "active"}).Status)
		}
	}
}

func (f *facts) invites() {
	all := list(f.get("super_admin", "/api/platform/invite-codes"))
	for _, c := range f.expected.Credentials.Invites {
		got := byID(all, c.ID)
		for name, want := range map[string]any{
			"label": c.Label, "max_uses": c.MaxUses, "use_count": c.UseCount, "expires_at": c.ExpiresAt, "created_at": c.CreatedAt,
		} {
			f.is("invite code "+c.ID+" "+name, want, member(got, name))
		}
	}
	for _, c := range f.expected.Credentials.Invites {
		r := f.as("", "POST", "/api/platform/orgs", map[string]string{"invite_code": c.Code, "name": "New " + c.ID[:8]})
		f.answers("invite code "+c.ID, c.Expect, r)
	}
}

func (f *facts) tickets() {
	for i, k := range f.expected.Credentials.Tickets {
		r := f.as("", "POST", "/api/auth/register", map[string]string{"org_id": k.OrgID, "ticket": k.Ticket, "name": fmt.Sprintf("new-%d", i)})
		f.answers("ticket "+k.Ticket, k.Expect, r)
	}
}

// downloads fetches every file as an admin of its org.
func (f *facts) downloads() {
	for _, want := range f.expected.Files {
		r := f.as("bot:"+f.adminIn(text(want, "org_id")), "GET", "/api/files/"+text(want, "id"), nil)
		if want["on_disk"] != true {
			f.is("download of "+text(want, "id"), 404, r.Status)
			continue
		}
		f.is("download of "+text(want, "id"), 200, r.Status)
		f.is("bytes of "+text(want, "id"), want["sha256"], sha(string(r.Raw)))
	}
}

// tombstones tries to take the names, and one more that is free.
func (f *facts) tombstones() {
	for _, o := range f.expected.Credentials.Orgs {
		take := func(name string) *response {
			return f.as("", "POST", "/api/auth/register", map[string]string{"org_id": o.ID, "org_secret": o.Secret, "name": name})
		}
		if o.Expect.Status == 200 {
			f.is("a free name", 200, take("free-name").Status)
		}
		for _, org := range f.expected.Orgs {
			if text(org, "id") != o.ID {
				continue
			}
			for _, k := range list(org["tombstones"]) {
				f.answers("tombstone "+text(k, "name"), answer{Status: 409, Code: "NAME_TOMBSTONED"}, take(text(k, "name")))
			}
		}
	}
}

func byID(rows []any, id string) any {
	for _, row := range rows {
		if text(row, "id") == id {
			return row
		}
	}
	return missing{}
}

func sha(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}
