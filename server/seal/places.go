package seal

import "encoding/json"

// Webhook is the place of the secret of a bot's webhook.
func Webhook(bot string) string { return "webhook secret\x00" + bot }

// WebhookURL is the place of the address of a bot's webhook.
func WebhookURL(bot string) string { return "webhook url\x00" + bot }

// Invite is the place of an invite code.
func Invite(id string) string { return "invite code\x00" + id }

// Answer is the place of an answer that a repeated request gets, by the hash of its content.
func Answer(hash string) string { return "answer\x00" + hash }

// Ticket is what opens an org: both of them do. Code is nil for tickets of old versions.
type Ticket struct {
	ID   string  `json:"id"`
	Code *string `json:"code,omitempty"`
}

// TicketRow is the place of what people see of an org ticket, by the id of its row.
func TicketRow(row string) string { return "org ticket\x00" + row }

// SealTicket seals a ticket for the row that it is kept in.
func (r *Ring) SealTicket(row string, t Ticket) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return r.Seal(TicketRow(row), string(text)), nil
}

// OpenTicket opens what SealTicket made.
func (r *Ring) OpenTicket(row, sealed string) (t Ticket, err error) {
	text, err := r.Open(TicketRow(row), sealed)
	if err != nil {
		return Ticket{}, err
	}
	return t, json.Unmarshal([]byte(text), &t)
}
