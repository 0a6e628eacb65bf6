// Package term writes text for people: on a terminal with colours, relative times and lines of its
// width, elsewhere plain.
//
// Text of others passes [Escape] or [Line] before it is written, so that it cannot move the cursor,
// change the title of a window, or look like something else than it is.
package term
