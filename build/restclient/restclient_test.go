package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/pluginpb"

	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

var update = flag.Bool("update", false, "write the golden files")

// small returns the files of testdata/small.proto, a schema that has each form of wire JSON and each
// kind of operation, after change has edited it. Its compiled form is small.binpb, which
// `buf build --exclude-imports --path … -o small.binpb` writes when the file is in the folder
// api/b2b/v1 of a copy of api/.
func small(t *testing.T, change func(*descriptorpb.FileDescriptorProto)) []*protogen.File {
	t.Helper()
	compiled, err := os.ReadFile("testdata/small.binpb")
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(compiled, &set); err != nil {
		t.Fatal(err)
	}
	file := set.File[0]
	change(file)
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{file.GetName()}}
	for _, d := range []protoreflect.FileDescriptor{
		descriptorpb.File_google_protobuf_descriptor_proto, timestamppb.File_google_protobuf_timestamp_proto,
		annotations.File_google_api_http_proto, annotations.File_google_api_annotations_proto,
		anypb.File_google_protobuf_any_proto, httpbody.File_google_api_httpbody_proto,
		optionsv1.File_b2b_options_v1_options_proto, optionsv1.File_b2b_options_v1_limits_proto,
	} {
		request.ProtoFile = append(request.ProtoFile, protodesc.ToFileDescriptorProto(d))
	}
	request.ProtoFile = append(request.ProtoFile, file)
	p, err := protogen.Options{}.New(request)
	if err != nil {
		t.Fatal(err)
	}
	return p.Files
}

// TestGolden compares the clients of the small schema with the files in testdata. `go test -update`
// writes them.
func TestGolden(t *testing.T) {
	t.Parallel()
	a, err := newAPI(small(t, func(*descriptorpb.FileDescriptorProto) {}))
	if err != nil {
		t.Fatal(err)
	}
	for language, write := range writers {
		for name, got := range write(a) {
			file := filepath.Join("testdata", language, name)
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from the file: if that is intended, run go test ./build/restclient -update", file)
			}
		}
	}
}

// TestRefuses checks that the generator refuses a schema that it could only print wrongly.
func TestRefuses(t *testing.T) {
	t.Parallel()
	message := func(f *descriptorpb.FileDescriptorProto, name string) *descriptorpb.DescriptorProto {
		for _, m := range f.MessageType {
			if m.GetName() == name {
				return m
			}
		}
		t.Fatalf("no message %s", name)
		return nil
	}
	for want, change := range map[string]func(*descriptorpb.FileDescriptorProto){
		"is no field of": func(f *descriptorpb.FileDescriptorProto) {
			message(f, "GetNoteRequest").Field[0].Name = ptr("other")
		},
		"a query cannot have this field": func(f *descriptorpb.FileDescriptorProto) {
			state := message(f, "ListNotesRequest").Field[0]
			state.Type, state.TypeName = ptr(descriptorpb.FieldDescriptorProto_TYPE_BOOL), nil
		},
		"has no form as wire JSON": func(f *descriptorpb.FileDescriptorProto) {
			message(f, "Note").Field[0].Type = ptr(descriptorpb.FieldDescriptorProto_TYPE_FIXED32)
		},
		"is that of a parameter of every method": func(f *descriptorpb.FileDescriptorProto) {
			message(f, "CreateNoteRequest").Field[0].Name = ptr("timeout")
		},
		"the schema has no Event": func(f *descriptorpb.FileDescriptorProto) {
			message(f, "Event").Name = ptr("Other")
			message(f, "SubscribeResponse").Field[0].TypeName = ptr(".b2b.v1.Other")
		},
	} {
		_, err := newAPI(small(t, change))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"GetThread": {"getThread", "get_thread"}, "thread_id": {"threadId", "thread_id"}, "GetOpenApi": {"getOpenApi", "get_open_api"},
	} {
		if got := [2]string{tsName(name), pyName(name)}; got != want {
			t.Errorf("the names of %s are %q, want %q", name, got, want)
		}
	}
}
