package pass

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/decimal"
)

// The efforts of tuning that have a name.
const (
	TuneOff     = "off"
	TuneQuick   = "quick"
	TuneDefault = "default"
	TuneLong    = "long"
)

// Multiply-adds of an effort by its name; TuneQuick is a part of the search's own, but at least
// quickLeast, and of a build without a search quickAlone.
const (
	defaultMACs = 2e12
	longMACs    = 1e13
	quickShare  = 1. / 3
	quickLeast  = 1e10 // a third of a small network's search holds no steps
	quickAlone  = 2e11
)

// TuneEfforts lists the efforts by name.
var TuneEfforts = []string{TuneOff, TuneQuick, TuneDefault, TuneLong}

// NoAugment leaves the images of tuning as they are.
const NoAugment = "none"

// Augments lists how the items of tuning may be moved beside their errors.
var Augments = []string{"crop", "flip", "shift", NoAugment}

// Tune is how a quantized network is tuned.
type Tune struct {
	Effort  string // one of TuneEfforts, or a number of multiply-adds; "" is TuneOff
	Augment string // of Augments, joined by commas; "" is by what the inputs hold
	Steps   int    // after which an earlier run was stopped, which is done again; 0 is none
}

// IsOn reports whether anything is tuned.
func (t Tune) IsOn() bool { return t.Effort != "" && t.Effort != TuneOff }

// MACs is the multiply-adds that tuning may take after a search of some; an effort that is
// neither a name nor a number of at least 1 is an error.
func (t Tune) MACs(search int64) (float64, error) {
	switch t.Effort {
	case "", TuneOff:
		return 0, nil
	case TuneQuick:
		if search == 0 {
			return quickAlone, nil
		}
		return max(quickShare*float64(search), quickLeast), nil
	case TuneDefault:
		return defaultMACs, nil
	case TuneLong:
		return longMACs, nil
	}
	n, err := decimal.Float(t.Effort, 64)
	if err != nil || !(n >= 1) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("-tune %s: an effort is %s, or a number of multiply-adds as 2e12", t.Effort, strings.Join(TuneEfforts, ", "))
	}
	return n, nil
}

// CheckAugment reports a word of -augment that there is not.
func (t Tune) CheckAugment() error {
	if t.Augment == "" {
		return nil
	}
	words := strings.Split(t.Augment, ",")
	for _, w := range words {
		if !slices.Contains(Augments, w) || w == NoAugment && len(words) > 1 {
			return fmt.Errorf("-augment %s: a list of %s, or %s alone", t.Augment, strings.Join(Augments[:len(Augments)-1], ", "), NoAugment)
		}
	}
	return nil
}

// Tuned is what tuning did.
type Tuned struct {
	Effort        string
	Budget        float64 // multiply-adds that it was
	Steps, Images int     // steps of gradients, and the fitted images that they were of
	MACs          float64 // multiply-adds, those of judging included
	Layers        int     // that were tuned, of all
	Judged        int     // other disturbed images, on which
	Before, After float64 // the divergence was this
	IsStopped     bool    // by the user, or the end of the time
	Declined      string  // why the network is as it was; "" where it was tuned
}

// String says it in a line.
func (t *Tuned) String() string {
	if t.Declined != "" {
		return "tuning declined: " + t.Declined
	}
	stopped := ""
	if t.IsStopped {
		stopped = ", stopped before its end"
	}
	return fmt.Sprintf("tuned by %d steps on %d images: divergence %.4g -> %.4g on %d other disturbed images (%.2g multiply-adds%s)", t.Steps, t.Images, t.Before, t.After, t.Judged, t.MACs, stopped)
}
