package command

import (
	"flag"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dnnc/dnnc/ir/decimal"
)

// unset is the likely cause of an argument without a character.
const unset = "an unset variable of the shell?"

// present is the value of a flag that is never "": no flag means anything by it, and taken as
// absent it would be work that is not done.
type present struct{ flag.Value }

// Set reads a value.
func (p present) Set(s string) error {
	if s == "" {
		return fmt.Errorf("a value is missing (%s); leave the flag out where none is meant", unset)
	}
	return p.Value.Set(s)
}

// takesNone reports the value of a flag that stands alone.
func takesNone(v flag.Value) bool {
	b, ok := v.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// whole is the value of a flag that takes a whole number of at least so much, in decimal
// digits: package flag reads 010 as 8, and 1_0 as 10.
type whole[T int | uint64] struct {
	into  *T
	least T
}

// String is the number, of which flags show the default.
func (w whole[T]) String() string {
	if w.into == nil { // as package flag makes one, to learn what is no default
		return "0"
	}
	return fmt.Sprint(*w.into)
}

// Set reads a number.
func (w whole[T]) Set(s string) error {
	x, err := strconv.ParseUint(s, 10, 64)
	if err != nil || uint64(T(x)) != x || T(x) < w.least {
		return fmt.Errorf("%q is no whole number from %d on", s, w.least)
	}
	*w.into = T(x)
	return nil
}

// duration is the value of a flag that takes a time above 0.
type duration struct{ into *time.Duration }

// String is the time, of which flags show the default.
func (d duration) String() string {
	if d.into == nil {
		return "0s"
	}
	return d.into.String()
}

// Set reads a time.
func (d duration) Set(s string) error {
	x, err := time.ParseDuration(s)
	if err != nil || x <= 0 {
		return fmt.Errorf("%q is no time above 0; write 10s, 1m30s or 500ms", s)
	}
	*d.into = x
	return nil
}

// bits reads bits a weight, of which 0 is no bound.
func bits(into *float64) func(string) error {
	return func(s string) error {
		x, err := decimal.Float(s, 64)
		if err != nil || !(x >= 0) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is no number of bits: write 0, which is no bound, or more", s)
		}
		*into = x
		return nil
	}
}

// share reads a share above 0 and of at most 1.
func share(into *float64) func(string) error {
	return func(s string) error {
		x, err := decimal.Float(s, 64)
		if err != nil || !(x > 0 && x <= 1) {
			return fmt.Errorf("%q is no share above 0 and of at most 1; write 0.99", s)
		}
		*into = x
		return nil
	}
}
