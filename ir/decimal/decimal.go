// Package decimal reads numbers as people and other programs write them. Package strconv also
// takes what Go's syntax alone has: 1_000, and hexadecimal floats as 0x1p3. A text with these is
// a typing error or no number at all, which must be told and not be read as another number.
package decimal

import (
	"strconv"
	"strings"
)

// Float is a decimal number of 32 or 64 bits: digits with a sign, a point and an exponent, or
// Inf or NaN, which callers refuse where they have no meaning. The errors are those of
// strconv.ParseFloat.
func Float(s string, bits int) (float64, error) {
	if strings.ContainsAny(s, "_xXpP") {
		return 0, &strconv.NumError{Func: "Float", Num: s, Err: strconv.ErrSyntax}
	}
	return strconv.ParseFloat(s, bits)
}
