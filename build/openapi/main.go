// Command openapi is a protoc plugin that writes api/openapi.json: the REST binding
// as an OpenAPI 3.1 document, for people and for generators of clients.
//
// It reads what the binding and the codec of the server read: google.api.http, the
// marks of api/b2b/options/v1 and the comments of the schema. So the document holds
// nothing that was written down a second time, but for the introduction (intro.md).
//
// The generators that exist describe ProtoJSON, where a time is a text, an int64 is a
// text too and an absent value is left out. Wire JSON is another language (package
// server/wire tells its rules), and [schemas] is where it becomes JSON Schema.
//
// What the document promises is kept by the conformance suite: it validates every
// answer of a server against it, and every request that a server accepts.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	schema   = "b2b.v1"
	document = "openapi.json"
)

func main() {
	var flags flag.FlagSet
	version := flags.String("version", "", "the version of the API, as the server tells it at /api/version")
	protogen.Options{ParamFunc: flags.Set}.Run(func(p *protogen.Plugin) error {
		p.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
		if *version == "" {
			return fmt.Errorf("the parameter version is missing")
		}
		doc, err := describe(p, *version)
		if err != nil {
			return err
		}
		text, err := render(doc)
		if err != nil {
			return err
		}
		_, err = p.NewGeneratedFile(document, "").Write(text)
		return err
	})
}

// render writes a document for people to read and diff.
func render(doc *object) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
