package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// The benchmarks measure the binding and the pipeline, without a network, a database or a service.

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

var benchThread = &b2bv1.Thread{
	Id: "0198c7a0-0000-7000-8000-000000000000", OrgId: "0198c7a0-0000-7000-8000-000000000001", Topic: "The weather of tomorrow",
	Status: b2bv1.ThreadStatus_THREAD_STATUS_ACTIVE, Revision: 3, CreatedAt: timestamppb.Now(), UpdatedAt: timestamppb.Now(), LastActivityAt: timestamppb.Now(),
}

func benchmark(b *testing.B, request func() *http.Request, procedure string, answer proto.Message) {
	h := server(b, nil, map[string]service{procedure: answers(answer)})
	w := discard{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, request())
	}
	if w.h.Get("ETag") != `"3"` {
		b.Fatal(w.h)
	}
}

func BenchmarkGet(b *testing.B) {
	r := httptest.NewRequest("GET", "/api/threads/0198c7a0-0000-7000-8000-000000000000", nil)
	r.Header.Set("Authorization", "Bearer bot")
	benchmark(b, func() *http.Request { return r }, b2bv1connect.ThreadServiceGetThreadProcedure, &b2bv1.GetThreadResponse{Thread: benchThread})
}

func BenchmarkPost(b *testing.B) {
	const body = `{"topic":"The weather of tomorrow","tags":["weather"],"participants":["ann","bob"],"visibility":"private","context":{"city":"Berlin","days":3}}`
	text := strings.NewReader(body)
	r := httptest.NewRequest("POST", "/api/threads", text)
	r.Header.Set("Authorization", "Bearer bot")
	r.Header.Set("Content-Type", "application/json")
	request := func() *http.Request {
		text.Reset(body)
		return r
	}
	benchmark(b, request, b2bv1connect.ThreadServiceCreateThreadProcedure, &b2bv1.CreateThreadResponse{Thread: benchThread})
}
