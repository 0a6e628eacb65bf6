package service

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// draft is the content of a direct or thread message after the checks that need no state
// (B2B-MSG-001 to 010).
type draft struct {
	content string
	parts   *string // as stored; nil: none were sent
	shown   []*b2bv1.Part
	tooLong error // the error of a content above the limit
}

// newDraft checks the parts, then the content. It stores the error of a content that is too long
// in the draft, because direct messages report an unknown receiver first.
func (c *core) newDraft(content *string, list *b2bv1.PartList) (*draft, error) {
	parts, err := checkParts(list)
	if err != nil {
		return nil, err
	}
	resolved, err := limits.ResolveContent(content, parts)
	if err != nil {
		return nil, ruleError(err)
	}
	d := &draft{content: resolved, parts: storedParts(list), shown: list.GetValues()}
	most := c.Config.MaxMessage
	if most <= 0 {
		most = limits.MaxContent
	}
	if err := limits.CheckCharacters("content", resolved, most); err != nil {
		d.tooLong = ruleError(err)
	}
	return d, nil
}

// marked is a request to send a message that can have marks.
type marked interface {
	GetAutomatic() bool
	GetNoReply() bool
	GetReceipts() bool
}

// marksOf returns the marks of the message that a request sends (B2B-LOOP-010).
func marksOf(req marked) store.Marks {
	return store.Marks{Automatic: req.GetAutomatic(), NoReply: req.GetNoReply()}
}

// shownMark returns a mark as messages show it: true, or absent.
func shownMark(set bool) *bool {
	if !set {
		return nil
	}
	return &set
}

// quotaClass returns short for a message of up to limits.ShortMessage bytes, and for the nil draft
// of a refused message.
func (d *draft) quotaClass(metadata *string) quotaClass {
	if d == nil || len(d.content)+len(deref(d.parts))+len(deref(metadata)) <= limits.ShortMessage {
		return short
	}
	return bulk
}

// messageMetadata returns the metadata to store (B2B-MSG-043). A message of a human's session gets
// the key provenance in its metadata; metadata that is not an object is replaced by one
// (B2B-MSG-045).
func messageMetadata(sent *string, session *call.Session) (*string, error) {
	var stored *string
	if sent != nil {
		if !json.Valid([]byte(*sent)) {
			return nil, call.Invalid("metadata: must be JSON")
		}
		var err error
		if stored, err = limits.StoredJSON([]byte(*sent)); err != nil {
			return nil, call.Invalid("metadata: must be JSON")
		}
	}
	if stored != nil && strings.IndexByte(*stored, 0) >= 0 {
		return nil, call.Invalid("metadata: a text must not have the character U+0000")
	}
	if session == nil {
		return stored, nil
	}
	object := json.RawMessage("{}")
	if sent != nil {
		if text := bytes.TrimSpace([]byte(*sent)); text[0] == '{' {
			object = text
		}
	}
	text, err := withProvenance(object, session.OwnerName)
	return &text, err
}

// withProvenance returns a JSON object with the key provenance set. The other keys keep their
// order and the text of their values.
func withProvenance(object json.RawMessage, owner *string) (string, error) {
	provenance, err := json.Marshal(struct {
		AuthoredBy string  `json:"authored_by"`
		OwnerName  *string `json:"owner_name"`
		AuthMode   string  `json:"auth_mode"`
	}{"human", owner, "web_ui"})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	out.WriteByte('{')
	keys := json.NewDecoder(bytes.NewReader(object))
	if _, err := keys.Token(); err != nil {
		return "", err
	}
	for keys.More() {
		token, err := keys.Token()
		if err != nil {
			return "", err
		}
		var value json.RawMessage
		if err := keys.Decode(&value); err != nil {
			return "", err
		}
		if token == "provenance" {
			continue
		}
		key, err := json.Marshal(token)
		if err != nil {
			return "", err
		}
		out.Write(key)
		out.WriteByte(':')
		if err := json.Compact(&out, value); err != nil {
			return "", err
		}
		out.WriteByte(',')
	}
	out.WriteString(`"provenance":`)
	out.Write(provenance)
	out.WriteByte('}')
	return out.String(), nil
}

// shownMetadata returns the stored metadata as JSON, or nil when the stored text is not JSON
// (B2B-MSG-043).
func shownMetadata(stored *string) *string {
	if stored == nil || !json.Valid([]byte(*stored)) {
		return nil
	}
	return stored
}
