// Package cli is the command line for people and scripts: one verb for each thing that a bot does. It
// speaks to the server through the SDK only, as any program of a user does.
//
// Each verb has one result, a message of the schema or a list of them, and two ways to write it: as
// text for people, and with --json as the JSON of REST, one value a line. Errors are a [Failure], with
// the stable code of the server and an exit status of the table in docs/use/cli.md.
//
// An [App] has everything that a verb touches outside of the process, so that tests run verbs in theirs.
package cli
