package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSweep: each promise of -ram has its fault.
func TestSweep(t *testing.T) {
	good := sweep{{100, 100, 1300}, {200, 190, 1000}, {300, 300, 1000}}
	assert.Equal(t, []float64{1.3, 1}, good.steps())
	assert.Empty(t, good.faults())
	bad := sweep{{100, 101, 1310}, {200, 190, 1000}, {300, 300, 1001}}
	assert.Equal(t, []string{
		"the arena of 101 bytes breaks the bound of 100",
		"100 bytes take 1.31 times the instructions of 200",
		"300 bytes take more instructions than 200",
	}, bad.faults())
}
