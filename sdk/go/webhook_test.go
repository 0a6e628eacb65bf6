package b2b_test

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// TestVerifyWebhook: the SDKs share these test vectors (B2B-SDK-031).
func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Secret, Body string
		Headers            map[string]string
		Now                int64
		Valid              bool
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 30 {
		t.Fatal(len(vectors), err)
	}
	for _, v := range vectors {
		h := http.Header{}
		for name, value := range v.Headers {
			h.Set(name, value)
		}
		id, err := b2b.VerifyWebhook(h, []byte(v.Body), v.Secret, time.Unix(v.Now, 0))
		if (err == nil) != v.Valid || err == nil && id != v.Headers["webhook-id"] {
			t.Errorf("%s: %q, %v", v.Name, id, err)
		}
		for _, further := range [][]string{{v.Secret}, {"another", v.Secret, ""}} {
			if _, err := b2b.VerifyWebhook(h, []byte(v.Body), "", time.Unix(v.Now, 0), further...); (err == nil) != v.Valid {
				t.Errorf("%s with the further secrets %q: %v", v.Name, further, err)
			}
		}
		if _, err := b2b.VerifyWebhook(h, []byte(v.Body), "another", time.Unix(v.Now, 0), ""); err == nil {
			t.Errorf("%s is valid without its secret", v.Name)
		}
	}
}
