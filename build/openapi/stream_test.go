package main

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/b2b-protocol/b2b/build/wireschema"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// describeStreaming returns the paths of a schema with one method: GET with a stream from the
// server, or POST with a stream to the server.
func describeStreaming(t *testing.T, client bool, fields ...*descriptorpb.FieldDescriptorProto) (string, error) {
	t.Helper()
	rule := &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/stream"}}
	if client {
		rule = &annotations.HttpRule{Pattern: &annotations.HttpRule_Post{Post: "/stream"}, Body: "*"}
	}
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, annotations.E_Http, rule)
	proto.SetExtension(options, optionsv1.E_Access, &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}})
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	in, out := message("In"), message("Out", fields...)
	if client {
		in, out = message("In", fields...), message("Out")
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("b2b/v1/test.proto"), Package: proto.String(wireschema.Package), Syntax: proto.String("proto3"),
		Options:     &descriptorpb.FileOptions{GoPackage: proto.String("example.com/test")},
		MessageType: []*descriptorpb.DescriptorProto{in, out, message("Event")},
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: proto.String("ErrorCode"), Value: []*descriptorpb.EnumValueDescriptorProto{{Name: proto.String("ERROR_CODE_UNSPECIFIED"), Number: proto.Int32(0)}},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("StreamService"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Stream"), InputType: proto.String(".b2b.v1.In"), OutputType: proto.String(".b2b.v1.Out"),
			ClientStreaming: &client, ServerStreaming: proto.Bool(!client), Options: options,
		}}}},
	}
	plugin, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{file.GetName()},
		ProtoFile:      []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto), file},
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := describe(plugin, "1")
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(document.values["paths"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func streamed(name string, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: &name, Number: proto.Int32(1), Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if kind == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE {
		f.TypeName = proto.String(".b2b.v1.Event")
	}
	return f
}

func TestStreams(t *testing.T) {
	t.Parallel()
	bytes, event := streamed("data", descriptorpb.FieldDescriptorProto_TYPE_BYTES), streamed("event", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	id := streamed("request_id", descriptorpb.FieldDescriptorProto_TYPE_STRING)
	for _, c := range []struct {
		name      string
		client    bool
		field     *descriptorpb.FieldDescriptorProto
		has, none []string
	}{
		{"the server streams a file", false, bytes, []string{`"206"`, `"304"`, `"*/*"`, `"Range"`}, []string{"event-stream"}},
		{"the server streams events", false, event, []string{`"text/event-stream"`, `#/components/schemas/Event`}, []string{`"206"`, `"304"`, `"Range"`}},
		{"the server streams items", false, id, []string{`"text/event-stream"`, "an item of the stream", `"x-b2b-data"`}, []string{`"206"`, `"304"`, `"Range"`}},
		{"the client streams a file", true, id, []string{`"multipart/form-data"`, `"required":["file"]`, `"request_id":{"type":"string"}`}, []string{`"requestBody":{"required":false`}},
	} {
		text, err := describeStreaming(t, c.client, c.field)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.has {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", c.name, want, text)
			}
		}
		for _, other := range c.none {
			if strings.Contains(text, other) {
				t.Errorf("%s: %s in %s", c.name, other, text)
			}
		}
	}
}
