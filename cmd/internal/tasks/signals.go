package tasks

import (
	"math"
	"math/rand/v2"

	"github.com/dnnc/dnnc/ir"
)

// wave adds a sine to a signal: periods in its whole length, its phase as a share of one.
func wave(x []float64, periods, phase, height float64) {
	for i := range x {
		x[i] += height * math.Sin(2*math.Pi*(periods*float64(i)/float64(len(x))+phase))
	}
}

// noise adds normal noise.
func noise(rng *rand.Rand, x []float64, deviation float64) {
	for i := range x {
		x[i] += deviation * rng.NormFloat64()
	}
}

// bump adds a bell around a place; width is its deviation.
func bump(x []float64, at, width, height float64) {
	for i := range x {
		d := (float64(i) - at) / width
		x[i] += height * math.Exp(-d*d/2)
	}
}

// strikes adds blows about every period samples, which ring with so many periods a sample and die away.
func strikes(rng *rand.Rand, x []float64, period, ring, height float64) {
	for at := between(rng, -20, 0); at < float64(len(x)); at += period * between(rng, .95, 1.05) {
		own := height * between(rng, .85, 1.15)
		for i := max(0, int(math.Ceil(at))); i < len(x); i++ {
			d := float64(i) - at
			x[i] += own * math.Exp(-d/5) * math.Sin(2*math.Pi*ring*d)
		}
	}
}

// within is a signal within the range of its input.
func within(x []float64, low, high float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(min(max(v, low), high))
	}
	return out
}

