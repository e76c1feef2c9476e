package pass

import (
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Samples returns the calibration images as the search sees them: dealt out in
// turn over clean and each condition of Errors, disturbed, and kept for later
// calls. They are the inputs on which ranges, second moments and costs are
// measured.
func (e *Env) Samples() (data.Batch, error) {
	if e.samples.N > 0 {
		return e.samples, nil
	}
	clean, err := e.Calibration()
	if err != nil {
		return data.Batch{}, err
	}
	out := clean
	out.X = append([]float32(nil), clean.X...)
	for i, cond := range e.Errors {
		disturbed, err := disturb.Images(clean, 0, cond, e.Seed, e.Low, e.High, e.Gradient)
		if err != nil {
			return data.Batch{}, err
		}
		for img := i + 1; img < clean.N; img += len(e.Errors) + 1 {
			copy(out.Image(img), disturbed.Image(img))
		}
	}
	e.samples = out
	return out, nil
}
