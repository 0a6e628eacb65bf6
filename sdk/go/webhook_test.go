package b2b_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// TestVerifyWebhook: the SDKs share these test vectors, which have several secrets and both styles
// of signatures (B2B-SDK-031, B2B-SDK-034, B2B-SDK-035).
func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Body string
		Secrets    []string
		Headers    map[string]string
		Now        int64
		ID         *string
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 70 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		h := http.Header{}
		for name, value := range v.Headers {
			h.Set(name, value)
		}
		for _, secrets := range [][]string{v.Secrets, append([]string{"an older secret"}, v.Secrets...), append(v.Secrets, "", "another")} {
			secrets = append(secrets, "") // the first is an argument of its own
			id, err := b2b.VerifyWebhook(h, []byte(v.Body), secrets[0], time.Unix(v.Now, 0), secrets[1:]...)
			if v.ID == nil && !errors.Is(err, b2b.ErrWebhook) || v.ID != nil && (err != nil || id != *v.ID) {
				t.Errorf("%s, with the secrets %q: %q, %v", v.Name, secrets, id, err)
			}
		}
	}
}
