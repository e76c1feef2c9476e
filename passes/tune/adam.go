package tune

import "math"

// adam is the optimizer of Kingma and Ba: each parameter moves by its rate times the mean of
// its slopes over the root of the mean of their squares, both with exponential weights.
type adam struct {
	mean, square  []float64
	meanAll, sAll float64 // products of the weights
}

const (
	meanKept   = .9
	squareKept = .99
	leastRoot  = 1e-12
)

func newAdam(n int) *adam { return &adam{make([]float64, n), make([]float64, n), 1, 1} }

// move moves parameters against their slopes. share is of the rates, by the schedule; a
// parameter whose rate is 0 stays.
func (a *adam) move(params, slopes, rates []float64, share float64) {
	a.meanAll, a.sAll = a.meanAll*meanKept, a.sAll*squareKept
	mean, square := 1-a.meanAll, 1-a.sAll
	for i, d := range slopes {
		a.mean[i] = float64(meanKept*a.mean[i]) + float64((1-meanKept)*d)
		a.square[i] = float64(squareKept*a.square[i]) + float64((1-squareKept)*float64(d*d))
		if rates[i] != 0 {
			params[i] -= float64(share*rates[i]) * (a.mean[i] / mean) / (math.Sqrt(a.square[i]/square) + leastRoot)
		}
	}
}

// warmUp is the steps until the rates are whole.
const warmUp = 10

// schedule is the share of the rates at a step of some: it rises for a few steps, then falls
// as half a cosine to 0.
func schedule(step, steps int) float64 {
	share := (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
	return share * min(float64(step+1)/warmUp, 1)
}
