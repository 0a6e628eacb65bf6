package main

import (
	"bytes"
	"encoding/json"
)

// An object is a JSON object that keeps its members in the order in which they were set, so that
// the document has the order of the schema.
type object struct {
	keys   []string
	values map[string]any
}

// obj returns an object with the given members: keys and values alternate.
func obj(keyValues ...any) *object {
	o := &object{values: make(map[string]any, len(keyValues)/2)}
	for i := 0; i+1 < len(keyValues); i += 2 {
		o.set(keyValues[i].(string), keyValues[i+1])
	}
	return o
}

// set sets a member. A new member comes last.
func (o *object) set(key string, value any) *object {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
	return o
}

// setIf sets a member unless its value is empty.
func (o *object) setIf(key, value string) *object {
	if value != "" {
		o.set(key, value)
	}
	return o
}

func (o *object) has(key string) bool {
	_, ok := o.values[key]
	return ok
}

// child returns the object at key, which it creates if there is none.
func (o *object) child(key string) *object {
	if c, ok := o.values[key].(*object); ok {
		return c
	}
	c := obj()
	o.set(key, c)
	return c
}

// copy returns an object with the same members.
func (o *object) copy() *object {
	c := obj()
	for _, k := range o.keys {
		c.set(k, o.values[k])
	}
	return c
}

// MarshalJSON writes the members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{k, o.values[k]} {
			if j > 0 {
				b.WriteByte(':')
			}
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
