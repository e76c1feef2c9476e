package pass

import (
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Held-out images that a search measures on: the entries of its table on the judged
// ones, whole networks, which are few, on those after them. On 512 images the
// divergences of good networks differ by less than their errors.
const (
	Judged = 512
	Finals = 2048
)

// Unseen is the most images that a promised share is tested on, of which a standard error
// is a third to a half of that of Judged images, by which a share is estimated that is
// only aimed at.
const Unseen = 8192

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
// calibration images must do. Image i is under condition ConditionOf(i, Conditions).
func (e *Env) Judge() (data.Batch, error) {
	if e.judge.N > 0 {
		return e.judge, nil
	}
	clean, err := e.HeldOut()
	if err != nil {
		return data.Batch{}, err
	}
	e.judge, err = e.mixture(clean.Slice(0, min(Judged, clean.N)), JudgeAt)
	return e.judge, err
}

// Final returns the held-out images after the judged ones, disturbed in the same
// way; none where there are no more.
func (e *Env) Final() (data.Batch, error) {
	clean, err := e.HeldOut()
	if err != nil || clean.N <= Judged {
		return data.Batch{}, err
	}
	return e.mixture(clean.Slice(Judged, min(Judged+Finals, clean.N)), JudgeAt+Judged)
}

// ToTune returns the images that a network is tuned on, as they are.
func (e *Env) ToTune() (data.Batch, error) {
	if e.Lessons != nil {
		return e.Lessons()
	}
	return e.Calibration()
}

// Tests returns the images that only Bound of Report.Kept is measured on, as they are;
// none where there are none.
func (e *Env) Tests() (data.Batch, error) {
	if e.Unseen == nil {
		return data.Batch{}, nil
	}
	return e.Unseen()
}

// HeldOut returns the images that candidates are judged on, as they are: those for
// calibration where none are held out.
func (e *Env) HeldOut() (data.Batch, error) {
	if e.Holdout != nil {
		return e.Holdout()
	}
	return e.Calibration()
}

// Where the numbers of images begin, which noise depends on: judged images, those to report
// on and those to tune on have noise of their own, apart from that of the calibration images.
const (
	JudgeAt  = 1 << 24
	UnseenAt = JudgeAt + 1<<23
	TestAt   = 1 << 25
	TuneAt   = 1 << 26
)

// Conditions counts the conditions that images are dealt out over, clean first.
func (e *Env) Conditions() int { return len(e.Errors) + 1 }

// ConditionOf is the condition that image i of a mixture is under, 0 the clean one.
// Each round of images begins one further: data may come class by class in turn.
func ConditionOf(i, conditions int) int { return (i + i/conditions) % conditions }

func (e *Env) mixture(clean data.Batch, first int) (data.Batch, error) {
	out := clean
	out.X = append([]float32(nil), clean.X...)
	gradient := disturb.Once(e.Gradient)
	for i, cond := range e.Errors {
		is := func(img int) bool { return ConditionOf(img, e.Conditions()) == i+1 }
		if err := disturb.Into(out, clean, first, cond, e.Seed, gradient, is); err != nil {
			return data.Batch{}, err
		}
	}
	return out, nil
}
