package store

import "context"

// Packages that use the store state the methods that they call in interfaces of their own, not
// in Store, Reader and Tx: so a reader sees what a package reads and writes, and the compiler
// holds it to that. A Store satisfies such an interface as it is, except for Update and View,
// since a func(Tx) error is no func(T) error for an interface T that Tx satisfies. Narrow and
// NarrowViews convert them.

// Narrowed is a Store whose changes are functions of T, an interface that Tx satisfies.
type Narrowed[T any] struct {
	Store
	tx func(Tx) T
}

// Narrow returns s with Update for functions of T. tx returns its argument.
func Narrow[T any](s Store, tx func(Tx) T) Narrowed[T] { return Narrowed[T]{s, tx} }

// Update is [Store.Update] with the part of a Tx that the caller needs.
func (n Narrowed[T]) Update(ctx context.Context, org string, fn func(T) error) error {
	return n.Store.Update(ctx, org, func(tx Tx) error { return fn(n.tx(tx)) })
}

// NarrowedViews is a Narrowed whose snapshots are read through R, an interface that Reader
// satisfies.
type NarrowedViews[R, T any] struct {
	Narrowed[T]
	reader func(Reader) R
}

// NarrowViews returns s with View for functions of R, and Update for functions of T. reader and
// tx return their arguments.
func NarrowViews[R, T any](s Store, reader func(Reader) R, tx func(Tx) T) NarrowedViews[R, T] {
	return NarrowedViews[R, T]{Narrow(s, tx), reader}
}

// View is [Store.View] with the part of a Reader that the caller needs.
func (n NarrowedViews[R, T]) View(ctx context.Context, fn func(R) error) error {
	return n.Store.View(ctx, func(r Reader) error { return fn(n.reader(r)) })
}
