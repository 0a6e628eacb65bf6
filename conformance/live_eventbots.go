package conformance

func eventBotChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004"}, "the org receives events when bots register, are approved, renamed and deleted", botEvents},
		{[]string{"B2B-EVT-002"}, "a demoted admin bot no longer receives bot_join_request", func(t *T) {
			s := newLiveFixture(t)
			extra := s.AdminBot("extra")
			s.addSocket("extra", extra)
			s.addSocket("admin", s.Admin)
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
	s := newLiveFixture(t)
	s.addSocket("ann", s.Ann)
	s.addSocket("admin", s.Admin)
	s.addSocket("oa", s.Human())
	s.addSocket("owner", s.Ann.Login())
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
	received := s.step("a registration", org("bot_registered"), func() { dan = s.Bot("dan") })
	f.is(s.sameFrames("a registration", received, names...)[0], J{"type": "bot_registered", "bot": J{"id": dan.ID, "name": "dan", "join_status": "active"}})
	want := org("bot_registered")
	want["admin"], want["oa"] = "bot_registered bot_join_request", "bot_registered bot_join_request"
	received = s.step("a registration that requires approval", want, func() { eve = s.PendingBot("eve") })
	f.is(received["ann"][0], J{"bot": J{"id": eve.ID, "name": "eve", "join_status": "pending"}})
	f.is(s.sameFrames("a registration that requires approval", received, "admin", "oa")[1], J{"type": "bot_join_request", "bot": J{"id": eve.ID, "name": "eve"}, "org_id": s.ID})

	status := func(b *Bot, body J) func() {
		return func() { t.Do("PATCH", "/api/org/bots/"+b.ID+"/status", s.Admin, body).OK() }
	}
	received = s.step("an approval", org("bot_status_changed"), status(eve, J{"status": "active"}))
	f.is(s.sameFrames("an approval", received, names...)[0], J{"type": "bot_status_changed", "bot_id": eve.ID, "name": "eve", "join_status": "active", "previous_status": "pending", "reason": nil})
	s.step("setting the current status again", nil, status(eve, J{"status": "active", "reason": "again"}))
	received = s.step("a rejection", org("bot_status_changed"), status(eve, J{"status": "rejected", "reason": "no"}))
	f.is(received["ann"][0], J{"join_status": "rejected", "previous_status": "active", "reason": "no"})

	received = s.step("a new name", org("bot_renamed"), func() { t.Do("PATCH", "/api/me/name", dan, J{"name": "Dan"}).OK() })
	f.is(s.sameFrames("a new name", received, names...)[0], J{"type": "bot_renamed", "bot_id": dan.ID, "old_name": "dan", "new_name": "Dan"})

	s.step("changes without an event", nil, func() {
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
	received = s.step("a bot deletes itself", gone, func() { t.Do("DELETE", "/api/me", dan, nil).OK() })
	f.is(received["ann"][0], J{"thread_id": id, "bot_id": dan.ID, "bot_name": "Dan", "action": "left", "by": dan.ID})
	f.is(received["ann"][1], J{"type": "bot_offline", "bot": J{"id": dan.ID, "name": "Dan"}})
	s.step("an admin deletes a bot", org("bot_offline"), func() { t.Do("DELETE", "/api/bots/"+eve.ID, s.Admin, nil).OK() })
}
