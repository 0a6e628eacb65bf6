package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/b2b-protocol/b2b/server"
)

// TestOpenAPIKnowsItsServer reads the document as clients of a server at the root of its host do,
// and of one below a base path.
func TestOpenAPIKnowsItsServer(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{"": "/", "/hub": "/hub"} {
		c := testConfig(t)
		c.BasePath = base
		s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", base+"/api/openapi.json", nil))
		var document struct {
			Info    struct{ Version string }
			Servers []struct{ URL string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
			t.Errorf("%d %v", w.Code, err)
		} else if document.Info.Version != server.Version || len(document.Servers) != 1 || document.Servers[0].URL != want {
			t.Errorf("%+v, want version %s at %s", document, server.Version, want)
		}
		for _, path := range []string{"/api/version", "/api/health"} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest("GET", base+path, nil))
			var answer struct{ Version string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Version != server.Version {
				t.Errorf("%s says version %q, want %s (%v)", path, answer.Version, server.Version, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
