package driver

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/measure"
)

// TestCompareKept: whenever the network lies significantly below on the images to report
// on, that is said with both figures; training images are told by the float network, where
// both have labels.
func TestCompareKept(t *testing.T) {
	// The float network is right on the first of 1,000 images, the integers on fewer.
	score := func(right int) *measure.Score {
		list := make([]bool, 1000)
		for i := range right {
			list[i] = true
		}
		return &measure.Score{Images: 1000, Labels: make([]int, 1000), Kinds: []measure.Kind{{Name: measure.Clean, Sizes: []float64{0}, Right: [][]bool{list}}}}
	}
	estimate := func(value, se float64) measure.Estimate { return measure.Estimate{Value: value, StdErr: se} }
	for name, c := range map[string]struct {
		float, quantized int
		share            float64
		calib            measure.Estimate // what is kept, on held-out images
		exact            measure.Estimate // the float network's, there
		labelled         bool
		labels           string
		want             []string
	}{
		"as promised":             {950, 945, .98, estimate(.99, .002), estimate(.955, .006), true, certificate.GivenLabels, nil},
		"below by chance":         {950, 929, .98, estimate(.983, .003), estimate(.955, .006), true, certificate.GivenLabels, nil},
		"below what was promised": {950, 920, .98, estimate(.983, .02), estimate(.955, .006), true, certificate.GivenLabels, []string{diag.LessOnData}},
		"below the estimate":      {950, 939, .98, estimate(.999, .001), estimate(.955, .006), true, certificate.GivenLabels, []string{diag.LessOnData}},
		"training images":         {950, 945, .98, estimate(.99, .002), estimate(.985, .003), true, certificate.GivenLabels, []string{diag.TrainingCalib}},
		"both":                    {950, 920, .98, estimate(.99, .002), estimate(.985, .003), true, certificate.GivenLabels, []string{diag.LessOnData, diag.TrainingCalib}},
		"without labels there":    {950, 945, .98, estimate(.99, .002), estimate(1, 0), false, certificate.GivenLabels, nil},
		"without labels here":     {950, 945, .98, estimate(.99, .002), estimate(.985, .003), true, "float", nil},
		"harder there":            {950, 945, .98, estimate(.99, .002), estimate(.8, .003), true, certificate.GivenLabels, nil},
	} {
		k := &pass.Kept{Share: c.share, Promised: true, Bound: measure.Bound{Estimate: c.calib, Items: 400}, Float: []measure.Estimate{c.exact}}
		var got []string
		for _, w := range compareKept(k, c.labelled, false, &Scores{Float: score(c.float), Quantized: score(c.quantized), Labels: c.labels}) {
			got = append(got, w.Name)
			if len(c.want) == 1 && w.Name == diag.LessOnData { // labelled images that it was not trained on were given
				assert.Contains(t, w.Help, "-calib images drawn as those of -data are", name)
				assert.NotContains(t, w.Help, "not trained on", name)
				assert.Contains(t, w.Help, map[string]string{"below what was promised": "or ask for more: -keep 0.992", "below the estimate": "or a greater budget"}[name], name)
			} else {
				assert.Contains(t, w.Help, "labelled images that the network was not trained on", name)
			}
			if w.Name == diag.LessOnData {
				assert.Contains(t, w.Message, "on 1000 images of -data the network has 0.9", name)
				assert.Contains(t, w.Message, "on 400 held-out images of -calib it has 0.9", name)
				assert.Contains(t, w.Message, "0.98 was asked for", name)
			}
		}
		assert.Equal(t, c.want, got, name)
	}
	full := &Scores{Float: score(950), Quantized: score(100), Labels: certificate.GivenLabels}
	assert.Empty(t, compareKept(nil, true, false, full))
	assert.Empty(t, compareKept(&pass.Kept{Share: .99, Bound: measure.NoBound()}, true, false, full))
	k := &pass.Kept{Share: .99, Bound: measure.Bound{Estimate: estimate(.99, .01)}, Float: []measure.Estimate{estimate(.9, .1)}}
	assert.Empty(t, compareKept(k, true, false, &Scores{Quantized: score(100)}))
	assert.Contains(t, compareKept(k, true, false, full)[0].Message, "0.99 was aimed at")
	assert.Contains(t, compareKept(k, true, true, full)[0].Message, "the network has 0.1053")
}
