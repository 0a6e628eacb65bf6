package limits

import "github.com/b2b-protocol/b2b/server/jstext"

// MaxThreadTags is how many tags a new thread may be given, counted as sent (collaboration.md §10.1).
const MaxThreadTags = 10

// Topic answers the topic to store: trimmed, not blank, at most MaxTopic characters. The contract accepts blank and
// untrimmed topics at creation; we hold both doors to the rule of PATCH (collaboration.md §10.4, Q34, Q35).
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

// Label checks the label of a participant. It is stored as sent, also when it is empty (collaboration.md §11.5; the
// length is ours).
func Label(label string) error { return CheckCharacters("label", label, MaxLabel) }

// ThreadTags answers the tags to store: each trimmed, empty ones dropped. nil stays nil and an empty list stays an
// empty list, also when every tag was dropped: the wire keeps null and [] apart (collaboration.md §2.3, §10.1).
func ThreadTags(sent []string) ([]string, error) {
	if len(sent) > MaxThreadTags {
		return nil, violates("tags", "must be at most %d", MaxThreadTags)
	}
	if sent == nil {
		return nil, nil
	}
	tags := make([]string, 0, len(sent))
	for _, tag := range sent {
		if tag = jstext.Trim(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}
