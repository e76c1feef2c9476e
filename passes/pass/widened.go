package pass

import (
	"fmt"
	"math"
	"strings"
)

// Widened is what -activations auto did.
type Widened struct {
	Values []string // that it gave 16 bits, in their order
	Of     int      // values that could have got them
	Images int      // calibration images that it measured on
	// Signal-to-noise ratios in dB of the worst result, with weights of 8 bits: the one that is enough, with
	// activations of 8 bits, and with the choice. +Inf: there is no noise.
	Enough, Before, After float64
	Why                   string // it stopped before that; "" where it is reached
	// Bytes of the arena: with 8 bits, with the choice, and at most; 0 where nothing was planned, or
	// nothing is the bound.
	ArenaBefore, Arena, Most int
	CyclesBefore, Cycles     float64 // estimated, of the layers with weights; 0 of none
}

// mostNamed is the values that String names.
const mostNamed = 8

// String says it in a line.
func (w *Widened) String() string {
	if w.Images == 0 {
		return "activations: 8 bits stay: " + w.Why
	}
	var b strings.Builder
	fmt.Fprintf(&b, "activations: 16 bits for %d of %d values", len(w.Values), w.Of)
	if n := len(w.Values); n > 0 {
		fmt.Fprintf(&b, " (%s", strings.Join(w.Values[:min(n, mostNamed)], ", "))
		if n > mostNamed {
			fmt.Fprintf(&b, " and %d more", n-mostNamed)
		}
		b.WriteByte(')')
	}
	fmt.Fprintf(&b, ": %s", decibels(w.Before))
	if len(w.Values) > 0 {
		fmt.Fprintf(&b, " -> %s", decibels(w.After))
	}
	fmt.Fprintf(&b, " on %d calibration images with weights of 8 bits, %g dB are enough", w.Images, w.Enough)
	if w.Arena > 0 {
		fmt.Fprintf(&b, "; arena %d -> %d bytes", w.ArenaBefore, w.Arena)
		if w.Most > 0 {
			fmt.Fprintf(&b, " of %d", w.Most)
		}
	}
	if w.CyclesBefore > 0 && w.Cycles > 0 {
		fmt.Fprintf(&b, ", estimated cycles x%.2f", w.Cycles/w.CyclesBefore)
	}
	if w.Why != "" {
		fmt.Fprintf(&b, "; it stopped there, as %s", w.Why)
	}
	return b.String()
}

// decibels rounds as certificates do, so that these say the same.
func decibels(x float64) string {
	if math.IsInf(x, 1) {
		return "no noise"
	}
	return fmt.Sprintf("%.1f dB", Decibels(x))
}

// Decibels are rounded to hundredths.
func Decibels(x float64) float64 { return math.Round(100*x) / 100 }
