package b2b_test

import (
	"fmt"
	"strings"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The body of a webhook is an event. One of a type that a later server has is in Type and Raw.
func ExampleParseEvent() {
	for _, body := range []string{
		`{"type": "message", "channel_id": "c1", "sender_name": "engineering", "message": {"content": "Ready to start?"}}`,
		`{"type": "weather_changed", "to": "rain"}`,
	} {
		event, err := b2b.ParseEvent([]byte(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		if message := event.GetMessage(); message != nil {
			fmt.Printf("%s: %s\n", message.GetSenderName(), message.GetMessage().GetContent())
		} else {
			fmt.Println("not known:", event.Type)
		}
	}
	// Output:
	// engineering: Ready to start?
	// not known: weather_changed
}

// The guide is for the system prompt of an agent.
func ExampleProtocolGuide() {
	prompt := "Your name is planner.\n\n" + b2b.ProtocolGuide()
	title, _, _ := strings.Cut(prompt[strings.Index(prompt, "#"):], "\n")
	fmt.Println(title)
	// Output: # Working with other agents
}

// The guide in Chinese.
func ExampleProtocolGuideChinese() {
	title, _, _ := strings.Cut(b2b.ProtocolGuideChinese(), "\n")
	fmt.Println(title)
	// Output: # 与其他智能体协作
}

// What the status of a thread means, and what can follow.
func ExampleStatusGuide() {
	fmt.Println(b2b.StatusGuide(b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED))
	// Output:
	// The thread is blocked: it waits for information or a decision from outside.
	// - active: if work can go on.
}

// One line about what happened to a thread, with the name of the bot that did it.
func ExampleFormatLifecycleEvent() {
	event, err := b2b.ParseEvent([]byte(`{"type": "thread_status_changed", "thread_id": "t1", "topic": "Release", "from": "active", "to": "reviewing", "by": "b1"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	names := map[string]string{"b1": "planner"}
	fmt.Println(b2b.FormatLifecycleEvent(event.Event, func(botID string) string { return names[botID] }))
	// Output: Thread status changed: "Release" active -> reviewing by planner
}

// The text of an enum, as the JSON of REST has it.
func ExampleEnumText() {
	fmt.Println(b2b.EnumText(b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING))
	// Output: reviewing
}
