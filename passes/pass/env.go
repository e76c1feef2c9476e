package pass

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Level is how widths are chosen: the -O flag.
type Level string

// The levels of -O.
const (
	Int8      Level = "int8"      // 8 bits everywhere
	Universal Level = "universal" // one width everywhere
	Compress  Level = "compress"  // Deep Compression: pruned, shared weights
	Robust    Level = "robust"    // a search for robustness
)

// Levels lists the levels of -O.
var Levels = []string{string(Int8), string(Universal), string(Compress), string(Robust)}

// LeastHop is the value of Stream for as few frames as strides allow.
const LeastHop = -1

// Objectives are what a search makes least: the divergence from the float
// network, mean over all kinds of error, or that of the worst kind.
const (
	Mean  = "mean"
	Worst = "worst"
)

// How the range of an activation comes from its values: the least and greatest;
// without a few at either end; or the range in which 8 bits have the least mean
// squared error.
const (
	MinMax     = "min-max"
	Percentile = "percentile"
	LeastError = "least-error"
)

// Ranges lists those values of -activations that say how ranges are calibrated, the default first.
var Ranges = []string{MinMax, Percentile, LeastError}

// The bits of activations: 8; 16 of every value that has a form of them; or 16 of the values that make
// the results nearer to the float network's, within the arena.
const (
	EightBits   = "8"
	SixteenBits = "16"
	AutoBits    = "auto"
)

// ActivationBits lists those values of -activations that say the bits, the default first.
var ActivationBits = []string{EightBits, SixteenBits, AutoBits}

// Activations reads a value of -activations: one of Ranges, one of ActivationBits, or one of each with a
// comma between them. ok is false of another.
func Activations(s string) (ranges, bits string, ok bool) {
	ranges, bits = MinMax, EightBits
	for i, w := range strings.Split(s, ",") {
		switch {
		case i > 1, s == "":
			return ranges, bits, s == ""
		case slices.Contains(Ranges, w) && ranges == MinMax:
			ranges = w
		case slices.Contains(ActivationBits, w) && bits == EightBits:
			bits = w
		default:
			return ranges, bits, false
		}
	}
	return ranges, bits, true
}

// Budget bounds a search. At most one of Bits, Bytes and Ratio is set; Keep is
// the default. RAM is a further bound.
type Budget struct {
	Bits  float64 // average bits a weight
	Bytes int     // packed weights and their per-channel constants
	Ratio float64 // of the float32 weights' bytes to Bytes
	Keep  float64 // retention of robust accuracy on held-out images
	// Promised says that Keep must be shown on images that nothing else sees, or nothing is
	// built; else Keep is aimed at.
	Promised bool
	RAM      int // bytes of the arena
	// Cycles bounds what the layers with weights take by the target's estimate
	// (machine.Cycles); CyclesOfInt8 says it as a share of what they take in int8.
	Cycles, CyclesOfInt8 float64
	// FreeCycles and FreeRAM lift the default limits of a search: what int8 takes.
	FreeCycles, FreeRAM bool
	Given               bool // a budget was given in the build that is repeated with its formats
}

// LimitsCycles and LimitsRAM report whether the default limit of a search holds: the
// user has neither given a bound nor lifted it.
func (b Budget) LimitsCycles() bool { return b.Cycles == 0 && b.CyclesOfInt8 == 0 && !b.FreeCycles }
func (b Budget) LimitsRAM() bool    { return b.RAM == 0 && !b.FreeRAM }

// IsSize reports whether the budget bounds the bytes of the weights.
func (b Budget) IsSize() bool { return b.Bits > 0 || b.Bytes > 0 || b.Ratio > 0 }

// IsGiven reports a budget of the user's, which comes before the default limits.
func (b Budget) IsGiven() bool { return b.IsSize() || b.Promised || b.Given }

