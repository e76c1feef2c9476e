package pass

import (
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// judged is the most held-out images that candidates are measured on.
const judged = 512

// Samples returns the calibration images as the search sees them: dealt out in
// turn over clean and each condition of Errors, disturbed, and kept for later
// calls. They are the inputs on which ranges and second moments are measured.
func (e *Env) Samples() (data.Batch, error) {
	if e.samples.N > 0 {
		return e.samples, nil
	}
	clean, err := e.Calibration()
	if err != nil {
		return data.Batch{}, err
	}
	e.samples, err = e.mixture(clean, 0)
	return e.samples, err
}

// Judge returns held-out images disturbed in the same way, on which candidates
// are compared: a network is right on what it was rounded on. Without any, the
// calibration images must do. Image i is under condition i modulo Conditions.
func (e *Env) Judge() (data.Batch, error) {
	if e.judge.N > 0 {
		return e.judge, nil
	}
	load := e.Calibration
	if e.Holdout != nil {
		load = e.Holdout
	}
	clean, err := load()
	if err != nil {
		return data.Batch{}, err
	}
	e.judge, err = e.mixture(clean.Slice(0, min(judged, clean.N)), judgeAt)
	return e.judge, err
}

// judgeAt sets the noise of judged images apart from that of the calibration
// images.
const judgeAt = 1 << 24

// Conditions counts the conditions that images are dealt out over, clean first.
func (e *Env) Conditions() int { return len(e.Errors) + 1 }

func (e *Env) mixture(clean data.Batch, first int) (data.Batch, error) {
	out := clean
	out.X = append([]float32(nil), clean.X...)
	gradient := disturb.Once(e.Gradient)
	for i, cond := range e.Errors {
		disturbed, err := disturb.Images(clean, first, cond, e.Seed, e.Low, e.High, gradient)
		if err != nil {
			return data.Batch{}, err
		}
		for img := i + 1; img < clean.N; img += e.Conditions() {
			copy(out.Image(img), disturbed.Image(img))
		}
	}
	return out, nil
}
