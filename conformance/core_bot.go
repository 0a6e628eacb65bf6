package conformance

// botChecks returns the checks of one bot: reading, deleting, its webhook and channels.
func botChecks() []Check {
	return []Check{
		{[]string{"B2B-BOT-001", "B2B-BOT-002", "B2B-BOT-007"}, "every response with a bot has all its keys", botKeys},
		{[]string{"B2B-BOT-007"}, "a bot can be read by id or by exact name", botByIDOrName},
		{[]string{"B2B-BOT-008"}, "a webhook without deliveries is healthy", webhookHealth},
		{[]string{"B2B-BOT-009"}, "a bot can list its own channels, an org-admin session those of any bot", botChannels},
		{[]string{"B2B-BOT-013"}, "a bot can delete itself, an org admin any bot", botDeletion},
		{[]string{"B2B-BOT-030"}, "the workspace of a new bot is empty", func(t *T) {
			o := t.Org()
			t.Get("/api/me/workspace", o.Admin).OK().Equal("bot.id", o.Admin.ID).
				Len("dms.items", 0).Equal("dms.has_more", false).Lacks("dms.next_cursor").
				Len("threads.items", 0).Equal("threads.has_more", false).Lacks("threads.next_cursor")
			t.Get("/api/me/workspace?dm_limit=-1&thread_limit=x&dm_cursor=nonsense&thread_cursor=nonsense", o.Admin).OK().Has("bot", "dms", "threads")
		}},
	}
}

func botKeys(t *T) {
	o := t.Org()
	full := fullProfile()
	full["metadata"] = J{"k": []any{1, "x", nil}}
	bot := o.Bot("worker", full)
	want := fullProfile()
	for k, v := range (J{"id": bot.ID, "org_id": o.ID, "name": "worker", "auth_role": "member", "join_status": "active", "online": false, "metadata": full["metadata"]}) {
		want[k] = v
	}
	bare := "!token !bot_id !message"
	for _, r := range []*Response{
		t.Get("/api/me", bot), t.Get("/api/me", bot.Login()), t.Get("/api/bots/"+bot.ID, o.Admin), t.Get("/api/bots/worker/profile", o.Human()),
		t.Do("PATCH", "/api/me/profile", bot, J{"bio": want["bio"]}),
	} {
		t.has(r.OK().Shape("", botShape+" "+bare), want)
	}
	for _, r := range []*Response{t.Get("/api/bots", bot), t.Get("/api/peers", o.Admin), t.Get("/api/bots", o.Human())} {
		got := r.OK().Find("", "id", bot.ID)
		t.Shape(r.String(), got, botShape+" "+bare)
		for k, v := range want {
			if show(got[k]) != show(normal(v)) {
				t.Errorf("%s: %s is %s, want %s", r, k, show(got[k]), show(v))
			}
		}
	}
	paged := t.Get("/api/bots?limit=10", o.Human()).OK()
	t.Shape(paged.String(), paged.Find("items", "id", bot.ID), botShape+" "+bare)
	t.Get("/api/me/workspace", bot).OK().Shape("bot", botShape+" "+bare)
}

func botByIDOrName(t *T) {
	o := t.Org()
	bot, hidden := o.Bot("Worker"), o.PendingBot("hidden")
	t.Get("/api/bots/"+bot.ID, bot).Status(200).Equal("name", "Worker")
	t.Get("/api/bots/Worker/profile", bot).Status(200).Equal("id", bot.ID)
	for _, path := range []string{"/api/bots/Worker", "/api/bots/" + unusedID, "/api/bots/worker/profile", "/api/bots/nobody/profile", "/api/bots/" + bot.ID + "/profile"} {
		for _, c := range []Caller{bot, o.Admin, o.Human()} {
			t.Get(path, c).Refused(404, "NOT_FOUND")
		}
	}
	for _, status := range []string{"pending", "rejected"} {
		for _, path := range []string{"/api/bots/" + hidden.ID, "/api/bots/hidden/profile"} {
			t.Get(path, bot).Refused(404, "NOT_FOUND")
			t.Get(path, o.Admin).Status(200).Equal("join_status", status)
			t.Get(path, o.Human()).Status(200).Equal("join_status", status)
		}
		hidden.SetStatus("rejected")
	}
	hidden.SetStatus("active")
	t.Get("/api/bots/hidden/profile", bot).Status(200)
}

func webhookHealth(t *T) {
	o := t.Org()
	bot, hidden := o.Bot("worker"), o.PendingBot("hidden")
	for _, c := range []Caller{bot, o.Admin, o.Human()} {
		t.has(t.Get("/api/bots/worker/webhook/health", c).Status(200),
			J{"healthy": true, "last_success": nil, "last_failure": nil, "consecutive_failures": 0, "degraded": false})
		t.Get("/api/bots/nobody/webhook/health", c).Refused(404, "NOT_FOUND")
		t.Get("/api/bots/"+bot.ID+"/webhook/health", c).Refused(404, "NOT_FOUND")
	}
	t.Get("/api/bots/hidden/webhook/health", bot).Refused(404, "NOT_FOUND")
	t.Get("/api/bots/hidden/webhook/health", o.Admin).Status(200)
	hidden.SetStatus("active")
	t.Get("/api/bots/hidden/webhook/health", bot).Status(200)
}

func botChannels(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	for _, ref := range []string{bot.ID, "worker"} {
		t.Get("/api/bots/"+ref+"/channels", bot).Status(200).Len("", 0)
		t.Get("/api/bots/"+ref+"/channels", o.Human()).Status(200).Len("", 0)
		t.Get("/api/bots/"+ref+"/channels", o.Admin).Refused(403, "FORBIDDEN")
	}
	for _, c := range []Caller{bot, o.Human(), o.Admin} {
		t.Get("/api/bots/nobody/channels", c).Refused(404, "NOT_FOUND")
		t.Get("/api/bots/"+unusedID+"/channels", c).Refused(404, "NOT_FOUND")
	}
}

func botDeletion(t *T) {
	o := t.Org()
	self, other, boss := o.Bot("self"), o.Bot("other"), o.AdminBot("boss")
	scoped := other.Scoped("read")
	t.Do("DELETE", "/api/bots/"+other.ID, self, nil).Refused(403, "FORBIDDEN")
	for _, ref := range []string{"other", unusedID} {
		t.Do("DELETE", "/api/bots/"+ref, o.Admin, nil).Refused(404, "NOT_FOUND")
	}
	t.Do("DELETE", "/api/bots/"+other.ID, o.Admin, nil).Status(200).Equal("ok", true).Shape("", "message:s")
	t.Do("DELETE", "/api/bots/"+other.ID, o.Admin, nil).Refused(404, "NOT_FOUND")
	t.Do("DELETE", "/api/me", self.Login(), nil).Status(200).Equal("ok", true).Shape("", "message:s")
	t.Do("DELETE", "/api/bots/"+boss.ID, boss, nil).Status(200).Equal("ok", true)
	for _, c := range []Caller{self, other, scoped, boss} {
		t.Get("/api/me", c).Refused(401, "INVALID_TOKEN")
	}
	t.Get("/api/bots/"+other.ID, o.Admin).Refused(404, "NOT_FOUND")
	t.Get("/api/bots", o.Admin).OK().Len("", 1)
	for _, name := range []string{"self", "other", "boss"} {
		o.Register(J{"org_secret": o.Secret, "name": name}).Refused(409, "NAME_TOMBSTONED")
	}
	t.Do("DELETE", "/api/bots/"+o.Bot("third").ID, o.Human(), nil).Status(200)
}
