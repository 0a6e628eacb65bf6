package conformance

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Paused is a request body that pauses in the middle, as on a slow network. Reached is closed when
// Head has been read; Tail follows after Go is closed.
type Paused struct {
	Head, Tail  string
	Reached, Go chan struct{}
}

// reader returns a reader of the body.
func (p Paused) reader() io.Reader {
	return io.MultiReader(strings.NewReader(p.Head), &gateway{p}, strings.NewReader(p.Tail))
}

// gateway is the reader at which a Paused pauses.
type gateway struct{ Paused }

func (g *gateway) Read([]byte) (int, error) {
	close(g.Reached)
	<-g.Go
	return 0, io.EOF
}

// duringUpload uploads a file, and calls meanwhile when half of it is sent.
func duringUpload(t *T, c Caller, meanwhile func()) *Response {
	whole := form{}.file("file", "a.txt", "text/plain", strings.Repeat("text ", 40_000)).String()
	half := len(whole) / 2
	p := Paused{whole[:half], whole[half:], make(chan struct{}), make(chan struct{})}
	var r *Response
	t.Concurrently(2, func(i int) {
		if i == 0 {
			r = t.Do("POST", "/api/files/upload", c, p, Header("Content-Type", "multipart/form-data; boundary="+formEdge))
			return
		}
		defer close(p.Go)
		select {
		case <-p.Reached:
			meanwhile()
		case <-t.ctx.Done(): // the request failed before that
		}
	})
	return r
}

// fairChecks returns the checks that a busy org does not delay others.
func fairChecks() []Check {
	return []Check{
		{[]string{"B2B-LIM-020", "B2B-FILE-010"}, "stalled uploads of one org do not delay an upload of another org", fairUploads},
		{[]string{"B2B-LIM-020", "B2B-LIM-021"}, "many searches of one org do not delay reads and changes of another org, or GET /health", fairSearches},
	}
}

func fairUploads(t *T) {
	busy, quiet := t.Org(), t.Org()
	var bots []*Bot
	for i := range 5 {
		bots = append(bots, busy.Bot(fmt.Sprint("busy", i)))
	}
	other := quiet.Bot("quiet")
	whole := form{}.file("file", "a.txt", "text/plain", strings.Repeat("text ", 2_000)).String()
	const slow = 80
	under := make(chan struct{}, slow)
	release := make(chan struct{})
	t.Concurrently(slow+1, func(i int) {
		if i < slow {
			p := Paused{whole[:len(whole)/2], whole[len(whole)/2:], make(chan struct{}), release}
			go func() {
				select {
				case <-p.Reached:
					under <- struct{}{}
				case <-t.ctx.Done():
				}
			}()
			t.Do("POST", "/api/files/upload", bots[i%len(bots)], p, Header("Content-Type", "multipart/form-data; boundary="+formEdge))
			return
		}
		defer close(release)
		for range slow {
			select {
			case <-under:
			case <-t.ctx.Done():
				return
			}
		}
		begun := time.Now()
		t.Do("POST", "/api/files/upload", other, Raw(whole), Header("Content-Type", "multipart/form-data; boundary="+formEdge)).OK()
		if took := time.Since(begun); took > t.patient(8*time.Second) {
			t.Errorf("an upload of another org took %v", took)
		}
	})
}

func fairSearches(t *T) {
	busy, quiet := t.Org(), t.Org()
	bot, peer := quiet.Bot("bot"), quiet.Bot("peer")
	busy.Bot("worker")
	calls := func() time.Duration {
		begun := time.Now()
		t.Get("/api/me", bot).OK()
		t.Get("/health", nil).OK()
		t.Do("POST", "/api/send", bot, J{"to": peer.ID, "content": "hello"}).OK()
		return time.Since(begun)
	}
	most := t.patient(5 * time.Second)
	for range 5 {
		most = max(most, 20*calls()) // of a server that has nothing else to do, on a slow machine
	}
	stop := make(chan struct{})
	t.Concurrently(17, func(i int) {
		if i < 16 {
			for {
				select {
				case <-stop:
					return
				case <-t.ctx.Done():
					return
				default:
					t.Get("/api/org/search?q=anything", busy.Admin).OK()
				}
			}
		}
		defer close(stop)
		for range 20 {
			if took := calls(); took > most {
				t.Errorf("a read, a change and GET /health of another org took %v, more than %v", took, most)
			}
		}
	})
}

// uploadChecks returns the checks of slow uploads.
func uploadChecks() []Check {
	return []Check{
		{[]string{"B2B-FILE-011"}, "an upload continues after unrelated changes, but fails if its credential becomes invalid", func(t *T) {
			o := t.Org()
			bot, other := o.Bot("worker"), o.Bot("other")
			size := 0
			for name, change := range map[string]func(){
				"nothing":        func() {},
				"another's role": func() { other.Promote(); other.Demote() },
				"a further bot":  func() { o.Bot("further"); o.Bot("another") },
				"a token":        func() { bot.Scoped("read") },
			} {
				r := duringUpload(t, bot, change)
				if r.StatusCode() != 200 {
					t.Errorf("during an upload, %s changed: %s", name, r)
					continue
				}
				size = int(r.Num("size"))
				t.Get(fmt.Sprintf("/api/files/%s", r.Str("id")), bot).Status(200)
			}
			if size != 200_000 {
				t.Errorf("the file has %d bytes, want 200000", size)
			}
			scoped := t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"message"}}).OK()
			duringUpload(t, Token(scoped.Str("token")), func() {
				t.Do("DELETE", "/api/me/tokens/"+scoped.Str("id"), bot, nil).Status(200)
			}).Refused(401, "INVALID_TOKEN")
			duringUpload(t, bot, func() { bot.SetStatus("rejected") }).Refused(403, "BOT_NOT_ACTIVE")
			bot.SetStatus("active")
			duringUpload(t, bot, func() {}).OK()
		}},
	}
}
