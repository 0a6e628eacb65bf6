package conformance

// settingsChecks returns the checks of the settings of an org.
func settingsChecks() []Check {
	return []Check{
		{[]string{"B2B-ORG-021"}, "settings have the default values", func(t *T) {
			o := t.Org()
			for _, c := range []Caller{o.Admin, o.Human()} {
				t.has(t.Get("/api/org/settings", c).OK(), defaultSettings(o))
			}
			t.Get("/api/org/settings", o.Bot("worker")).Refused(403, "FORBIDDEN")
		}},
		{[]string{"B2B-ORG-022", "B2B-ORG-024"}, "a PATCH of the settings changes only its fields", settingsPatch},
		{[]string{"B2B-ORG-023"}, "a PATCH with an invalid setting changes nothing", settingsValidation},
	}
}

func settingsPatch(t *T) {
	o := t.Org()
	want := defaultSettings(o)
	want["join_approval_required"] = true
	t.has(o.Settings(J{"join_approval_required": true}), want)
	policy := J{"resolve": []string{"initiator", "lead"}, "close": nil, "invite": []string{}, "write": []string{"*", "a", "b", "c", "d"}}
	for _, change := range []J{
		{"messages_per_minute_per_bot": 1}, {"threads_per_hour_per_bot": 100000, "file_upload_mb_per_day_per_bot": 7},
		{"message_ttl_days": 30, "thread_auto_close_days": 1, "artifact_retention_days": 365}, {"message_ttl_days": nil},
		{"thread_turn_limit": 20, "thread_messages_per_hour_per_bot": 1}, {"thread_turn_limit": nil}, {"public_agent_cards": true},
		{"default_thread_permission_policy": policy}, {"default_thread_permission_policy": J{"manage": []string{"x"}}},
		{"default_thread_permission_policy": J{}}, {"default_thread_permission_policy": nil, "join_approval_required": false, "unknown": 1},
	} {
		r := o.Settings(change)
		for k, v := range change {
			if k != "unknown" {
				want[k] = v
			}
		}
		if r.Num("updated_at") == 0 {
			t.Errorf("%s: updated_at did not change", r)
		}
		want["updated_at"] = r.Value("updated_at")
		t.has(r, want)
	}
	t.has(t.Get("/api/org/settings", o.Human()).OK(), want)
}

func settingsValidation(t *T) {
	o := t.Org()
	good := J{"threads_per_hour_per_bot": 5}
	bad := []J{{}, {"unknown": 1}, {"org_id": "x"}}
	for _, rate := range []string{"messages_per_minute_per_bot", "threads_per_hour_per_bot", "file_upload_mb_per_day_per_bot"} {
		for _, v := range []any{0, -1, 1.5, "5", nil, true, J{}} {
			bad = append(bad, J{rate: v})
		}
	}
	for _, days := range []string{"message_ttl_days", "thread_auto_close_days", "artifact_retention_days", "thread_turn_limit", "thread_messages_per_hour_per_bot"} {
		for _, v := range []any{0, -1, 1.5, "5", false, []int{1}} {
			bad = append(bad, J{"threads_per_hour_per_bot": 5, days: v})
		}
	}
	for _, v := range []any{
		"x", 5, true, []any{}, J{"unknown": nil}, J{"write": "x"}, J{"write": []any{1}}, J{"write": []any{nil}}, J{"close": []string{"1", "2", "3", "4", "5", "6"}},
		J{"write": J{}}, J{"resolve": []string{"ok"}, "other": []string{"x"}},
	} {
		bad = append(bad, J{"threads_per_hour_per_bot": 5, "default_thread_permission_policy": v})
	}
	for _, v := range []any{nil, 1, "true", J{}} {
		bad = append(bad, J{"threads_per_hour_per_bot": 5, "join_approval_required": v}, J{"threads_per_hour_per_bot": 5, "public_agent_cards": v})
	}
	for _, body := range bad {
		t.Do("PATCH", "/api/org/settings", o.Admin, body).Refused(400, "VALIDATION_ERROR")
	}
	t.has(t.Get("/api/org/settings", o.Admin).OK(), defaultSettings(o))
	o.Settings(good).Equal("threads_per_hour_per_bot", 5)
}

// defaultSettings returns the settings of a new org.
func defaultSettings(o *Org) J {
	return J{
		"org_id": o.ID, "messages_per_minute_per_bot": 120, "threads_per_hour_per_bot": 30, "file_upload_mb_per_day_per_bot": 100,
		"message_ttl_days": nil, "thread_auto_close_days": nil, "artifact_retention_days": nil, "default_thread_permission_policy": nil,
		"updated_at": 0, "join_approval_required": false, "thread_turn_limit": nil, "thread_messages_per_hour_per_bot": nil, "public_agent_cards": false,
	}
}

// has asserts members of the body.
func (t *T) has(r *Response, want J) {
	for k, v := range want {
		r.Equal(k, v)
	}
}
