// Package repository holds the tests of the repository's files: their sizes, the marks of
// generated files, the documents and their references, the version, the deployment files.
package repository
