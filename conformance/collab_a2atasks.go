package conformance

import "strings"

func a2aTasks(t *T) {
	a := t.a2aAgent()
	r := a.give("m1", "Plan it\nwith care", J{"contextId": "ctx-1"}).Equal("result.task.contextId", "ctx-1").
		Equal("result.task.status.state", "TASK_STATE_SUBMITTED").Equal("result.task.history.0.messageId", "m1").
		Equal("result.task.history.0.parts.0.text", "Plan it\nwith care").Len("result.task.history.0.parts", 1)
	id := r.Str("result.task.id")
	a.give("m1", "Plan it\nwith care", J{"contextId": "ctx-1"}).Equal("result.task.id", id).Len("result.task.history", 1)
	t.Get(thr(id, ""), a.agent).OK().Equal("topic", "Plan it").Equal("visibility", "private").Equal("initiator_id", a.client.ID).Equal("tags.0", "a2a")
	got := t.Get(thr(id, "/messages"), a.agent).OK()
	got.Equal("0.content", "@agent Plan it\nwith care").Equal("0.mentions.0.bot_id", a.agent.ID)
	answered := t.Do("POST", thr(id, "/messages"), a.agent, J{"content": "Which way?"}).OK().Str("id")
	a.give("m2", "This way", J{"taskId": id}).Equal("result.task.id", id)
	t.Get(thr(id, "/messages"), a.agent).OK().Equal("2.content", "This way").Equal("2.reply_to_id", answered)
	r = a.task(id, "WORKING").Len("result.history", 3)
	r.Equal("result.history.1.role", "ROLE_AGENT").Equal("result.history.1.metadata.sender_name", "agent").Equal("result.history.2.messageId", "m2")
	a.rpc(a.client, "GetTask", J{"id": id, "historyLength": 1}).Len("result.history", 1).Equal("result.history.0.messageId", "m2")
	a.rpc(a.org.Bot("other"), "GetTask", J{"id": id}).reason("TASK_NOT_FOUND")
	own := t.Do("POST", "/api/threads", a.client, J{"topic": "mine", "participants": []string{"agent"}}).OK().Str("id")
	a.rpc(a.client, "GetTask", J{"id": own}).reason("TASK_NOT_FOUND")
	second := a.give("m3", "Plan more", J{}).Str("result.task.id")
	if second == id {
		t.Errorf("a message without a task went on with %s", id)
	}
	a.task(second, "SUBMITTED").Equal("result.contextId", second)
	for what, bad := range map[string]J{
		"no id": {"messageId": ""}, "an agent's role": {"role": "ROLE_AGENT"}, "no parts": {"parts": []J{}},
		"another context": {"taskId": id, "contextId": "ctx-2"}, "a space in the context": {"contextId": "a b"}, "a script as a link": {"parts": []J{{"url": "javascript:x"}}},
		"a number as data": {"parts": []J{{"data": 5}}}, "too many parts": {"parts": many(51, J{"raw": "YQ=="})}, "large metadata": {"metadata": J{"x": strings.Repeat("x", 17000)}},
	} {
		if r := a.rpc(a.client, "SendMessage", message("bad", "x", bad)); r.Str("error.data.0.reason") != "INVALID_PARAMS" {
			t.Errorf("%s: a message with %s was accepted", r, what)
		}
	}
	a.rpc(a.client, "SendMessage", message("m4", "x", J{"taskId": "nothing"})).reason("TASK_NOT_FOUND")
}

func many(n int, part J) []J {
	out := make([]J, n)
	for i := range out {
		out[i] = part
	}
	return out
}

func a2aRepeats(t *T) {
	a := t.a2aAgent()
	id := a.give("m1", "one", nil).Str("result.task.id")
	a.rpc(a.client, "SendMessage", message("m1", "another", nil)).reason("INVALID_PARAMS")
	a.task(id, "SUBMITTED").Len("result.history", 1)
	t.Do("PATCH", "/api/me/name", a.agent, J{"name": "renamed"}).OK()
	a.give("m1", "one", nil).Equal("result.task.id", id).Len("result.task.history", 1)
	t.say(a.agent, id, "and?").OK()
	a.give("m2", "two", J{"taskId": id})
	t.patch(a.agent, id, J{"status": "blocked"}).OK()
	for range 2 {
		a.give("m1", "one", nil).Equal("result.task.id", id)
	}
	t.Get(thr(id, ""), a.agent).OK().Equal("status", "blocked")
	a.give("m2", "two", J{"taskId": id}).Len("result.task.history", 3) // as if the first attempt had ended before the thread was active again
	a.rpc(a.client, "SendMessage", message("m2", "three", J{"taskId": id})).reason("INVALID_PARAMS")
	a.rpc(a.client, "SendMessage", message("m3", "", J{"parts": []J{{"data": 5}}})).reason("INVALID_PARAMS")
	a.rpc(a.client, "SendMessage", message("m3", "", J{"parts": many(51, J{"raw": "YQ=="})})).reason("INVALID_PARAMS")
	a.rpc(a.client, "ListTasks", J{}).Equal("result.totalSize", 1)
	program := J{"parts": []J{{"text": "as a text"}, {"raw": "f0VMRgIBAQ==", "filename": "a.bin", "mediaType": "application/x-executable"}}}
	a.rpc(a.client, "SendMessage", message("m3", "", program)).Has("error.code")
	fixed := a.give("m3", "as a text", nil).Equal("result.task.status.state", "TASK_STATE_SUBMITTED").Str("result.task.id")
	t.say(a.agent, fixed, "thanks").OK()
	a.task(fixed, "INPUT_REQUIRED")
}

