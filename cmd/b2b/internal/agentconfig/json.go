package agentconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tailscale/hujson"
)

const blanks = " \t\r\n"

// addJSON adds an entry to an object of a JSON text with comments, which may lack that object.
func addJSON(text, within string, entry any) (string, error) {
	if strings.TrimSpace(text) == "" {
		text = "{}\n"
	}
	root, err := hujson.Parse([]byte(text))
	if err != nil {
		return "", fmt.Errorf("it cannot be read, so it was not changed: %w", err)
	}
	top, ok := root.Value.(*hujson.Object)
	if !ok {
		return "", errors.New("it is no JSON object, so it was not changed")
	}
	unit := unitOf(top)
	parent := member(top, within)
	if parent < 0 {
		parent = insert(top, within, hujson.Value{Value: &hujson.Object{}}, unit, "")
	}
	servers, ok := top.Members[parent].Value.Value.(*hujson.Object)
	if !ok {
		return "", fmt.Errorf("%q is no JSON object, so it was not changed", within)
	}
	indent := strings.Repeat(unit, 2)
	if len(servers.Members) > 0 {
		indent = indentOf(servers.Members[0].Name.BeforeExtra, indent)
	}
	value, err := valueOf(entry, indent, unit)
	if err != nil {
		return "", err
	}
	if i := member(servers, server); i >= 0 {
		value.BeforeExtra, value.AfterExtra = servers.Members[i].Value.BeforeExtra, servers.Members[i].Value.AfterExtra
		servers.Members[i].Value = value
	} else {
		insert(servers, server, value, indent, indentOf(top.Members[parent].Name.BeforeExtra, unit))
	}
	return string(root.Pack()), nil
}

// removeJSON removes the entry that addJSON has added for a profile.
func removeJSON(text, within, profile string) (after string, found bool, err error) {
	root, err := hujson.Parse([]byte(text))
	if err != nil {
		return "", false, fmt.Errorf("it cannot be read, so it was not changed: %w", err)
	}
	top, ok := root.Value.(*hujson.Object)
	if !ok {
		return text, false, nil
	}
	parent := member(top, within)
	if parent < 0 {
		return text, false, nil
	}
	servers, ok := top.Members[parent].Value.Value.(*hujson.Object)
	if !ok {
		return text, false, nil
	}
	i := member(servers, server)
	if i < 0 || !isOf(servers.Members[i].Value, profile) {
		return text, false, nil
	}
	remove(servers, i)
	if len(servers.Members) == 0 && len(bytes.Trim(servers.AfterExtra, blanks)) == 0 {
		remove(top, parent)
	}
	return string(root.Pack()), true, nil
}

// isOf reports whether an entry is that of a profile.
func isOf(entry hujson.Value, profile string) bool {
	standard := entry.Clone()
	standard.Standardize()
	var env struct {
		Env, Environment map[string]any
	}
	if json.Unmarshal(standard.Pack(), &env) != nil {
		return false
	}
	return env.Env["B2B_PROFILE"] == profile || env.Environment["B2B_PROFILE"] == profile
}

// blank reports whether a file has nothing.
func blank(text string) bool {
	switch strings.TrimSpace(text) {
	case "", "{}":
		return true
	}
	return false
}

func member(o *hujson.Object, name string) int {
	for i, m := range o.Members {
		if literal, ok := m.Name.Value.(hujson.Literal); ok && literal.String() == name {
			return i
		}
	}
	return -1
}

// unitOf returns what an object indents its members by.
func unitOf(o *hujson.Object) string {
	if len(o.Members) > 0 {
		return indentOf(o.Members[0].Name.BeforeExtra, "  ")
	}
	return "  "
}

// indentOf returns the blanks after the last line break of what is before a name, or otherwise.
func indentOf(before hujson.Extra, otherwise string) string {
	i := bytes.LastIndexByte(before, '\n')
	if i < 0 {
		return otherwise
	}
	indent := string(before[i+1:])
	if strings.Trim(indent, blanks) != "" || indent == "" {
		return otherwise
	}
	return indent
}

// valueOf returns a value as it stands at an indentation.
func valueOf(entry any, indent, unit string) (hujson.Value, error) {
	text, err := json.MarshalIndent(entry, indent, unit)
	if err != nil {
		return hujson.Value{}, fmt.Errorf("encode the entry: %w", err)
	}
	value, err := hujson.Parse(text)
	if err != nil {
		return hujson.Value{}, fmt.Errorf("encode the entry: %w", err)
	}
	value.BeforeExtra, value.AfterExtra = []byte(" "), nil
	return value, nil
}

// insert adds a member at the end of an object, on a line of its own, behind the comments that are
// there, and before a closing brace that has the outer indentation. The last member gets a comma if it
// has none; the new one has one if the last one had.
func insert(o *hujson.Object, name string, value hujson.Value, indent, outer string) int {
	kept := bytes.TrimRight(o.AfterExtra, blanks)
	end := o.AfterExtra[len(kept):]
	if !bytes.ContainsRune(end, '\n') {
		end = []byte("\n" + outer)
	}
	if value.BeforeExtra == nil {
		value.BeforeExtra = []byte(" ")
	}
	if n := len(o.Members); n > 0 && o.Members[n-1].Value.AfterExtra != nil {
		value.AfterExtra = []byte{}
	}
	o.Members = append(o.Members, hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: append(bytes.Clone(kept), "\n"+indent...), Value: hujson.String(name)},
		Value: value,
	})
	o.AfterExtra = end
	return len(o.Members) - 1
}

// remove takes a member out of an object. Comments before it stay.
func remove(o *hujson.Object, i int) {
	m := o.Members[i]
	kept := bytes.TrimRight(m.Name.BeforeExtra, blanks)
	last := i == len(o.Members)-1
	o.Members = append(o.Members[:i:i], o.Members[i+1:]...)
	switch {
	case !last:
		o.Members[i].Name.BeforeExtra = append(kept, o.Members[i].Name.BeforeExtra...)
	case i == 0:
		o.AfterExtra = append(kept, o.AfterExtra...)
		if len(bytes.Trim(o.AfterExtra, blanks)) == 0 {
			o.AfterExtra = nil
		}
	default:
		before := &o.Members[i-1].Value
		if m.Value.AfterExtra == nil { // there is no comma at the end
			kept = append(bytes.Clone(before.AfterExtra), kept...)
			before.AfterExtra = nil
		} else if before.AfterExtra == nil {
			before.AfterExtra = []byte{}
		}
		o.AfterExtra = append(kept, o.AfterExtra...)
	}
}
