package limits

import "github.com/b2b-protocol/b2b/internal/jstext"

// Topic returns the topic to store: trimmed, not blank, at most MaxTopic characters.
// HXA-Connect accepts blank and untrimmed topics at creation; here one rule holds for creation
// and PATCH (B2B-THR-003, B2B-THR-051).
func Topic(sent string) (string, error) {
	topic := jstext.Trim(sent)
	if topic == "" {
		return "", violates("topic", "is required and must not be blank")
	}
	if err := CheckCharacters("topic", topic, MaxTopic); err != nil {
		return "", err
	}
	return topic, nil
}

// ThreadTags returns the tags to store: each trimmed, empty ones dropped. nil stays nil and an
// empty list stays an empty list, also when every tag was dropped: the wire keeps null and []
// apart (B2B-THR-004).
func ThreadTags(sent []string) []string {
	if sent == nil {
		return nil
	}
	tags := make([]string, 0, len(sent))
	for _, tag := range sent {
		if tag = jstext.Trim(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}