// between is a number of an interval.
func between(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

// signalErrors are what the examples of signals should withstand.
const signalErrors = "gaussian=0.02,0.04,0.08"

// oneOf is the best answer for a class: logits.
func oneOf(classes, class int) []float32 {
	out := make([]float32, classes)
	out[class] = sure
	return out
}

// sure is the logit of what is certain, drawn to in training: a share of .998 among others
// of logit 0.
const sure = 6

// yesOrNo is the best answer for yes or no: a logit.
func yesOrNo(isYes bool) float32 {
	if isYes {
		return sure
	}
	return -sure
}

// truth is a label of yes or no.
func truth(isYes bool) float32 {
	if isYes {
		return 1
	}
	return 0
}

// wear tells the remaining life of a bearing from its vibration: as it wears, balls strike
// a growing fault.
var wear = Example{
	Name: "wear", Doc: "remaining life of a bearing, as a share, from its vibration", Errors: signalErrors,
	steps: 2500, rate: 4e-3,
	layers: func(b *builder) []output {
		x := b.signal("vibration", 1, 128)
		y := b.heard("conv1", x, 10, 9, 2)
		y = b.heard("conv2", y, 16, 5, 2)
		y = b.heard("conv3", y, 24, 5, 2)
		y = b.relu(b.linear("fc1", b.Add(ir.GlobalAvgPool, "mean", []*ir.Value{y}), 16))
		return only(b.linear("life", y, 1), ir.Values)
	},
	item: func(rng *rand.Rand, _ Set) item {
		worn := rng.Float64()
		x := make([]float64, 128)
		wave(x, between(rng, 3, 6), rng.Float64(), between(rng, .15, .3))
		strikes(rng, x, between(rng, 14, 26), between(rng, .3, .4), .08+.6*worn)
		noise(rng, x, between(rng, .02, .1))
		life := []float32{float32(1 - worn)}
		return item{within(x, -1, 1), life, [][]float32{life}}
	},
}

// pump tells an abnormal current by what an autoencoder cannot repeat.
var pump = Example{
	Name: "pump", Doc: "the current of a pump again, whose faults it cannot repeat", Errors: signalErrors,
	Unusual: "drift=0.02,0.05;gain=0.05,0.2;dropout=0.02,0.05",
	steps:   3000, rate: 3e-3,
	layers: func(b *builder) []output {
		x := b.signal("current", 1, 64)
		y := b.relu(b.linear("fc1", b.flat(x), 32))
		y = b.relu(b.linear("fc2", y, 10))
		y = b.relu(b.linear("fc3", y, 32))
		y = b.linear("fc4", y, 64)
		return only(b.Add(ir.Reshape, "again", []*ir.Value{y}, ir.AttrShape.Is([]int{1, 1, 64})), ir.Reconstruction)
	},
	item: func(rng *rand.Rand, s Set) item {
		x := make([]float64, 64)
		turn, load := rng.Float64(), between(rng, .3, .6)
		wave(x, 2, turn, load)
		wave(x, 6, 3*turn+.1, .35*load)
		noise(rng, x, .02)
		isFault := s != Train && rng.IntN(2) == 1 // what is trained on is normal
		if isFault {
			switch rng.IntN(3) {
			case 0: // of a winding: another harmonic
				wave(x, 4, rng.Float64(), between(rng, .04, .15))
			case 1: // cavitation: noise
				noise(rng, x, between(rng, .03, .08))
			case 2: // a blow
				bump(x, between(rng, 6, 58), 1.5, between(rng, .15, .4))
			}
		}
		own := within(x, -1, 1)
		return item{own, own, [][]float32{{truth(isFault)}}}
	},
}

// bearing tells a fault by what it cannot repeat of a vibration: frames of 16 samples, each from
// itself and those before it, so that with -stream it answers each frame as it comes.
var bearing = Example{
	Name: "bearing", Doc: "the vibration of a bearing again, frame by frame, whose faults it cannot repeat", Errors: signalErrors,
	steps: 3000, rate: 3e-3,
	layers: func(b *builder) []output {
		y := b.Input("vibration", ir.Shape{frameSamples, 1, bearingFrames}, ir.Range{Lo: -1, Hi: 1})
		y = b.relu(b.sinceBefore("conv1", y, 24, 3))
		y = b.relu(b.sinceBefore("conv2", y, 6, 1))
		y = b.relu(b.sinceBefore("conv3", y, 24, 3))
		return only(b.sinceBefore("again", y, frameSamples, 1), ir.Reconstruction)
	},
	item: func(rng *rand.Rand, s Set) item {
		x := make([]float64, frameSamples*bearingFrames)
		turns, phase := between(rng, 5.5, 6.5), rng.Float64()
		wave(x, turns, phase, between(rng, .25, .45))
		wave(x, 2*turns, 2*phase+.2, between(rng, .05, .15))
		noise(rng, x, .02)
		isFault := s != Train && rng.IntN(2) == 1 // what is trained on is normal
		if isFault {
			if rng.IntN(2) == 0 { // balls strike a damaged ring
				strikes(rng, x, between(rng, 18, 30), between(rng, .3, .4), between(rng, .1, .4))
			} else { // the shaft rubs: half a turn, and its third
				wave(x, turns/2, rng.Float64(), between(rng, .05, .2))
				wave(x, 1.5*turns, rng.Float64(), between(rng, .05, .15))
			}
		}
		// A frame is a column: its samples are channels.
		frames := make([]float64, len(x))
		for i, v := range x {
			frames[i%frameSamples*bearingFrames+i/frameSamples] = v
		}
		own := within(frames, -1, 1)
		return item{own, own, [][]float32{{truth(isFault)}}}
	},
}

// A frame of bearing, and those of an item.
const frameSamples, bearingFrames = 16, 12

// keyword tells words of two tones.
var keyword = Example{
	Name: "keyword", Doc: "one of five words of two tones, or none of them, from its sound", Errors: signalErrors,
	Unusual: "drift=0.1,0.2;gain=0.2,0.5;dropout=0.05,0.15",
	steps:   3000, rate: 3e-3,
	layers: func(b *builder) []output {
		x := b.signal("sound", 1, 256)
		y := b.heard("conv1", x, 16, 15, 4)
		y = b.heard("conv2", y, 20, 7, 2)
		y = b.pool(b.heard("conv3", y, 20, 5, 2), 1, 2)
		y = b.relu(b.linear("fc1", b.flat(y), 24))
		return only(b.linear("word", y, 6), ir.Classes)
	},
	item: func(rng *rand.Rand, _ Set) item {
		x := make([]float64, 256)
		words := [][2]float64{{10, 10}, {10, 14}, {14, 10}, {14, 20}, {20, 14}} // periods in 128 samples
		word := rng.IntN(6)
		first := between(rng, 4, 60)
		loud := between(rng, .1, .6)
		tone := func(from, length, periods float64) {
			periods *= between(rng, .95, 1.05)
			phase := rng.Float64()
			for i := range x {
				if d := (float64(i) - from) / length; d > 0 && d < 1 {
					x[i] += loud * math.Sin(math.Pi*d) * math.Sin(2*math.Pi*(periods*float64(i)/128+phase))
				}
			}
		}
		if word < 5 {
			for _, periods := range words[word] {
				length := between(rng, 70, 90)
				tone(first, length, periods)
				first += length
			}
		} else if rng.IntN(2) == 1 { // a tone alone
			tone(first, between(rng, 70, 90), []float64{10, 14, 20}[rng.IntN(3)])
		}
		noise(rng, x, between(rng, .03, .2))
		return item{within(x, -1, 1), oneOf(6, word), [][]float32{{float32(word)}}}
	},
}

// spoken tells words of two vowels from samples: the network computes their spectra itself.
var spoken = Example{
	Name: "spoken", Doc: "one of five words of two vowels, or none of them, from samples of 16 kHz", Errors: signalErrors,
	Unusual: "drift=0.1,0.2;gain=0.2,0.5;dropout=0.05,0.15",
	steps:   700, rate: 4e-3,
	layers: func(b *builder) []output {
		x := b.Input("sound", ir.Shape{1, 3200}, ir.Range{Lo: -1, Hi: 1})
		y := b.Add(ir.LogMel, "features", []*ir.Value{x}, ir.AttrFrame.Is(400), ir.AttrHop.Is(200), ir.AttrRate.Is(16000), ir.AttrBands.Is(20), ir.AttrLow.Is(100), ir.AttrEps.Is(.01))
		y = b.pool(b.seen("conv1", y, 8), 2, 2)
		y = b.pool(b.seen("conv2", y, 12), 2, 2)
		return only(b.linear("word", b.flat(y), 6), ir.Classes)
	},
	item: func(rng *rand.Rand, _ Set) item {
		const rate = 16000
		x := make([]float64, 3200)
		vowels := [][2]float64{{750, 1250}, {300, 2300}, {320, 800}} // formants in Hz: a, i, u
		words := [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 1}, {1, 2}}
		word := rng.IntN(6)
		first, loud, pitch := between(rng, 50, 400), between(rng, .2, .8), between(rng, 90, 220)
		// A voice: pulses that ring at the formants.
		vowel := func(from, length float64, formants [2]float64) {
			own := make([]float64, int(length))
			for _, hz := range formants {
				angle, keeps := 2*math.Pi*hz*between(rng, .95, 1.05)/rate, .98
				last, before, next := 0., 0., 0.
				for i := range own {
					pulse := 0.
					if float64(i) >= next {
						pulse, next = 1, next+rate/pitch*between(rng, .98, 1.02)
					}
					ring := pulse + float64(2*keeps*math.Cos(angle)*last) - float64(keeps*keeps*before)
					last, before = ring, last
					own[i] += float64(ring * math.Sin(angle))
				}
			}
			for i, v := range own {
				x[int(from)+i] += float64(loud / 2 * v * math.Sin(math.Pi*float64(i)/length))
			}
		}
		length := between(rng, 1100, 1350)
		if word < 5 {
			for k, v := range words[word] {
				vowel(first+float64(k)*length, length, vowels[v])
			}
		} else if rng.IntN(2) == 1 { // a vowel alone
			vowel(first, length, vowels[rng.IntN(3)])
		}
		noise(rng, x, between(rng, .005, .08))
		return item{within(x, -1, 1), oneOf(6, word), [][]float32{{float32(word)}}}
	},
}

