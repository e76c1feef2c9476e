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

// TestNear: the share of the estimates within a tenth, and where the middle of the ratios lies.
func TestNear(t *testing.T) {
	var list []ratio
	for i := range 21 { // .80, .82, ... 1.20
		list = append(list, ratio{"armv7m", "a", .8 + .02*float64(i), 1})
	}
	var out bytes.Buffer
	require.NoError(t, near(&out, append(list, ratio{"armv7em", "b", 1, 1})))
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	assert.Equal(t, []string{"target layers within 10 % 5th of 100 median 95th of 100", "armv7m 21 52.4 % 0.82 1.00 1.18", "armv7em 1 100.0 % 1.00 1.00 1.00"}, got)
}

// TestJobs: drawn jobs are equal for equal seeds, and the table has no codebooks of depthwise layers.
func TestJobs(t *testing.T) {
	dir := t.TempDir()
	first, err := drawnJobs(dir, 8, 3)
	require.NoError(t, err)
	again, err := drawnJobs(dir, 8, 3)
	require.NoError(t, err)
	assert.Len(t, first, 8)
	assert.Equal(t, first, again)
	fixed, err := fixedJobs(dir)
	require.NoError(t, err)
	assert.Len(t, fixed, len(fitLayers)*len(fitFormats)-4)
	assert.ErrorContains(t, fit(t.Output(), "dnnc", "nothing", fixed), "-only names no target")
}

func TestWanted(t *testing.T) {
	for only, want := range map[string]bool{"": true, "armv7": true, "i8,armv7": true, "i8,armv7,linear": true, "i8,armv7em": false, "armv": false} {
		assert.Equal(t, want, wanted(only, "armv7", "linear", "i8"), only)
	}
}
