package jsonrepair

// The artifact types that this package handles; others stay as they are.
const (
	typeJSON = "json"
	typeText = "text"
)

// Version is the stored form of one version of an artifact.
type Version struct {
	Type          string
	Content       *string // nil is "no content", which is never repaired
	FormatWarning bool    // the content was sent as JSON and is not JSON
}

// Store returns the stored form of content that has an effective type. JSON is stored as it is or
// repaired; JSON that cannot be repaired is stored as text with FormatWarning. Other types, and
// absent content, are stored as they are (B2B-ART-020 to 022).
func Store(effectiveType string, content *string) Version {
	if effectiveType != typeJSON || content == nil {
		return Version{Type: effectiveType, Content: content}
	}
	stored, ok := Repair(*content)
	if !ok {
		return Version{Type: typeText, Content: content, FormatWarning: true}
	}
	return Version{Type: typeJSON, Content: &stored}
}

// EffectiveType returns the type of a new version: the type of version 1, or json if version 1 has
// FormatWarning and so was sent as json. If retention deleted version 1, first is nil and the type
// of the latest version is used (B2B-ART-023).
func EffectiveType(first *Version, latest Version) string {
	switch {
	case first == nil:
		return latest.Type
	case first.FormatWarning:
		return typeJSON
	}
	return first.Type
}
