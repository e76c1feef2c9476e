package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSummary: a line for each target and family with the least, the median and the
// greatest ratio, in the order of the targets.
func TestSummary(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, summary(&out, []ratio{
		{"armv7em", "b", 3e6, 2e6}, {"armv7em", "a", 1e6, 1e6}, {"armv7em", "b", 1e6, 2e6}, {"armv7m", "b", 1e6, 4e6},
		{"armv7em", "b", 2e6, 2e6}, {"armv7em", "b", 2.4e6, 2e6},
	}))
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	assert.Equal(t, []string{"target family layers least median greatest", "armv7m b 1 0.25 0.25 0.25", "armv7em a 1 1.00 1.00 1.00", "armv7em b 4 0.50 1.10 1.50"}, got)
}

func TestWanted(t *testing.T) {
	for only, want := range map[string]bool{"": true, "armv7": true, "i8,armv7": true, "i8,armv7,linear": true, "i8,armv7em": false, "armv": false} {
		assert.Equal(t, want, wanted(only, "armv7", "linear", "i8"), only)
	}
}
