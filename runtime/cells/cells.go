// Package cells keeps what was measured, by the hash of its question, so that nothing is
// measured twice: by a later run, or by processes that search side by side.
package cells

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"reflect"
	"time"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/seal"
)

// Key is the sha256 of a question: of all that its answer depends on.
type Key [sha256.Size]byte

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// KeyOf is the key of a question in words. Words are told apart by quotation.
func KeyOf(words ...any) Key {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%q\n", fmt.Sprint(w))
	}
	return sum(h)
}

func sum(h hash.Hash) (k Key) {
	h.Sum(k[:0])
	return k
}

// Store keeps answers. Equal questions have equal answers, whoever computes them.
type Store interface {
	// Get is the answer to a question; ok is false where there is none, or a damaged one.
	Get(k Key) (answer []byte, ok bool, err error)
	// Put keeps an answer, as a whole or not at all.
	Put(k Key, answer []byte) error
	// Claim asks to answer a question; ok is false while another claim holds it. A claim ends by
	// release, or a while after its process.
	Claim(k Key) (release func(), ok bool, err error)
}

// Poll is the time between two looks at a store for what others compute.
const Poll = 20 * time.Millisecond

// Rechecker is a store of which some answers are computed again, and must be equal.
type Rechecker interface {
	Store
	Rechecks(k Key) bool
}

// Rechecks reports whether a store's answer to a question is computed again.
func Rechecks(s Store, k Key) bool {
	r, ok := s.(Rechecker)
	return ok && r.Rechecks(k)
}

// Any takes every value of the type for an answer.
func Any[T any](T) bool { return true }

// Known is the answer that a store has, also one that is to be computed again. fits tells an answer to
// the question from what others may have put there, sealed as one.
func Known[T any](s Store, k Key, fits func(T) bool) (v T, ok bool, err error) {
	text, ok, err := s.Get(k)
	if err != nil || !ok {
		return v, false, err
	}
	// What is no answer, to the last byte, is none.
	if seal.Check(text) != nil {
		return v, false, nil
	}
	a := answer[T]{}
	if json.Unmarshal(text, &a) != nil || !fits(a.Answer) {
		return v, false, nil
	}
	return a.Answer, true, nil
}

// answer is an answer as a store keeps it, sealed.
type answer[T any] struct {
	Answer T `json:"answer"`
}

// Try is the answer that a store has, or else what compute makes of the question; ok is false where
// another claim holds the question. Without a store it computes; where the store has a question that it
// rechecks, too, and another answer is an error.
func Try[T any](s Store, k Key, fits func(T) bool, compute func() (T, error)) (v T, ok bool, err error) {
	if s == nil {
		v, err = compute()
		return v, err == nil, err
	}
	v, ok, err = Known(s, k, fits)
	if ok && Rechecks(s, k) {
		again, err := compute()
		if err == nil && !reflect.DeepEqual(again, v) {
			err = diag.New(diag.Pos{}, diag.CheckFailed, "-recheck: the store answers the question %s with %s, and this process with %s", k, short(v), short(again)).
				WithNote("another processor computed it, or memory is faulty, or it is an answer of somebody else").WithHelp("a new store has none of its answers")
		}
		return again, err == nil, err
	}
	if ok || err != nil {
		return v, ok, err
	}
	release, ok, err := s.Claim(k)
	if err != nil || !ok {
		return v, false, err
	}
	defer release()
	if v, ok, err = Known(s, k, fits); ok || err != nil { // answered before the claim
		return v, ok, err
	}
	if v, err = compute(); err != nil {
		return v, false, err
	}
	text, err := seal.JSON(answer[T]{v}, "")
	if err != nil {
		return v, true, nil // a number that is not finite: others compute it themselves
	}
	return v, true, s.Put(k, text)
}

// Answer is Try that waits while another claim holds the question.
func Answer[T any](ctx context.Context, s Store, k Key, fits func(T) bool, compute func() (T, error)) (v T, err error) {
	for {
		v, ok, err := Try(s, k, fits, compute)
		if ok || err != nil {
			return v, err
		}
		if err := Wait(ctx, Poll); err != nil {
			return v, err
		}
	}
}

// short is an answer in at most a line.
func short(v any) string {
	text := fmt.Sprint(v)
	if most := 100; len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// Wait gives others time to compute.
func Wait(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
