// Package searchtext splits texts into the tokens of the search index, and finds a query in a text.
// It does no I/O, and both databases use it, so a query finds the same on both.
//
// A text is a sequence of atoms. An atom is a word, a part of an identifier, or one character of a
// script that is written without spaces (Chinese, Japanese, Korean, Thai and others). Atoms are
// compared without regard to case, accents and width.
//
//	parseHTTPRequest_v2   parse http request v2
//	über-fähig            uber fahig
//	数据库                数 据 库
//
// The index has the atoms as tokens, and two kinds of tokens more: an identifier as a whole, and each
// pair of characters that follow each other, since single characters are in too many texts.
//
//	parseHTTPRequest_v2   parsehttprequest_v2
//	数据库                数据 据库
//
// A query is a list of terms, separated by spaces or in double quotes. A text matches if it has every
// term: its atoms, one directly after another, or as one identifier. There are no operators, so
// nothing in a query has to be escaped.
//
// The tokens of an index only say which texts may match: [Query.Match] decides, and finds the places.
package searchtext

const (
	// MaxText is how many bytes of a text are searched, without a cut character.
	MaxText = 64 << 10
	// MaxTokens is how many different tokens of a document are in the index.
	MaxTokens = 8192
	// MaxTerms is how many terms a query may have.
	MaxTerms = 16
	// maxWord is how many characters of a word count.
	maxWord = 64
)