// Env is what passes may know beside the module: the options of the run, the
// data, the target. A pass reads it and fills in its report, and nothing else.
type Env struct {
	Target *processor.Target
	Level  Level
	Small  bool // -O size: loops rather than unrolled code
	// Threads is how many threads of the caller may compute an operation in parts; 0 and 1 are one.
	Threads int
	// LeastPart is the cycles of a part that are worth a thread; 0 is the default.
	LeastPart float64
	// Stream is the frames that a run of a network over time takes, LeastHop for as few as its
	// strides allow; 0 runs it whole.
	Stream    int
	Rows      bool   // the caller gives the input, an image, row by row
	Search    string // the method of -O robust; Qed when empty
	Objective string // Mean when empty
	Budget    Budget
	Rounding  string             // "nearest", "compensated" or "" for the best measured
	Ranges    string             // of activations; MinMax when empty
	Bits      string             // of activations; EightBits when empty
	Fix       map[string]ir.Elem // layers whose format the user pins
	Formats   []ir.Elem          // what a search may choose from; its default when empty
	MinBits   float64            // least and greatest bits a code of these formats;
	MaxBits   float64            // 0 is no bound
	Seed      uint64
	Errors    []disturb.Condition // what the search disturbs images with
	// Stop reports that the search should end with the best that it has: its time
	// is over, or the user is impatient. Nil is never.
	Stop func() bool
	// Enough reports that the user wants what there is; then nothing more is measured that
	// the choice does not need. Nil is never.
	Enough func() bool
	// Patient is set when the search has a time of its own: effort is no reason to
	// end it.
	Patient bool
	// Effort is the multiply-adds after which an anytime search ends as Stop would
	// end it, but on every machine alike; 0 is no bound.
	Effort int64
	// MaxMemory bounds the bytes of activations that a search keeps; what does not
	// fit is computed again. 0 is a default.
	MaxMemory int
	// Checkpoint is a file that keeps what a search has measured, "" for none.
	Checkpoint string
	// Store keeps what a search measures, and shares it with others that search alike; nil for none.
	Store cells.Store
	// Rounder is what a search has rounded, of the package quant, which takes the choice from it; nil before a search.
	Rounder any
	// Tune is how the quantized network is tuned.
	Tune Tune
	// Float returns the calibrated network that the module was quantized from; nil where there
	// is none.
	Float func() *ir.Module

	// Calibration returns the images that ranges and the search may see.
	Calibration func() (data.Batch, error)
	// Holdout returns images that the search may see and that nothing is
	// calibrated or rounded on: what is kept is judged by them. Nil where there
	// are none; then the calibration images must do.
	Holdout func() (data.Batch, error)
	// Lessons returns the images of Calibration and others that serve for nothing else, as they
	// are: what a network is tuned on. May be nil, which is Calibration's.
	Lessons func() (data.Batch, error)
	// Unseen returns images that neither rounding nor search sees: what is kept by the
	// choice of a search for it is tested on them. Nil where there are none.
	Unseen func() (data.Batch, error)
	// Copies counts the images of the set that were left out, as they are copies of others.
	Copies func() (int, error)
	// Uniform is a calibrated network with all layers that take a format in it, rounded to
	// nearest, planned for the target as -O int8 plans it. What int8 takes is the default limit
	// of a search. Nil: there is none.
	Uniform func(ctx context.Context, m *ir.Module, e ir.Elem) (*ir.Module, error)
	// Count is what a network takes on the target, counted without an emulator: Reference, or
	// one of integers, planned as it would ship. It fails where nothing counts instructions. Nil:
	// there is no limit that asks for it.
	Count func(ctx context.Context, m *ir.Module) (Taken, error)
	// Plan plans a calibrated network for the target, with weights of 8 bits and 16 bits for the values that
	// are marked: the bytes of its arena within the budget, and the estimated cycles of its layers. Nil:
	// there is no bound on the arena.
	Plan func(ctx context.Context, m *ir.Module) (arena int, cycles float64, err error)
	// Gradient is the float network's, for guided errors; nil when none is.
	Gradient disturb.Gradient
	// Task is what the network's results mean, by which a search judges it; one label an
	// item when empty.
	Task           measure.Task
	samples, judge data.Batch

	// Progress is told of long work: done of total, in the unit of what.
	Progress func(what string, done, total int)

	Wasted    []Waste      // filled in by calibrate
	Widened   *Widened     // filled in by widen; nil unless Bits is AutoBits
	Report    SearchReport // filled in by the robust pass
	Tuned     *Tuned       // filled in by tune; nil where nothing asked for it
	Reference *ir.Module   // the network in int8, as the robust pass had it from Uniform; nil of none
}

