package main

import (
	"google.golang.org/protobuf/compiler/protogen"

	"github.com/b2b-protocol/b2b/build/wireschema"
)

// webhooks returns the events that a server posts to the webhooks of bots, by their type: the
// choices of Event that have the option webhook.
func (d *describer) webhooks(event *protogen.Message) *object {
	out := obj()
	choices := wireschema.FlatOneof(event)
	if choices == nil {
		return out
	}
	for _, f := range choices.Fields {
		if !wireschema.WireOptions(f).GetWebhook() {
			continue
		}
		kind, text := string(f.Desc.Name()), wireschema.Comment(f.Comments)
		out.set(kind, obj("post", obj(
			"summary", wireschema.Summary(text), "description", text, "operationId", "Post"+webhookName(f),
			"parameters", webhookHeaders(),
			"requestBody", obj("required", true, "content", obj("application/json", obj("schema", refTo("schemas", webhookName(f))))),
			"responses", obj(
				"2XX", obj("description", "The receiver accepted the event."),
				"default", obj("description", "The receiver did not accept the event. The server posts it again, at most three times, with the same `webhook-id`. It does not follow redirects."),
			),
		)))
	}
	return out
}

func webhookName(f *protogen.Field) string {
	return wireschema.Pascal(string(f.Desc.Name())) + "Webhook"
}

// webhookHeaders returns the headers of a delivery (SPEC.md, HOOK), except Authorization, which
// OpenAPI does not allow as a parameter.
func webhookHeaders() (out []*object) {
	for _, h := range []struct{ name, text string }{
		{"webhook-id", "Identifies the delivery: every attempt of it has the same value."},
		{"webhook-timestamp", "The time of the attempt in Unix seconds."},
		{"webhook-signature", "With a secret: the signature of Standard Webhooks, `v1,` and base64."},
		{"X-Hub-Timestamp", "With a secret: the time of the attempt in Unix milliseconds."},
		{"X-Hub-Signature-256", "With a secret: `sha256=` and the HMAC-SHA256 in hex of that time, a dot and the body."},
	} {
		p := obj("name", h.name, "in", "header", "description", h.text)
		if h.name == "webhook-id" || h.name == "webhook-timestamp" {
			p.set("required", true)
		}
		out = append(out, p.set("schema", obj("type", "string")))
	}
	return out
}

// posted adds the schema of an event in the form in which webhooks receive it.
func (s *schemas) posted(f *protogen.Field, pushed properties, text string) {
	p := properties{}
	p.add("webhook_version", obj("type", "string", "const", "1"), true)
	p.all, p.required = append(p.all, pushed.all...), append(p.required, pushed.required...)
	if s.claim(webhookName(f), f.Desc) {
		s.all.set(webhookName(f), p.schema(text))
	}
}
