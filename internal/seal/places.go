package seal

import "encoding/json"

// Webhook returns the place of the secret of a bot's webhook.
func Webhook(bot string) string { return "webhook secret\x00" + bot }

// WebhookURL returns the place of the URL of a bot's webhook.
func WebhookURL(bot string) string { return "webhook url\x00" + bot }

// Push returns the place of the address of a push config and its secrets.
func Push(id string) string { return "push config\x00" + id }

// PushTarget is where, and with which secrets, the state of a task is posted.
type PushTarget struct {
	URL         string `json:"url"`
	Token       string `json:"token,omitempty"`
	Scheme      string `json:"scheme,omitempty"`
	Credentials string `json:"credentials,omitempty"`
	Base        string `json:"base"` // the URL of this server as the client sees it
}

// SealPush seals the target of a push config for its row.
func (r *Keyring) SealPush(row string, t PushTarget) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return r.Seal(Push(row), string(text)), nil
}

// OpenPush opens a result of SealPush for the same row.
func (r *Keyring) OpenPush(row, sealed string) (t PushTarget, err error) {
	text, err := r.Open(Push(row), sealed)
	if err != nil {
		return PushTarget{}, err
	}
	return t, json.Unmarshal([]byte(text), &t)
}

// Invite returns the place of an invite code.
func Invite(id string) string { return "invite code\x00" + id }

// Answer returns the place of the stored response to a request, by the hash of its content.
func Answer(hash string) string { return "answer\x00" + hash }

// Ticket has the id and the code of an org ticket; each redeems it. Code is nil for tickets of old
// versions.
type Ticket struct {
	ID   string  `json:"id"`
	Code *string `json:"code,omitempty"`
}

// TicketRow returns the place of an org ticket, by the id of its row.
func TicketRow(row string) string { return "org ticket\x00" + row }

// SealTicket seals a ticket for its row.
func (r *Keyring) SealTicket(row string, t Ticket) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return r.Seal(TicketRow(row), string(text)), nil
}

// OpenTicket opens a result of SealTicket for the same row.
func (r *Keyring) OpenTicket(row, sealed string) (t Ticket, err error) {
	text, err := r.Open(TicketRow(row), sealed)
	if err != nil {
		return Ticket{}, err
	}
	return t, json.Unmarshal([]byte(text), &t)
}
