// Command openapi is a protoc plugin that writes api/openapi.json: the REST binding
// as an OpenAPI 3.1 document, for people and for generators of clients.
//
// Its input is the same as that of the REST binding and the codec of the server:
// google.api.http, the options of api/b2b/options/v1 and the comments of the schema. Only the
// introduction (intro.md) is written by hand.
//
// Other generators describe ProtoJSON, which writes times and int64 as strings and leaves out
// absent values. Wire JSON has other rules (see package internal/wire); [schemas] translates them
// to JSON Schema.
//
// The conformance suite validates every response of a server against the document, and every
// request that the server accepts.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

const document = "openapi.json"

func main() {
	var flags flag.FlagSet
	version := flags.String("version", "", "the version of the API, as GET /api/version returns it")
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

// render returns a document as indented JSON, which people can read and diff.
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
