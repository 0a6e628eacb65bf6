// Package profile keeps the profiles of the command line: for each bot the address of its server and
// its token, in files that only their owner may read.
//
// A profile is a file of its own, profiles/NAME.json in the folder of [Folder]; the file current has
// the name of the one that is used if none is named. Files are replaced whole, so that a crash or a
// second process never leaves half of one.
//
// [Store.Resolve] finds the server and the token of a call: a flag counts before the environment, and
// the environment before a profile. The token of a profile is sent to the server of that profile only.
package profile
