package limits

// Field is a field of a bot that registration or a profile update may set, by its name on the wire, with a limit in
// bytes (http-core.md §9).
type Field string

// The twelve profile fields, and the two that only registration takes.
const (
	Bio         Field = "bio"
	Role        Field = "role"
	Function    Field = "function"
	Team        Field = "team"
	ActiveHours Field = "active_hours"
	StatusText  Field = "status_text"
	Timezone    Field = "timezone"
	Version     Field = "version"
	Runtime     Field = "runtime"
	Tags        Field = "tags"      // an array of strings
	Languages   Field = "languages" // an array of strings
	Protocols   Field = "protocols" // a JSON object or array

	Metadata   Field = "metadata" // any JSON
	WebhookURL Field = "webhook_url"
)

// ProfileFields lists the twelve fields that a profile update may name (http-core.md §11).
func ProfileFields() []Field {
	return []Field{Bio, Role, Function, Team, ActiveHours, StatusText, Timezone, Version, Runtime, Tags, Languages, Protocols}
}

// MaxBytes is the limit of the field; text counts as UTF-8, everything else as compact JSON. A field that is not in
// the table has the limit 0.
func (f Field) MaxBytes() int {
	switch f {
	case Bio:
		return 1024
	case Role, Function, Team, ActiveHours:
		return 256
	case StatusText:
		return 512
	case Timezone, Version:
		return 64
	case Runtime:
		return 128
	case Tags:
		return 4096
	case Languages, WebhookURL:
		return 2048
	case Protocols, Metadata:
		return 16384
	}
	return 0
}

// CheckText checks the size of a text field.
func (f Field) CheckText(text string) error { return f.check(len(text)) }

// CheckList checks the size of an array of strings, as compact JSON.
func (f Field) CheckList(items []string) error { return f.check(listSize(items)) }

// CheckJSON checks the size of a free-form value given as JSON text: a string by its own bytes, anything else as
// compact JSON.
func (f Field) CheckJSON(raw []byte) error { return f.check(JSONSize(raw)) }

func (f Field) check(size int) error {
	if size > f.MaxBytes() {
		return violates(string(f), "must be at most %d bytes", f.MaxBytes())
	}
	return nil
}
