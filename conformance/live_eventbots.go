package conformance

func eventBotChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004"}, "who registers, is approved, renamed and deleted is told to the org", botEvents},
		{[]string{"B2B-EVT-002"}, "a bot that is no admin any more hears no requests to register", func(t *T) {
			s := newStage(t)
			extra := s.AdminBot("extra")
			s.sit("extra", extra)
			s.sit("admin", s.Admin)
			s.Settings(J{"join_approval_required": true})
			apply := func(name string) func() {
				return func() { s.Register(J{"name": name, "ticket": s.Ticket(J{"reusable": true})}).OK() }
			}
			both := "bot_registered bot_join_request"
			s.step("an application", map[string]string{"extra": both, "admin": both}, apply("new1"))
			extra.Demote()
			s.step("an application after the demotion", map[string]string{"extra": "bot_registered", "admin": both}, apply("new2"))
			extra.Promote()
			s.step("an application after the promotion", map[string]string{"extra": both, "admin": both}, apply("new3"))
		}},
	}
}

func botEvents(t *T) {
	s := newStage(t)
	s.sit("ann", s.Ann)
	s.sit("admin", s.Admin)
	s.sit("oa", s.Human())
	s.sit("owner", s.Ann.Login())
	names := []string{"ann", "admin", "oa", "owner"}
	org := func(types string) map[string]string {
		m := map[string]string{}
		for _, n := range names {
			m[n] = types
		}
		return m
	}
	f := s.feeds["ann"]
	var dan, eve *Bot
	told := s.step("a registration", org("bot_registered"), func() { dan = s.Bot("dan") })
	f.is(s.same("a registration", told, names...)[0], J{"type": "bot_registered", "bot": J{"id": dan.ID, "name": "dan", "join_status": "active"}})
	want := org("bot_registered")
	want["admin"], want["oa"] = "bot_registered bot_join_request", "bot_registered bot_join_request"
	told = s.step("a registration that waits", want, func() { eve = s.PendingBot("eve") })
	f.is(told["ann"][0], J{"bot": J{"id": eve.ID, "name": "eve", "join_status": "pending"}})
	f.is(s.same("a registration that waits", told, "admin", "oa")[1], J{"type": "bot_join_request", "bot": J{"id": eve.ID, "name": "eve"}, "org_id": s.ID})

	status := func(b *Bot, body J) func() {
		return func() { t.Do("PATCH", "/api/org/bots/"+b.ID+"/status", s.Admin, body).OK() }
	}
	told = s.step("an approval", org("bot_status_changed"), status(eve, J{"status": "active"}))
	f.is(s.same("an approval", told, names...)[0], J{"type": "bot_status_changed", "bot_id": eve.ID, "name": "eve", "join_status": "active", "previous_status": "pending", "reason": nil})
	s.step("the status that it has", nil, status(eve, J{"status": "active", "reason": "again"}))
	told = s.step("a rejection", org("bot_status_changed"), status(eve, J{"status": "rejected", "reason": "no"}))
	f.is(told["ann"][0], J{"join_status": "rejected", "previous_status": "active", "reason": "no"})

	told = s.step("a new name", org("bot_renamed"), func() { t.Do("PATCH", "/api/me/name", dan, J{"name": "Dan"}).OK() })
	f.is(s.same("a new name", told, names...)[0], J{"type": "bot_renamed", "bot_id": dan.ID, "old_name": "dan", "new_name": "Dan"})

	s.step("what nobody is told", nil, func() {
		t.Do("PATCH", "/api/me/profile", dan, J{"bio": "x"}).OK()
		dan.Promote()
		dan.Demote()
		dan.Scoped("read")
		s.Ticket(J{})
		s.Settings(J{"message_ttl_days": 30})
	})

	var id string
	s.step("a thread", map[string]string{"ann": "thread_created thread_participant thread_participant", "owner": "thread_created thread_participant thread_participant", "oa": "thread_created"}, func() { id = s.thread(J{"participants": []string{"Dan"}}) })
	gone := org("bot_offline")
	gone["ann"], gone["owner"] = "thread_participant bot_offline", "thread_participant bot_offline"
	told = s.step("the end of a bot", gone, func() { t.Do("DELETE", "/api/me", dan, nil).OK() })
	f.is(told["ann"][0], J{"thread_id": id, "bot_id": dan.ID, "bot_name": "Dan", "action": "left", "by": dan.ID})
	f.is(told["ann"][1], J{"type": "bot_offline", "bot": J{"id": dan.ID, "name": "Dan"}})
	s.step("the end of a bot by an admin", org("bot_offline"), func() { t.Do("DELETE", "/api/bots/"+eve.ID, s.Admin, nil).OK() })
}