func a2aBlocked(t *T) {
	a := t.a2aAgent()
	blocked := func(message string) string {
		id := a.give(message, "hello", nil).Str("result.task.id")
		t.say(a.agent, id, "which one?").OK()
		return id
	}
	plain := blocked("m1")
	t.patch(a.agent, plain, J{"status": "blocked"}).OK()
	a.rpc(a.client, "CancelTask", J{"id": plain}).Equal("result.status.state", "TASK_STATE_CANCELED")
	for kind, state := range map[string]string{"choose": "INPUT_REQUIRED", "approve": "AUTH_REQUIRED"} {
		id := blocked("of " + kind)
		ask := J{"question": "which?", "kind": kind, "blocks": true, "humans": true}
		if kind == "choose" {
			ask["choices"] = []string{"a", "b"}
		}
		decision := t.Do("POST", thr(id, "/decisions"), a.agent, ask).Status(201).Str("id")
		a.task(id, state)
		a.give("answer to "+kind, "take a", J{"taskId": id}).Equal("result.task.status.state", "TASK_STATE_"+state)
		a.rpc(a.client, "CancelTask", J{"id": id}).reason("TASK_NOT_CANCELABLE")
		t.Do("POST", "/api/decisions/"+decision+"/withdraw", a.agent, J{}).OK()
		a.rpc(a.client, "CancelTask", J{"id": id}).Equal("result.status.state", "TASK_STATE_CANCELED")
	}
}

func a2aStates(t *T) {
	a := t.a2aAgent()
	id := a.give("m1", "hello", nil).Str("result.task.id")
	say := func(content string, more J) {
		t.Do("POST", thr(id, "/messages"), a.agent, with(J{"content": content}, more)).OK()
	}
	a.task(id, "SUBMITTED")
	say("on it", J{"no_reply": true})
	a.task(id, "WORKING").Equal("result.status.message.parts.0.text", "on it")
	say("is that so?", nil)
	a.task(id, "INPUT_REQUIRED").Equal("result.status.message.parts.0.text", "is that so?")
	t.patch(a.agent, id, J{"status": "blocked"}).OK()
	a.task(id, "INPUT_REQUIRED")
	a.give("m2", "yes", J{"taskId": id})
	a.task(id, "WORKING")
	t.Get(thr(id, ""), a.agent).OK().Equal("status", "active")
	t.patch(a.agent, id, J{"status": "reviewing"}).OK()
	a.task(id, "WORKING")
	say("please review", nil)
	a.task(id, "INPUT_REQUIRED")
	t.patch(a.agent, id, J{"status": "resolved"}).OK()
	a.task(id, "COMPLETED")
	a.rpc(a.client, "CancelTask", J{"id": id}).reason("TASK_NOT_CANCELABLE")
	a.rpc(a.client, "SendMessage", message("m3", "more", J{"taskId": id})).reason("UNSUPPORTED_OPERATION")
	next := a.give("m3", "more", J{"contextId": id, "referenceTaskIds": []string{id}}).Equal("result.task.contextId", id).Str("result.task.id")
	a.task(next, "SUBMITTED").Equal("result.history.0.referenceTaskIds.0", id)
	a.rpc(a.client, "CancelTask", J{"id": next}).Equal("result.status.state", "TASK_STATE_CANCELED")
	t.Get(thr(next, ""), a.agent).OK().Equal("status", "closed").Equal("close_reason", "manual")
	failed := a.give("m4", "fail", nil).Str("result.task.id")
	t.patch(a.agent, failed, J{"status": "closed", "close_reason": "error"}).OK()
	a.task(failed, "FAILED")
}
