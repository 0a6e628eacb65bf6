package b2b

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/internal/wirejson"
)

// eventShape is the shape of an event. It is made once, from the schema.
var eventShape = sync.OnceValue(func() *wirejson.Shape {
	return wirejson.Of((*b2bv1.Event)(nil).ProtoReflect().Descriptor())
})

// ParseEvent reads an event as WebSocket, server-sent events and webhooks have it. An event of a
// type that this version does not know has only Type, Position and Raw (B2B-SDK-013), and so has one
// with a value that does not fit the schema. data must not change afterwards.
func ParseEvent(data []byte) (*Event, error) {
	data = bytes.TrimSpace(data)
	if !json.Valid(data) || data[0] != '{' {
		return nil, errors.New("b2b: parse an event: it is not a JSON object")
	}
	e := &Event{Raw: data}
	for key, value := range wirejson.Members(data) {
		switch string(key) {
		case `"type"`:
			e.Type, _ = wirejson.Unquote(value)
		case `"cursor"`:
			e.Position, _ = wirejson.Unquote(value)
		}
	}
	if e.Type == "" {
		return nil, errors.New(`b2b: parse an event: it has no "type"`)
	}
	if eventShape().HasType(e.Type) {
		event := &b2bv1.Event{}
		if eventShape().Read(event.ProtoReflect(), data) == nil {
			e.Event = event
		}
	}
	return e, nil
}