// beat tells from an electrocardiogram whether the heart recovers too slowly: whether the time
// from a beat to its T wave, by the square root of the time between beats, is above a limit.
// Half of the hearts lie within a sample of the limit, so that small errors of an answer count.
var beat = Example{
	Name: "beat", Doc: "is the time from heart beats to their T waves too long for the rate of the beats", Errors: signalErrors,
	steps: 4000, rate: 3e-3,
	layers: func(b *builder) []output {
		x := b.signal("ecg", 1, 128)
		y := b.heard("conv1", x, 3, 9, 2)
		y = b.heard("conv2", y, 6, 7, 2)
		y = b.heard("conv3", y, 8, 5, 1)
		y = b.heard("conv4", y, 16, 5, 2)
		y = b.relu(b.linear("fc1", b.flat(y), 28))
		y = b.relu(b.linear("fc2", y, 3))
		return only(b.linear("long", y, 1), ir.Binary)
	},
	item: func(rng *rand.Rand, _ Set) item {
		x := make([]float64, 128)
		const usual, limit = 40.0, 13.0 // samples between beats, and from a beat of that rate to its T wave
		period, at := between(rng, 34, 46), between(rng, 10, 20)
		height, corrected := between(rng, .45, .75), limit*between(rng, .85, 1.15)
		for at < 128+usual {
			bump(x, at-9, 2, .18*height)
			bump(x, at, between(rng, 1.1, 1.8), height)
			bump(x, at+3, 1, -.25*height)
			bump(x, at+corrected*math.Sqrt(period/usual), 3, .4*height)
			at += period * between(rng, .98, 1.02)
		}
		wave(x, between(rng, .3, 1.2), rng.Float64(), .08)
		noise(rng, x, between(rng, .01, .03))
		isLong := corrected > limit
		return item{within(x, -1, 1), []float32{yesOrNo(isLong)}, [][]float32{{truth(isLong)}}}
	},
}

