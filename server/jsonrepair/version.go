package jsonrepair

// The artifact types that repair is about; the others pass through.
const (
	typeJSON = "json"
	typeText = "text"
)

// Version is how one version of an artifact is stored.
type Version struct {
	Type          string
	Content       *string // nil is "no content", which is never repaired
	FormatWarning bool    // the content was to be JSON and is not
}

// Store answers how content of the effective type is stored: JSON as it is or repaired,
// without a mark; what is beyond repair as text with FormatWarning. Other types, and no
// content, are stored as they are (B2B-ART-020 to 022).
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

// EffectiveType is the type that an update is to have: that of version 1, or json when version
// 1 carries FormatWarning and so was sent as json. first is nil when version 1 is gone
// (retention); then the type of the latest version counts (B2B-ART-023).
func EffectiveType(first *Version, latest Version) string {
	switch {
	case first == nil:
		return latest.Type
	case first.FormatWarning:
		return typeJSON
	}
	return first.Type
}
