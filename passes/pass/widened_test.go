package pass

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWidenedSays: what -activations auto did in a line.
func TestWidenedSays(t *testing.T) {
	for want, w := range map[string]Widened{
		"activations: 8 bits stay: no further value has a form of 16 bits":                                                  {Why: "no further value has a form of 16 bits"},
		"activations: 16 bits for 0 of 3 values: no noise on 4 calibration images with weights of 8 bits, 40 dB are enough": {Of: 3, Images: 4, Enough: 40, Before: math.Inf(1), After: math.Inf(1)},
		"activations: 16 bits for 2 of 3 values (a, b): 20.3 dB -> 39.9 dB on 4 calibration images with weights of 8 bits, 40 dB are enough; arena 100 -> 120 bytes of 125, estimated cycles x1.50; it stopped there, as the arena has no room for more": {
			Values: []string{"a", "b"}, Of: 3, Images: 4, Enough: 40, Before: 20.26, After: 39.94, ArenaBefore: 100, Arena: 120, Most: 125, CyclesBefore: 2, Cycles: 3, Why: "the arena has no room for more"},
		"activations: 16 bits for 10 of 10 values (a, b, c, d, e, f, g, h and 2 more): 20.0 dB -> 50.0 dB on 4 calibration images with weights of 8 bits, 40 dB are enough; arena 100 -> 120 bytes": {
			Values: []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, Of: 10, Images: 4, Enough: 40, Before: 20, After: 50, ArenaBefore: 100, Arena: 120},
	} {
		assert.Equal(t, want, w.String())
	}
}
