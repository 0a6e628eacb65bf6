package limits

import "github.com/b2b-protocol/b2b/server/jstext"

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

// ThreadTags answers the tags to store: each trimmed, empty ones dropped. nil stays nil and an empty list stays an
// empty list, also when every tag was dropped: the wire keeps null and [] apart (collaboration.md §2.3, §10.1).
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