// machine has two inputs and two results.
var machine = Example{
	Name: "machine", Doc: "what a machine does and its torque, from three accelerations and four readings", Errors: signalErrors,
	steps: 2500, rate: 3e-3,
	layers: func(b *builder) []output {
		x := b.signal("accel", 3, 64)
		plant := b.Input("plant", ir.Shape{4}, ir.Range{Lo: 0, Hi: 1})
		y := b.heard("conv1", x, 12, 7, 2)
		y = b.pool(b.heard("conv2", y, 16, 5, 2), 1, 2)
		y = b.relu(b.linear("fc1", b.flat(y), 24))
		p := b.relu(b.linear("fc2", plant, 8))
		y = b.relu(b.linear("fc3", b.concat("both", y, p), 24))
		return []output{
			{b.linear("state", y, 4), ir.Task{Name: ir.Classes, Axis: ir.NoAxis}},
			{b.linear("torque", y, 1), ir.Task{Name: ir.Values, Axis: ir.NoAxis, Weight: .5}},
		}
	},
	item: func(rng *rand.Rand, _ Set) item {
		state, speed, load, warm := rng.IntN(4), rng.Float64(), rng.Float64(), rng.Float64()
		var x []float64
		phase, hiss := rng.Float64(), between(rng, .03, .15)
		for axis := range 3 {
			own := make([]float64, 64)
			turn := 3 + 5*speed
			wave(own, turn, phase+.25*float64(axis), []float64{.25, .2, .1}[axis])
			switch {
			case state == 1 && axis < 2: // unbalanced
				wave(own, turn, phase+.25*float64(axis), .2)
			case state == 2: // chatter
				wave(own, 2.7*turn, rng.Float64(), .12+.1*load)
			case state == 3 && axis == 2: // loose
				wave(own, turn/2, rng.Float64(), .25)
			}
			noise(rng, own, hiss)
			x = append(x, own...)
		}
		torque := float32(.15 + .6*load - .25*speed + .15*float64(min(state, 1)) + .1*load*warm)
		plant := []float64{speed, load, warm, rng.Float64()}
		noise(rng, plant, .01)
		return item{
			append(within(x, -1, 1), within(plant, 0, 1)...), append(oneOf(4, state), torque),
			[][]float32{{float32(state)}, {torque}},
		}
	},
}
