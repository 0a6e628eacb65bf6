package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// network is the HTTP clients of all requests.
type network struct {
	pooled *http.Client // makes calls
	single *http.Client // makes requests that use their connection for long
}

func newNetwork() *network {
	return &network{
		pooled: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}},
		single: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func (n *network) close() {
	n.pooled.CloseIdleConnections()
	n.single.CloseIdleConnections()
}

func request(ctx context.Context, o opening, method, path string, body any) (*http.Request, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode a body: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, o.url+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if o.token != "" {
		r.Header.Set("Authorization", "Bearer "+o.token)
	}
	if o.cookie != "" {
		r.Header.Set("Cookie", o.cookie)
	}
	return r, nil
}

// call makes a call and decodes its response into out. Its error means that there was no complete
// response.
func call(ctx context.Context, o opening, method, path string, body, out any) (*http.Response, error) {
	r, err := request(ctx, o, method, path, body)
	if err != nil {
		return nil, err
	}
	res, err := o.net.pooled.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, out); err != nil {
			return nil, fmt.Errorf("%s %s: %d: read the answer %s: %w", method, path, res.StatusCode, clip(string(text)), err)
		}
	}
	return res, nil
}

// send is call for responses that are objects.
func send(ctx context.Context, o opening, method, path string, body any) (status int, answer map[string]any, err error) {
	res, err := call(ctx, o, method, path, body, &answer)
	if err != nil {
		return 0, nil, err
	}
	return res.StatusCode, answer, nil
}

// statusError returns the error for a status: a refusal, or a temporary failure for 5xx.
func statusError(what string, status int, answer any) error {
	if status >= 500 {
		return fmt.Errorf("%s: %d %v", what, status, answer)
	}
	return &refusedError{fmt.Sprintf("%s: %d %v", what, status, answer)}
}
