// Command restclient is a protoc plugin that writes the REST clients of the TypeScript and Python
// SDKs: the types of wire JSON, one method for each operation, and one class for each error code.
//
// Its input is the same as that of the REST binding and of the OpenAPI document: google.api.http,
// the options of api/b2b/options/v1 and the comments of the schema. [newAPI] reads it into a
// description of the API that is independent of a language; a writer for each language prints it.
// What needs no schema, such as sending a request, is written by hand in the SDKs.
//
// The parameter language is "typescript" or "python".
package main

import (
	"flag"
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	var flags flag.FlagSet
	language := flags.String("language", "", "the language of the client: typescript or python")
	protogen.Options{ParamFunc: flags.Set}.Run(func(p *protogen.Plugin) error {
		p.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
		return generate(p, *language)
	})
}

// writers print a client by the language.
var writers = map[string]func(*api) map[string]string{
	"typescript": typescript,
	"python":     python,
}

func generate(p *protogen.Plugin, language string) error {
	write, ok := writers[language]
	if !ok {
		return fmt.Errorf("the parameter language is %q: want typescript or python", language)
	}
	a, err := newAPI(p.Files)
	if err != nil {
		return err
	}
	for name, text := range write(a) {
		if _, err := p.NewGeneratedFile(name, "").Write([]byte(text)); err != nil {
			return err
		}
	}
	return nil
}