// Waste is an activation that uses few of its 256 levels.
type Waste struct {
	Name   string // of the value
	Levels int    // that hold 99.9 % of its elements
	Cause  string // a sentence without a full stop
}

func (w Waste) String() string {
	return fmt.Sprintf("%s: %d of 256 levels hold 99.9 %% of its elements: %s", w.Name, w.Levels, w.Cause)
}

// defaultMemory is what a search may keep unless it is told.
const defaultMemory = 4 << 30

// Judging is the task that a network with so many elements in its answer is judged by.
func (e *Env) Judging(answer int) measure.Task {
	if len(e.Task.Results) == 0 {
		return measure.OneLabel(answer)
	}
	return e.Task
}

// Memory is the bytes of activations that a search may keep.
func (e *Env) Memory() int {
	if e.MaxMemory > 0 {
		return e.MaxMemory
	}
	return defaultMemory
}

// Layer is a layer's line in the report of a search.
type Layer struct {
	Name  string
	Elem  ir.Elem
	Cost  float64 // mean KL divergence of the network with this layer alone rounded
	Bytes int     // packed weights
}

// SearchReport is what the search did.
type SearchReport struct {
	Method      string
	Layers      []Layer
	Evaluations int     // networks run over held-out images, in part or whole
	MACs        int64   // multiply-adds of these evaluations
	KL          float64 // joint, of the chosen network on disturbed held-out images
	Finalists   []Finalist
	Table       []LayerCosts
	Left        []string // elements of results that the divergence leaves out: they hardly move
	Kept        *Kept    // by a search for a share; nil of others, and where no images were left
	Counted     *Counted // what the chosen network takes, and int8; nil where nothing counted it
}

// Counted is what the network takes that a search chose, and the same network in int8.
type Counted struct{ Own, Int8 Taken }

// Taken is what a network takes on its target: the instructions of a run, and the bytes of its
// object's code and constants.
type Taken struct{ Instructions, Flash int }

// Within reports whether a network takes at most what another takes.
func (t Taken) Within(other Taken) bool {
	return t.Instructions <= other.Instructions && t.Flash <= other.Flash
}

// Kept is what images that nothing else saw say of the choice of a search for a share of
// the robust accuracy.
type Kept struct {
	Share    float64
	Promised bool               // else it was aimed at,
	IsBelow  bool               // and no network that was measured has it
	Bound    measure.Bound      // of the choice; without items where nothing was measured
	Tested   []Tested           // candidates of a promise, from the largest down
	Float    []measure.Estimate // the float network's measure on these images, of each result
	Below    []measure.Below    // where it is worse than a constant there

	Fitted, Chosen, Judged int  // images that calibrated, that the search saw, and these
	IsOneSet               bool // those that calibrated are those that the search saw
	Copies                 int  // images of the set that are copies of others, and left out
}

// Tested is a candidate that was tested.
type Tested struct {
	Origin string
	Bytes  int
	Bound  measure.Bound
	Passed bool
}

// Counts says by which images the network was fitted, chosen and judged.
func (k *Kept) Counts() string {
	left := ""
	if k.Copies > 0 {
		left = fmt.Sprintf("; %d more are copies of others and were left out", k.Copies)
	}
	if k.IsOneSet {
		return fmt.Sprintf("fitted on and chosen by the same %d, judged by %d other images", k.Fitted, k.Judged) + left
	}
	return fmt.Sprintf("fitted on %d, chosen by %d, judged by %d images, none of them in two of these", k.Fitted, k.Chosen, k.Judged) + left
}

// LayerCosts is a row of the cost table: divergence by format for one layer.
type LayerCosts struct {
	Name     string
	Elems    []ir.Elem
	Measured []bool // else estimated
	KL       []float64
	MSE      []float64 // mean squared error of the logits
	Flips    []float64 // share of answers that change
}

// Finalist is a candidate that was rounded as a whole and measured jointly.
type Finalist struct {
	Origin string
	Elems  []ir.Elem
	Bytes  int
	KL     float64 // or another divergence, by the task
	Nats   float64 // KL divergence in nats, where KL is a relative divergence
	Worst  float64 // KL under the worst kind of error
	Chosen bool
}
