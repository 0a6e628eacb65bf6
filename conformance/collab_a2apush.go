package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pushTo starts a receiver of tasks. The server must allow its address, as with [hookChecks].
func (t *T) pushTo() *hooks {
	h := t.hooks()
	h.foreign = true
	return h
}

// value returns the value in what a receiver got.
func (d delivery) value(path ...string) any {
	var v any = d.event
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (d delivery) state() string {
	s, _ := d.value("task", "status", "state").(string)
	return strings.TrimPrefix(s, "TASK_STATE_")
}

// push creates a push config of a task.
func (a *a2aAgent) push(by Caller, task string, config J) *Response {
	return a.rpc(by, "CreateTaskPushNotificationConfig", with(J{"taskId": task}, config))
}

func (a *a2aAgent) pushes(by Caller, task string) []string {
	return a.rpc(by, "ListTaskPushNotificationConfigs", J{"taskId": task}).Pluck("result.configs", "id")
}

const publicURL = "https://[2606:4700::1111]:8443/tasks"

func a2aPushConfigs(t *T) {
	a := t.a2aAgent()
	t.Get(a.path+"/.well-known/agent-card.json", a.client).Status(200).Equal("capabilities.pushNotifications", true)
	id := a.give("m1", "hello", nil).Str("result.task.id")
	secret := J{"url": publicURL, "token": "tok-1", "authentication": J{"scheme": "Bearer", "credentials": "cred-1"}}
	a.push(a.client, id, with(J{"id": "one"}, secret)).Equal("result.id", "one").Equal("result.taskId", id).Equal("result.url", publicURL).
		Equal("result.authentication.scheme", "Bearer").Lacks("result.token", "result.authentication.credentials")
	made := a.push(a.client, id, J{"url": publicURL}).Str("result.id")
	get := func(by Caller, config string) *Response {
		return a.rpc(by, "GetTaskPushNotificationConfig", J{"taskId": id, "id": config})
	}
	get(a.client, "one").Equal("result.url", publicURL).Lacks("result.token", "result.authentication.credentials")
	get(a.client, made).Equal("result.id", made)
	get(a.client, "none").reason("TASK_NOT_FOUND")
	a.push(a.client, id, J{"id": "one", "url": publicURL + "/new"}).Equal("result.url", publicURL+"/new")
	get(a.client, "one").Equal("result.url", publicURL+"/new").Lacks("result.authentication")
	if got := a.pushes(a.client.Scoped("a2a"), id); !slices.Equal(got, []string{"one", made}) {
		t.Errorf("the push configs are %v", got)
	}
	first := a.rpc(a.client, "ListTaskPushNotificationConfigs", J{"taskId": id, "pageSize": 1}).Len("result.configs", 1).Equal("result.configs.0.id", "one")
	a.rpc(a.client, "ListTaskPushNotificationConfigs", J{"taskId": id, "pageToken": first.Str("result.nextPageToken")}).
		Len("result.configs", 1).Equal("result.configs.0.id", made)
	other := a.org.Bot("other")
	theirs := a.rpc(other, "SendMessage", message("m1", "hello", nil)).Str("result.task.id")
	a.push(other, theirs, J{"id": "one", "url": publicURL})
	for _, by := range []Caller{other, a.agent} {
		get(by, "one").reason("TASK_NOT_FOUND")
		a.push(by, id, J{"url": publicURL}).reason("TASK_NOT_FOUND")
		a.rpc(by, "ListTaskPushNotificationConfigs", J{"taskId": id}).reason("TASK_NOT_FOUND")
		a.rpc(by, "DeleteTaskPushNotificationConfig", J{"taskId": id, "id": "one"}).reason("TASK_NOT_FOUND")
	}
	a.rpc(a.client, "DeleteTaskPushNotificationConfig", J{"taskId": id, "id": "one"}).Equal("result", J{})
	get(a.client, "one").reason("TASK_NOT_FOUND")
	a.rpc(other, "GetTaskPushNotificationConfig", J{"taskId": theirs, "id": "one"}).Equal("result.id", "one")
	a.org.Audit("push.delete").Len("", 1).Equal("0.bot_id", a.client.ID).Equal("0.target_id", id).Equal("0.detail.config_id", "one")
	a.org.Audit("push.set").Len("", 4).Equal("0.bot_id", other.ID).Equal("0.target_type", "thread").Equal("0.detail.host", "[2606:4700::1111]:8443")

	rest, version := a.path+"/tasks/"+id+"/pushNotificationConfigs", Header("A2A-Version", "1.0")
	t.Do("POST", rest, a.client, with(J{"id": "two"}, secret), version).Status(200).Equal("id", "two").Equal("taskId", id).Lacks("token")
	t.Get(rest+"/two", a.client, version).Status(200).Equal("url", publicURL)
	t.Get(rest, a.client, version).Status(200).Len("configs", 2)
	t.Get(rest+"/two", other, version).Status(404)
	t.Do("DELETE", rest+"/two", a.client, nil, version).Status(200).Equal("", J{})
	t.Get(rest+"/two", a.client, version).Status(404)
	t.Get(rest, a.client, version).Status(200).Len("configs", 1)
}

func a2aPushRefused(t *T) {
	a := t.a2aAgent()
	id := a.give("m1", "hello", nil).Str("result.task.id")
	long := strings.Repeat("x", 4097)
	for _, bad := range []J{
		{"url": ""}, {"url": "https://10.0.0.1/tasks"}, {"url": "https://user:pass@8.8.8.8/"}, {"url": "ftp://8.8.8.8/"}, {"url": "tasks"}, {"url": "https://8.8.8.8/" + long[:2048]},
		{"id": "a/b"}, {"id": ".."}, {"id": long[:129]}, {"token": "a\r\nX-Evil: 1"}, {"token": "tök"}, {"token": long},
		{"authentication": J{"scheme": "Bearer x", "credentials": "y"}}, {"authentication": J{"scheme": "", "credentials": "y"}},
		{"authentication": J{"scheme": "Bearer", "credentials": "a\nb"}},
	} {
		config := with(J{"url": publicURL}, bad)
		if r := a.push(a.client, id, config); r.Str("error.data.0.reason") != "INVALID_PARAMS" {
			t.Errorf("%s: the push config %v was accepted", r, bad)
		}
		params := message("m2", "hello", nil)
		params["configuration"] = J{"returnImmediately": true, "taskPushNotificationConfig": config}
		if r := a.rpc(a.client, "SendMessage", params); r.Str("error.data.0.reason") != "INVALID_PARAMS" {
			t.Errorf("%s: a message with the push config %v was accepted", r, bad)
		}
	}
	a.rpc(a.client, "ListTasks", J{}).Equal("result.totalSize", 1)
	a.push(a.client, id, J{"url": publicURL, "id": strings.Repeat("x", 128), "token": long[:4096], "authentication": J{"scheme": "Basic", "credentials": long[:4096]}}).Has("result.id")
	for i := range 4 {
		a.push(a.client, id, J{"id": fmt.Sprint(i), "url": publicURL}).Has("result.id")
	}
	r := a.push(a.client, id, J{"id": "one-more", "url": publicURL})
	if text := r.Str("error.message"); !strings.HasPrefix(text, "QUOTA_EXCEEDED") {
		t.Errorf("%s: a sixth push config was not refused with QUOTA_EXCEEDED", r)
	}
	a.push(a.client, id, J{"id": "3", "url": publicURL}).Equal("result.id", "3") // it is replaced
	a.rpc(a.client, "DeleteTaskPushNotificationConfig", J{"taskId": id, "id": "3"})
	a.push(a.client, id, J{"id": "one-more", "url": publicURL}).Has("result.id")
	a.rpc(a.client, "CancelTask", J{"id": id}).Equal("result.status.state", "TASK_STATE_CANCELED")
	a.push(a.client, id, J{"id": "0", "url": publicURL}).reason("UNSUPPORTED_OPERATION")
}

// sendPushed sends a message with a push config to a receiver.
func (a *a2aAgent) sendPushed(h *hooks, id, text string, more J) *Response {
	params := message(id, text, more)
	params["configuration"] = J{"returnImmediately": true, "taskPushNotificationConfig": J{
		"url": h.url, "token": "tok", "authentication": J{"scheme": "Basic", "credentials": "dTpw"},
	}}
	r := a.rpc(a.client, "SendMessage", params)
	if _, refused := r.find("error"); refused {
		r.fatalf("the server does not allow push notifications to this suite: set B2B_WEBHOOK_ALLOW=%s on the server, or choose another address with --receiver", a.target.receiver)
	}
	return r
}

// posted waits until a task was posted in a state, and returns that notification.
func (h *hooks) posted(state string) (d delivery) {
	h.t.eventually(30*time.Second, "the task was not posted as "+state, func() bool {
		all := h.got()
		if len(all) > 0 {
			d = all[len(all)-1]
		}
		return d.state() == state
	})
	return d
}

func a2aPushed(t *T) {
	a, h := t.a2aAgent(), t.pushTo()
	task := a.sendPushed(h, "m1", "hello", nil).Str("result.task.id")
	a.sendPushed(h, "m1", "hello", nil)
	a.sendPushed(h, "m2", "and this", J{"taskId": task})
	if got := a.pushes(a.client, task); !slices.Equal(got, []string{task}) {
		t.Errorf("the push configs are %v, want one with the id of the task", got)
	}
	t.Do("POST", thr(task, "/artifacts"), a.agent, J{"artifact_key": "plan", "type": "markdown", "title": "The plan", "content": "# Plan"}).OK()
	t.say(a.agent, task, "which one?").OK()
	d := h.posted("INPUT_REQUIRED")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Basic dTpw", "A2A-Notification-Token": "tok", "X-A2A-Notification-Token": "tok",
	} {
		if got := d.header.Get(name); got != want {
			t.Errorf("the header %s is %q, want %q", name, got, want)
		}
	}
	parts, _ := d.value("task", "status", "message", "parts").([]any)
	artifacts, _ := d.value("task", "artifacts").([]any)
	if d.value("task", "id") != task || len(parts) != 1 || fmt.Sprint(parts[0]) != "map[text:which one?]" || len(artifacts) != 1 || d.value("task", "history") != nil {
		t.Errorf("the notification is %s", d.body)
	}
	h.respondStatus(503)
	before := len(h.got())
	t.say(a.agent, task, "or that one?").OK()
	h.wait(before + 1)
	h.respondWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if d = h.wait(before + 2)[before+1]; d.state() != "INPUT_REQUIRED" {
		t.Errorf("the second attempt is %s", d.body)
	}
	t.say(a.agent, task, "done").OK()
	t.patch(a.agent, task, J{"status": "resolved"}).OK()
	h.posted("COMPLETED")
	t.eventually(30*time.Second, "the push config did not end", func() bool { return len(a.pushes(a.client, task)) == 0 })
}

