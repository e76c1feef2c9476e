package pass

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Level is how widths are chosen: the -O flag.
type Level string

// The levels of -O.
const (
	Int8      Level = "int8"      // 8 bits everywhere
	Universal Level = "universal" // one width everywhere
	Robust    Level = "robust"    // Qed's choice
)

// Levels lists the levels of -O.
var Levels = []string{string(Int8), string(Universal), string(Robust)}

// Budget bounds a search. At most one of its fields is set; Keep is the
// default.
type Budget struct {
	Bits  float64 // average bits a weight
	Bytes int     // packed weights and their per-channel constants
	Ratio float64 // of the float32 weights' bytes to Bytes
	Keep  float64 // retention of robust accuracy on the calibration set
}

// Env is what passes may know beside the module: the options of the run, the
// data, the target. A pass reads it and fills in its report, and nothing else.
type Env struct {
	Target   *target.Target
	Level    Level
	Budget   Budget
	Rounding string             // "nearest", "compensated" or "" for the best measured
	Fix      map[string]ir.Elem // layers whose format the user pins
	Formats  []ir.Elem          // what a search may choose from; its default when empty
	Seed     uint64
	Errors   []disturb.Condition // what the search disturbs images with

	// Calibration returns the images that ranges and the search may see.
	Calibration func() (data.Batch, error)
	// Holdout returns images that the search may see and that nothing is
	// calibrated or rounded on: what is kept is judged by them. Nil where there
	// are none; then the calibration images must do.
	Holdout func() (data.Batch, error)
	// Gradient is the float network's, for guided errors; nil when none is.
	Gradient disturb.Gradient
	// Low and High are the bounds of the input's reals, to which disturbed
	// images are clamped.
	Low, High float32

	samples data.Batch

	// Progress is told of long work: done of total, in the unit of what.
	Progress func(what string, done, total int)

	Search SearchReport // filled in by the robust pass
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
	Evaluations int     // networks run over the calibration set, in part or whole
	MACs        int64   // multiply-adds of these evaluations
	KL          float64 // joint, of the chosen network on disturbed calibration images
	Finalists   []Finalist
	Table       []LayerCosts
}

// LayerCosts is a row of the cost table: KL by format for one layer.
type LayerCosts struct {
	Name  string
	Elems []ir.Elem
	KL    []float64
	MSE   []float64 // mean squared error of the logits
	Flips []float64 // share of answers that change
}

// Finalist is a candidate that was rounded as a whole and measured jointly.
type Finalist struct {
	Origin string
	Elems  []ir.Elem
	Bytes  int
	KL     float64
	Chosen bool
}
