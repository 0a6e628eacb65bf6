package house_test

import (
	"regexp"
	"testing"
)

// TestContainerIsNotRoot: the image runs as a user that owns its data folder, and the nodes
// of compose.yaml as the same.
func TestContainerIsNotRoot(t *testing.T) {
	image := read(t, "Dockerfile")
	for _, want := range []string{`(?m)^USER 65532:65532$`, `(?m)^COPY --from=build --chown=65532:65532 /own/ /$`} {
		if !regexp.MustCompile(want).Match(image) {
			t.Errorf("Dockerfile has no line %s", want)
		}
	}
	if !regexp.MustCompile(`(?m)^  user: "65532:65532"$`).Match(read(t, "compose.yaml")) {
		t.Error("compose.yaml does not say that nodes run as 65532")
	}
}
