package ir

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestChannelBytes: a bias and a multiplier are i32 constants, a shift is below 128.
func TestChannelBytes(t *testing.T) {
	word := Of(I32).StoredSize()
	assert.Equal(t, 2*word+1, ChannelBytes)
	assert.Equal(t, 9, ChannelBytes)
}
