package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// TestFlagsRefuseWhatIsNoValue: a number is decimal digits, as people write it; what has no
// meaning is refused before any work, and the message says what is right.
func TestFlagsRefuseWhatIsNoValue(t *testing.T) {
	const (
		one  = "is no whole number from 1 on"
		zero = "is no whole number from 0 on"
		time = "is no time above 0; write 10s"
		bits = "is no number of bits: write 0, which is no bound, or more"
		part = "is no share above 0 and of at most 1; write 0.99"
		many = "is no number above 0, and of at most a million"
		size = "is no size; write 65536"
	)
	for flag, values := range map[string]map[string][]string{
		"n":           {one: {"0", "-5", "0x10", "1_0", "1.5", "1e3", " ", "99999999999999999999", "9223372036854775808"}},
		"images":      {one: {"0", "-1", "0b1", "1_000"}},
		"seeds":       {one: {"0", "0o7"}},
		"seed":        {zero: {"-1", "0x1", "1_0", "18446744073709551616"}},
		"metric-time": {time: {"0", "0s", "-1s", "10", "1_0s"}},
		"time":        {time: {"0", "-1s"}},
		"min":         {bits: {"-1", "nan", "inf", "1_0", "0x1"}},
		"max":         {bits: {"nan", "1_0"}},
		"keep":        {part: {"nan", "0", "-1", "1.01", "inf", "0_1", "0x1p-1", "99%"}},
		"bits":        {many: {"1_0", "0x1", "nan", "inf"}},
		"ratio":       {many: {"1_0"}},
		"size":        {size: {"1_000", "0x10", "nan", "1_0KiB"}},
		"mem":         {size: {"1_0GiB"}},
		"ram":         {size: {"1_0KiB"}},
		"cycles":      {"is no number of cycles": {"1_0", "0x1x", "1_0x", "inf"}},
	} {
		for want, list := range values {
			for _, value := range list {
				cmd := "build"
				switch flag {
				case "seeds":
					cmd = "compare"
				case "metric-time":
					cmd = "eval"
				}
				code, stdout, stderr := dnnctest.Run(t, cmd, "no-such.dnn", "-target", "armv7em", "-"+flag, value)
				assert.Equal(t, command.BadUsage, code, "-%s %q: %s", flag, value, stderr)
				assert.Empty(t, stdout)
				assert.Contains(t, stderr, `for flag -`+flag+`: "`+value+`" `+want, "-%s %q", flag, value)
			}
		}
	}
	code, _, stderr := dnnctest.Run(t, "eval", "no-such.dnn", "-detect", " ")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "for flag -detect: it names no results")
	for _, args := range [][]string{{"-n", "010"}, {"-seed", "18446744073709551615"}, {"-keep", "1"}, {"-min", "0"}} {
		code, _, stderr := dnnctest.Run(t, append([]string{"build", "no-such.dnn", "-target", "armv7em", "-O", "robust"}, args...)...)
		assert.Equal(t, command.AtFault, code, stderr)
		assert.Contains(t, stderr, "no-such.dnn", "a right value: only the file is missing")
	}
}
