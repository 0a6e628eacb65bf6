package edge

import (
	"net/http"
	"net/url"
	"slices"
)

// exposed are the response headers that scripts of other origins may read: those of REST, and those
// in which gRPC-web and Connect report the end of a call.
const exposed = "ETag,Retry-After,Location,Link,Content-Disposition,Content-Range,Accept-Ranges," +
	"grpc-status,grpc-message,grpc-status-details-bin,grpc-encoding,Connect-Content-Encoding"

// Loopback in the allowed origins stands for pages served by the machine of the browser.
const Loopback = "loopback"

// ofLoopback reports whether an origin is on the machine of the browser.
func ofLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return false
	}
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// cors adds CORS headers to responses (B2B-HTTP-016, 017, 034). Without origins it does nothing,
// and OPTIONS is a method like any other. With "*" any origin may read; otherwise the listed ones,
// and with "loopback" those on the machine of the browser. With origins, it responds to OPTIONS on
// any path. Credentials are never allowed: the session cookie is SameSite.
func cors(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	origins = slices.Clone(origins)
	anyOrigin, ownMachine := slices.Contains(origins, "*"), slices.Contains(origins, Loopback)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		allowed := anyOrigin
		if anyOrigin {
			h.Set("Access-Control-Allow-Origin", "*")
		} else {
			h.Add("Vary", "Origin")
			if origin := r.Header.Get("Origin"); origin != "" && (slices.Contains(origins, origin) || ownMachine && ofLoopback(origin)) {
				h.Set("Access-Control-Allow-Origin", origin)
				allowed = true
			}
		}
		if r.Method != http.MethodOptions {
			if allowed {
				h.Set("Access-Control-Expose-Headers", exposed)
			}
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
		h.Add("Vary", "Access-Control-Request-Headers")
		if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
			h.Set("Access-Control-Allow-Headers", wanted)
		}
		h.Set("Content-Length", "0")
		w.WriteHeader(http.StatusNoContent)
	})
}
