// Package agentconfig writes the MCP server of a profile into the configuration of agent programs, and
// takes it out again.
//
// A [Change] is made first and applied after a person has seen it. What else a file has stays as it is:
// other keys, comments, the order and the indentation. An entry names a profile and never a token.
package agentconfig