// a2aPushStops has a push config that stays, whose notification shows that one could have come.
func a2aPushStops(t *T) {
	a, stays, deleted, revoked := t.a2aAgent(), t.pushTo(), t.pushTo(), t.pushTo()
	task := a.give("m1", "hello", nil).Str("result.task.id")
	made := t.Do("POST", "/api/me/tokens", a.client, J{"scopes": []string{"a2a"}}).OK()
	a.push(a.client, task, J{"id": "stays", "url": stays.url}).Has("result.id")
	a.push(a.client, task, J{"id": "deleted", "url": deleted.url}).Has("result.id")
	a.push(Token(made.Str("token")), task, J{"id": "revoked", "url": revoked.url}).Has("result.id")
	t.say(a.agent, task, "first").OK()
	for _, h := range []*hooks{stays, deleted, revoked} {
		if d := h.wait(1)[0]; d.state() != "INPUT_REQUIRED" {
			t.Errorf("the notification is %s", d.body)
		}
	}
	a.rpc(a.client, "DeleteTaskPushNotificationConfig", J{"taskId": task, "id": "deleted"}).Lacks("error")
	t.Do("DELETE", "/api/me/tokens/"+made.Str("id"), a.client, nil).OK()
	had := []int{len(deleted.got()), len(revoked.got())}
	before := len(stays.got())
	t.say(a.agent, task, "second").OK()
	stays.wait(before + 1)
	a.give("m2", "thanks", J{"taskId": task})
	t.patch(a.agent, task, J{"status": "resolved"}).OK()
	t.eventually(30*time.Second, "the end of the task was not posted to the config that stays", func() bool {
		all := stays.got()
		return all[len(all)-1].state() == "COMPLETED"
	})
	if now := []int{len(deleted.got()), len(revoked.got())}; !slices.Equal(now, had) {
		t.Errorf("a deleted push config and one of a revoked token got %v notifications, and had %v", now, had)
	}
}
