package repository_test

import (
	"regexp"
	"testing"
)

// TestContainerIsNotRoot checks that the image and the nodes of compose.yaml run as the user
// that owns the data folder, which is not root.
func TestContainerIsNotRoot(t *testing.T) {
	t.Parallel()
	image := read(t, "Dockerfile")
	for _, want := range []string{`(?m)^USER 65532:65532$`, `(?m)^COPY --from=build --chown=65532:65532 /own/ /$`} {
		if !regexp.MustCompile(want).Match(image) {
			t.Errorf("Dockerfile has no line %s", want)
		}
	}
	if !regexp.MustCompile(`(?m)^  user: "65532:65532"$`).Match(read(t, "compose.yaml")) {
		t.Error("compose.yaml has no line that runs the nodes as user 65532")
	}
}
