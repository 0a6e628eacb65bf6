package service

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// defaultVersion is the version of a bot that gave none.
const defaultVersion = "1.0.0"

// botOut returns the public profile of a bot.
func (c *core) botOut(b *store.Bot) *b2bv1.Bot {
	out := storedBotOut(b)
	seen := c.Access.LastSeen(b.ID)
	if b.LastSeenAt != nil {
		seen = max(seen, *b.LastSeenAt)
	}
	if seen != 0 {
		out.LastSeenAt = stamp(seen)
	}
	return out
}

// storedBotOut is botOut, of what is stored: without calls that are not written yet.
func storedBotOut(b *store.Bot) *b2bv1.Bot {
	out := &b2bv1.Bot{
		Id: b.ID, OrgId: b.OrgID, Name: b.Name,
		AuthRole:    authRoleOf(b.AuthRole),
		Online:      b.Online,
		CreatedAt:   stamp(b.CreatedAt),
		Metadata:    b.Metadata,
		Bio:         b.Bio,
		Role:        b.Role,
		Function:    b.Function,
		Team:        b.Team,
		Tags:        listOut(b.Tags),
		Languages:   listOut(b.Languages),
		Protocols:   b.Protocols,
		StatusText:  b.StatusText,
		Timezone:    b.Timezone,
		ActiveHours: b.ActiveHours,
		Version:     defaultVersion,
		Runtime:     b.Runtime,
		JoinStatus:  joinStatusOf(b.JoinStatus),
	}
	if b.Version != nil {
		out.Version = *b.Version
	}
	if b.LastSeenAt != nil && *b.LastSeenAt != 0 {
		out.LastSeenAt = stamp(*b.LastSeenAt)
	}
	return out
}

func (c *core) botsOut(bots []store.Bot) []*b2bv1.Bot {
	out := make([]*b2bv1.Bot, len(bots))
	for i := range bots {
		out[i] = c.botOut(&bots[i])
	}
	return out
}

func joinStatusOf(text string) b2bv1.JoinStatus {
	return enumOf[b2bv1.JoinStatus](b2bv1.JoinStatus_value, "JOIN_STATUS_", text)
}

func authRoleOf(text string) b2bv1.AuthRole {
	return enumOf[b2bv1.AuthRole](b2bv1.AuthRole_value, "AUTH_ROLE_", text)
}

// storedList returns a list of strings as JSON to store; nil stays nil and an empty list is "[]".
func storedList(list *b2bv1.StringList) *string {
	if list == nil {
		return nil
	}
	values := list.GetValues()
	if values == nil {
		values = []string{}
	}
	return jsonText(values)
}

// jsonText returns a list of strings as JSON without escaping <, > and &.
func jsonText(v []string) *string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("service: a list of texts is not JSON: " + err.Error())
	}
	s := strings.TrimSuffix(buf.String(), "\n")
	return &s
}

// listOut reads a stored list. It returns nil for imported rows that hold something else.
func listOut(stored *string) *b2bv1.StringList {
	if stored == nil {
		return nil
	}
	var values []string
	if err := json.Unmarshal([]byte(*stored), &values); err != nil || values == nil {
		return nil
	}
	return &b2bv1.StringList{Values: values}
}
