// Package certificate is the record of a build, net.json: what was compiled
// from what, which formats its layers have, and how right it stays under
// errors. It holds nothing that differs between two equal builds: no time, no
// path, no machine.
package certificate

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/seal"
)

// Schema is the JSON schema of a certificate.
//
//go:embed schema.json
var Schema []byte

// Version is the version of the schema.
const Version = 1

// Certificate is one build.
type Certificate struct {
	Version     int             `json:"version"`
	Content     string          `json:"content"` // sha256 of the planned module, prefix and LLVM; header and object carry it too
	Network     string          `json:"network"`
	Target      string          `json:"target"`
	LLVM        string          `json:"llvm,omitempty"`
	Optimize    string          `json:"optimize"`
	Search      Search          `json:"search"`
	Seed        uint64          `json:"seed"`
	Errors      []string        `json:"errors"`
	Inputs      []Input         `json:"inputs"`
	Measured    Measured        `json:"measured"`
	Float       *Score          `json:"float,omitempty"`
	Quantized   *Score          `json:"quantized,omitempty"`
	Retention   *float64        `json:"retention,omitempty"`
	RetentionSE *float64        `json:"retention_stderr,omitempty"`
	Results     []Result        `json:"results,omitempty"`
	WeightBytes int             `json:"weight_bytes"`
	OtherBytes  int             `json:"constant_bytes"` // biases, multipliers, shifts, tables
	AverageBits float64         `json:"average_bits"`
	ArenaBytes  int             `json:"arena_bytes"`
	Stream      *Stream         `json:"stream,omitempty"`  // of a network that runs frame by frame
	Rows        *Rows           `json:"rows,omitempty"`    // of an input that is never whole in memory
	Threads     *Threads        `json:"threads,omitempty"` // of a network that runs in parts
	CodeBytes   int             `json:"code_bytes,omitempty"`
	Cycles      float64         `json:"estimated_cycles,omitempty"` // of the layers with weights, of recurrences, spectrograms and frames that are kept; absent where one has no estimate
	StackBytes  int             `json:"stack_bytes,omitempty"`      // that the run function takes at most
	Activations *Activations    `json:"activations,omitempty"`      // absent unless their bits were chosen value by value
	Tuning      *Tuning         `json:"tuning,omitempty"`
	Layers      []Layer         `json:"layers"`
	NotMeasured []string        `json:"not_measured,omitempty"` // Nearness or Accuracy: what an interruption left out
	Fidelity    *Fidelity       `json:"fidelity,omitempty"`     // absent when nothing was measured
	Warnings    []*diag.Warning `json:"warnings,omitempty"`
	Proof       *Proof          `json:"proof,omitempty"` // what dnnc certify proved of the output
	Recipe      *Recipe         `json:"recipe,omitempty"`
	Outputs     []Output        `json:"outputs,omitempty"`
	Sum         string          `json:"sum,omitempty"` // see runtime/seal
}

// Output is a file of the build, beside the certificate.
type Output struct {
	Kind   string `json:"kind"` // as -emit names it, Header or Weights
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// The kinds of output that lie beside the others.
const (
	Header  = "header"
	Weights = "weights"
)

// Output is the output of a kind; nil of none.
func (c *Certificate) Output(kind string) *Output {
	for i := range c.Outputs {
		if c.Outputs[i].Kind == kind {
			return &c.Outputs[i]
		}
	}
	return nil
}

// Proof is what was proved of the integers on given images, for every size or place of errors:
// the summary of a document of runtime/proof.
type Proof struct {
	Statement string   `json:"statement"`
	Integers  string   `json:"integers"` // the content that the proof has, of integers alone
	SHA256    string   `json:"sha256"`   // of the document
	Right     string   `json:"right"`    // what makes an answer right
	Data      []Input  `json:"data"`
	Images    int      `json:"images"`
	Proved    []Proved `json:"proved"`
}

// Proved is of one error: one that moves along its sizes, or one that has places.
type Proved struct {
	Error string `json:"error"`
	// Sizes and Shares are, of an error of sizes, the shares of the images that are right at every size up to each.
	Sizes  []float64 `json:"sizes,omitempty"`
	Shares []float64 `json:"shares"` // of an error of places one: the share that is right at every place
	// Range is the mean over the images of the size up to which the answer stays right; nil of places.
	Range *float64 `json:"mean_range,omitempty"`
	// Missed is the images of which a measurement at 20 sizes says more than is true.
	Missed int `json:"sampling_misses,omitempty"`
}

// Fault is why a proof has no figures of images; "" of one that has.
func (p *Proof) Fault() string {
	if p.Images < 1 {
		return fmt.Sprintf("it is of %d images", p.Images)
	}
	isShare := func(x float64) bool { return x >= 0 && x <= 1 }
	for _, x := range p.Proved {
		if n := max(1, len(x.Sizes)); len(x.Shares) != n {
			return fmt.Sprintf("of %s it has %d shares of %d", x.Error, len(x.Shares), n)
		}
		for _, share := range x.Shares {
			if !isShare(share) {
				return fmt.Sprintf("of %s it has a share of %g", x.Error, share)
			}
		}
		if x.Range != nil && !isShare(*x.Range) {
			return fmt.Sprintf("of %s it has a mean range of %g", x.Error, *x.Range)
		}
		if x.Missed < 0 || x.Missed > p.Images {
			return fmt.Sprintf("of %s it has %d misses of %d", x.Error, x.Missed, p.Images)
		}
	}
	return ""
}

// Recipe is what the build takes beside the formats of the layers, to be done again.
// Paths are relative to the certificate's folder.
type Recipe struct {
	Source       string           `json:"source"`
	Calibration  string           `json:"calibration,omitempty"`
	Data         string           `json:"data,omitempty"` // images to report on, and to verify with
	Level        string           `json:"level"`
	Small        bool             `json:"small,omitempty"`
	Threads      int              `json:"threads,omitempty"`
	Stream       int              `json:"stream,omitempty"` // frames a run, -1 for as few as strides allow
	Rows         bool             `json:"rows,omitempty"`   // the caller gives the input row by row
	CPU          string           `json:"mcpu,omitempty"`
	Attr         string           `json:"mattr,omitempty"`
	Rounding     string           `json:"rounding,omitempty"`
	Activations  string           `json:"activations,omitempty"`
	Tune         string           `json:"tune,omitempty"`       // multiply-adds; absent where nothing was tuned
	TuneSteps    int              `json:"tune_steps,omitempty"` // after which tuning was stopped
	Augment      string           `json:"augment,omitempty"`
	Task         string           `json:"task,omitempty"`
	Errors       string           `json:"errors"`
	Images       int              `json:"images,omitempty"`
	RAM          int              `json:"ram,omitempty"`
	RAMFree      bool             `json:"ram_free,omitempty"`     // no default limit
	Given        bool             `json:"budget_given,omitempty"` // which comes before default limits
	StartAfter   string           `json:"start_after,omitempty"`
	StopAfter    string           `json:"stop_after,omitempty"`
	Exact        bool             `json:"exact,omitempty"`
	Prefix       string           `json:"prefix,omitempty"`
	Hooks        bool             `json:"hooks,omitempty"`
	Lend         bool             `json:"lend,omitempty"`
	Section      string           `json:"section,omitempty"`
	AllowOutside bool             `json:"allow_outside,omitempty"`
	Shapes       map[string][]int `json:"shapes,omitempty"`  // of inputs, batch included
	Outputs      []string         `json:"outputs,omitempty"` // values of the model that the network returns
	Ranges       []InputRange     `json:"ranges,omitempty"`
	DataInputs   []string         `json:"data_inputs,omitempty"` // arrays or columns of data sets
	DataLabels   []string         `json:"data_labels,omitempty"`
	Resize       bool             `json:"resize,omitempty"`    // of pictures
	Signature    string           `json:"signature,omitempty"` // of a TensorFlow Lite model
	Kernels      string           `json:"kernels,omitempty"`   // whose integers it has
	Kinds        []InputKind      `json:"kinds,omitempty"`
}

// InputKind is what an input of a model holds, as the language writes it; the name is ""
// of an only input.
type InputKind struct {
	Input string `json:"input"`
	Holds string `json:"holds"`
}

// InputRange is the reals of an input of a model.
type InputRange struct {
	Input string  `json:"input"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Input is a file that was read.
type Input struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// What a build measures.
const (
	Nearness = "fidelity"
	Accuracy = "accuracy"
)

// Fidelity is how near the integers come to the float network on calibration images.
type Fidelity struct {
	Images  int    `json:"images"`
	Results []Near `json:"results"`
	WorstIn string `json:"worst_in,omitempty"` // the layer in which most is lost
	Layers  []Near `json:"layers"`
}

// Near is how near a value comes.
type Near struct {
	Name      string   `json:"name"`
	SQNR      *float64 `json:"sqnr_db,omitempty"`    // absent when it is equal, or not defined
	Spread    *float64 `json:"spread_db,omitempty"`  // of values: of the variance, not of the squares; absent where it is not defined
	Equal     bool     `json:"equal,omitempty"`      // to the last bit
	Agreement *float64 `json:"agreement,omitempty"`  // share of the images with the same answer; absent when there are no answers
	Narrow    string   `json:"eight_bits,omitempty"` // why a result of values has 8 bits and not 16
	Lost      float64  `json:"lost"`                 // share in all that is lost
}

// NewFidelity is the figures of a fidelity; nil of none.
func NewFidelity(f *measure.Fidelity) *Fidelity {
	if f == nil {
		return nil
	}
	out := &Fidelity{Images: f.Images, Results: []Near{}, Layers: []Near{}}
	if w := f.Worst(); w != nil {
		out.WorstIn = w.Name
	}
	// Sums and logarithms have more digits than they tell.
	near := func(list []measure.Near) (all []Near) {
		for _, n := range list {
			x := Near{Name: n.Name, Equal: n.Noise == 0, Narrow: n.Narrow, Lost: math.Round(1e4*n.Lost) / 1e4}
			figure := func(db float64, isMeant bool) *float64 {
				if !isMeant || x.Equal {
					return nil
				}
				db = measure.Decibels(db)
				return &db
			}
			x.SQNR = figure(n.SQNR())
			if n.IsValues {
				x.Spread = figure(n.Spread())
			}
			if n.Agree >= 0 {
				share := float64(n.Agree) / float64(f.Images)
				x.Agreement = &share
			}
			all = append(all, x)
		}
		return all
	}
	out.Results = append(out.Results, near(f.Results)...)
	out.Layers = append(out.Layers, near(f.Layers)...)
	return out
}

// Measured says on what Float and Quantized were measured.
type Measured struct {
	Task    string `json:"task,omitempty"` // what the results mean, and by what they are judged; absent when nothing was measured
	Measure string `json:"measure,omitempty"`
	Images  int    `json:"images"`
	Data    string `json:"data"`   // the file's name; "" of images of noise, or when nothing was measured
	Labels  string `json:"labels"` // GivenLabels, or the network whose answers they are; "" when nothing was measured
	// Unlabelled are the results without labels, where others have some.
	Unlabelled []string `json:"unlabelled,omitempty"`
	Items      string   `json:"items,omitempty"` // sha256 of the items, as they were read, and of their labels
}

// GivenLabels are those that came with the images.
const GivenLabels = "given"

// Result is how one result of the network does by its own task. Of several results each
// has its own; Float, Quantized and Retention of the certificate are of a single one.
type Result struct {
	Name      string  `json:"name"`
	Task      string  `json:"task"`
	Axis      *int    `json:"axis,omitempty"`
	Weight    float64 `json:"weight"`
	Measure   string  `json:"measure"`
	Float     *Score  `json:"float,omitempty"`
	Quantized *Score  `json:"quantized,omitempty"`
	// Kept is the share of what the float network is above the best constant answer.
	Kept   *float64 `json:"kept,omitempty"`
	KeptSE *float64 `json:"kept_stderr,omitempty"`
	// Paired is the parts that the items have in the error of Retention, in their order:
	// their standard error is its own, and that of the difference of two builds' parts is
	// of the difference of their retentions. float32, little-endian, in base64.
	Paired    string   `json:"paired,omitempty"`
	Retention *float64 `json:"retention,omitempty"` // that Paired is of
	Figures   []Figure `json:"figures,omitempty"`
}

// Figure is a measure under errors, the mean of the kinds, with its 95 % interval by a
// bootstrap that is paired by item; null where it is not defined.
type Figure struct {
	Name       string    `json:"name"`
	Float      *Interval `json:"float"`
	Quantized  *Interval `json:"quantized"`
	Difference *Interval `json:"difference"` // of quantized and float
}

// Interval is a figure and the ends of its interval; null where these are not defined.
type Interval struct {
	Value float64  `json:"value"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
}

func newInterval(x measure.Interval) *Interval {
	if math.IsNaN(x.Value) {
		return nil
	}
	return &Interval{x.Value, defined(x.Low), defined(x.High)}
}

// Score is a network's accuracy clean and under errors, or another measure of its task.
type Score struct {
	Clean  float64  `json:"clean"`
	Robust []Kind   `json:"robust"`
	Mean   float64  `json:"mean"`
	MeanSE *float64 `json:"mean_stderr"` // null of one image
	Worst  string   `json:"worst"`
}

// Kind is the accuracy under one kind of error, by size.
type Kind struct {
	Kind     string    `json:"kind"`
	Sizes    []float64 `json:"sizes"`
	Accuracy []float64 `json:"accuracy"`
	Mean     float64   `json:"mean"`
}

// Search is how the formats were found.
type Search struct {
	Method      string      `json:"method"`
	Evaluations int         `json:"evaluations"`
	MACs        int64       `json:"macs"`
	Candidates  []Candidate `json:"candidates,omitempty"`
	// Divergence is what the fields kl and cost are where they are no KL divergence in nats:
	// relative to that of the best constant answer. Left names elements that it leaves out.
	Divergence string   `json:"divergence,omitempty"`
	Left       []string `json:"left_out,omitempty"`
	Kept       *Kept    `json:"kept,omitempty"` // absent unless the search was for a share
}

// Kept is what held-out images that neither rounding nor search saw say of the choice of a
// search for a share of the robust accuracy. Figures are null where they are not defined.
type Kept struct {
	Share      float64  `json:"share"`
	Promised   bool     `json:"promised"` // by -keep: at_least is not below share; else it was aimed at
	Estimate   *float64 `json:"estimate"`
	StdErr     *float64 `json:"stderr"`
	AtLeast    *float64 `json:"at_least"` // one-sided, with the confidence
	Confidence float64  `json:"confidence"`
	FittedOn   int      `json:"fitted_on"` // images that calibrated and rounded
	ChosenBy   int      `json:"chosen_by"`
	JudgedBy   int      `json:"judged_by"`
	Tested     []Tested `json:"tested,omitempty"` // candidates of a promise, from the largest down
}

// Tested is a candidate that was tested on the images that judge.
type Tested struct {
	Origin   string   `json:"origin"`
	Bytes    int      `json:"bytes"`
	Estimate *float64 `json:"estimate"`
	AtLeast  *float64 `json:"at_least"`
	Passed   bool     `json:"passed"`
}

// Activations is the choice of -activations auto. Ratios of signal to noise are of the worst result, on
// calibration images, with weights of 8 bits.
type Activations struct {
	Wide    []string `json:"wide"`   // values of 16 bits that were chosen
	Of      int      `json:"of"`     // values that could have had them
	Images  int      `json:"images"` // that the ratios were measured on
	Enough  float64  `json:"enough_db"`
	Before  *float64 `json:"before_db,omitempty"` // with activations of 8 bits; absent where nothing is lost
	After   *float64 `json:"after_db,omitempty"`  // the same with the choice
	Arena8  int      `json:"arena_bytes_of_8,omitempty"`
	Arena   int      `json:"arena_bytes,omitempty"`
	Most    int      `json:"arena_bytes_at_most,omitempty"` // absent of no bound
	Stopped string   `json:"stopped,omitempty"`             // why, where that is not enough
}

func newActivations(w *pass.Widened) *Activations {
	if w == nil {
		return nil
	}
	db := func(x float64) *float64 {
		if math.IsInf(x, 0) {
			return nil
		}
		x = pass.Decibels(x)
		return &x
	}
	return &Activations{append([]string{}, w.Values...), w.Of, w.Images, w.Enough, db(w.Before), db(w.After), w.ArenaBefore, w.Arena, w.Most, w.Why}
}

// String says the choice in a line, as the build did, but for estimated cycles.
func (a *Activations) String() string {
	db := func(x *float64) float64 {
		if x == nil {
			return math.Inf(1)
		}
		return *x
	}
	w := pass.Widened{Values: a.Wide, Of: a.Of, Images: a.Images, Enough: a.Enough, Before: db(a.Before), After: db(a.After), ArenaBefore: a.Arena8, Arena: a.Arena, Most: a.Most, Why: a.Stopped}
	return w.String()
}

// Tuning is how gradients moved the quantized network towards the float network's answers.
type Tuning struct {
	Effort   string  `json:"effort"` // as -tune names it
	Steps    int     `json:"steps"`
	Images   int     `json:"images"`              // fitted images that the steps were of
	MACs     float64 `json:"macs"`                // multiply-adds, those of judging included
	Layers   int     `json:"layers"`              // that were tuned
	JudgedBy int     `json:"judged_by,omitempty"` // other disturbed images, on which
	Before   float64 `json:"before,omitempty"`    // the divergence was this
	After    float64 `json:"after,omitempty"`
	Stopped  bool    `json:"stopped,omitempty"`  // before its end
	Declined string  `json:"declined,omitempty"` // why the network is as it was
}

func newTuning(t *pass.Tuned) *Tuning {
	if t == nil {
		return nil
	}
	return &Tuning{t.Effort, t.Steps, t.Images, t.MACs, t.Layers, t.Judged, t.Before, t.After, t.IsStopped, t.Declined}
}

func newKept(k *pass.Kept) *Kept {
	if k == nil {
		return nil
	}
	out := &Kept{Share: k.Share, Promised: k.Promised, AtLeast: defined(k.Bound.Least), Confidence: measure.BoundConfidence, FittedOn: k.Fitted, ChosenBy: k.Chosen, JudgedBy: k.Judged}
	out.Estimate, out.StdErr = k.Bound.Figures()
	for _, t := range k.Tested {
		out.Tested = append(out.Tested, Tested{t.Origin, t.Bytes, defined(t.Bound.Value), defined(t.Bound.Least), t.Passed})
	}
	return out
}

// defined is a figure, nil where it is not defined.
func defined(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}

// RelativeDivergence is a divergence of which 1 is that of the best constant answer.
const RelativeDivergence = "relative to the best constant answer"

// Candidate is a network that was measured as a whole.
type Candidate struct {
	Origin  string   `json:"origin"`
	Formats []string `json:"formats"`
	Bytes   int      `json:"bytes"`
	KL      float64  `json:"kl"`
	Nats    float64  `json:"nats,omitempty"` // KL divergence of softmaxes and sigmoids, where KL is a relative divergence
	Chosen  bool     `json:"chosen"`
}

// Layer is a layer with weights.
type Layer struct {
	Name        string  `json:"name"`
	Format      string  `json:"format"`
	Bits        float64 `json:"bits"`
	Rounding    string  `json:"rounding"`
	Weights     int     `json:"weights"`
	WeightBytes int     `json:"weight_bytes"`
	Sparsity    float64 `json:"sparsity,omitempty"` // share of the weights that were pruned
	MACs        int     `json:"macs"`
	Cost        float64 `json:"cost"` // KL divergence of this layer alone; 0 when not measured

	Choices []Choice `json:"choices,omitempty"` // what a search weighed up
}

// Choice is a format that a layer could have had.
type Choice struct {
	Format      string  `json:"format"`
	WeightBytes int     `json:"weight_bytes"`
	Cost        float64 `json:"cost"`
	Measured    bool    `json:"measured"` // else estimated
}

// Stream is how a network over time runs, and what it keeps from run to run.
type Stream struct {
	Hop     int   `json:"hop"`     // frames of the input that a run takes
	Delays  []int `json:"delays"`  // frames by which each result comes late
	Warmups []int `json:"warmups"` // of each result, the runs after a reset that are not yet whole
	// Windows are, of each result, the frames of which alone it is after the warmup; nil where none is.
	Windows    []int `json:"windows,omitempty"`
	StateBytes int   `json:"state_bytes"`
}

// String says it in a line.
func (s *Stream) String() string {
	text := fmt.Sprintf("a run takes %d frames; %d bytes of the arena stay from run to run; delay %v, warmup %v", s.Hop, s.StateBytes, s.Delays, s.Warmups)
	if s.Windows != nil {
		text += fmt.Sprintf(", window %v", s.Windows)
	}
	return text
}

// Rows is how the caller gives an image that is never whole in memory.
type Rows struct {
	Rows     int `json:"rows"`
	RowBytes int `json:"row_bytes"`
}

// String says it in a line.
func (r *Rows) String() string {
	return fmt.Sprintf("the program gives the input by %d rows of %d bytes; the arena holds the rows that are needed at a time", r.Rows, r.RowBytes)
}

// Threads is how a network runs in parts that threads of the caller compute side by side.
type Threads struct {
	Threads int     `json:"threads"`
	Divided int     `json:"divided"`                  // operations that are computed in parts
	Longest float64 `json:"longest_cycles,omitempty"` // the estimate of the certificate with the longest part of each operation
}

// String says it in a line.
func (t *Threads) String() string {
	text := fmt.Sprintf("%d operations are computed in parts by up to %d threads", t.Divided, t.Threads)
	if t.Longest > 0 {
		text += fmt.Sprintf("; %.0f estimated cycles on the longest path", t.Longest)
	}
	return text
}

func newThreads(m *ir.Module, t *processor.Target) *Threads {
	if m.Threads == 0 {
		return nil
	}
	c := &Threads{Threads: m.Threads, Longest: sumCycles(m, t, families.Longest)}
	for _, n := range m.Ops {
		if n.Has(ir.AttrParts) {
			c.Divided++
		}
	}
	return c
}

// New describes a quantized module and the search that made it.
func New(m *ir.Module, env *pass.Env) *Certificate {
	c := &Certificate{
		Version: Version, Network: m.Name, Target: m.Target, Optimize: string(env.Level), Seed: env.Seed,
		Errors: []string{}, Inputs: []Input{}, ArenaBytes: m.Arena.Bytes,
		Search: Search{Method: env.Report.Method, Evaluations: env.Report.Evaluations, MACs: env.Report.MACs},
	}
	if !env.Task.IsKL() && env.Report.Evaluations > 0 {
		c.Search.Divergence, c.Search.Left = RelativeDivergence, env.Report.Left
	}
	if m.Streams() {
		c.Stream = &Stream{Hop: m.Stream.Hop, Delays: m.Stream.Delays, Warmups: m.Stream.Warmups, StateBytes: m.StateBytes()}
		if m.Stream.Slides() {
			c.Stream.Windows = m.Stream.Windows
		}
	}
	if in := m.ByRows(); in != nil {
		c.Rows = &Rows{Rows: in.Type.Shape[1], RowBytes: in.RowBytes()}
	}
	c.Threads = newThreads(m, env.Target)
	c.Search.Kept, c.Activations, c.Tuning = newKept(env.Report.Kept), newActivations(env.Widened), newTuning(env.Tuned)
	if slices.ContainsFunc(m.Ops, func(n *ir.Node) bool { return n.Has(ir.AttrUnroll) }) {
		c.Optimize += ",size"
	}
	for _, e := range env.Errors {
		c.Errors = append(c.Errors, e.String())
	}
	for _, f := range env.Report.Finalists {
		k := Candidate{Origin: f.Origin, Bytes: f.Bytes, KL: f.KL, Nats: f.Nats, Chosen: f.Chosen}
		for _, e := range f.Elems {
			k.Formats = append(k.Formats, e.String())
		}
		c.Search.Candidates = append(c.Search.Candidates, k)
	}
	costs := map[string]float64{}
	for _, l := range env.Report.Layers {
		costs[l.Name] = l.Cost
	}
	c.Cycles = Cycles(m, env.Target)
	weights := 0
	for _, tied := range m.AllTied() {
		n := tied[0]
		w := n.Const(ir.AttrWeight)
		l := Layer{
			Name: n.Name(), Format: w.Type.Elem.String(), Rounding: n.Word(ir.AttrRounding), Weights: w.Type.Shape.Size(),
			WeightBytes: ir.PackedBytes(w.Type.Elem, w.Type.Shape) + ir.BookBytes(w.Type.Elem), MACs: n.MACs(), Cost: costs[n.Name()],
		}
		if s := n.Nums(ir.AttrSparsity); s != nil {
			l.Sparsity = s[0]
		}
		for _, t := range tied[1:] {
			l.MACs += t.MACs() // the steps of a recurrence have one layer
		}
		l.Choices = choices(env, n)
		l.Bits = 8 * float64(l.WeightBytes) / float64(l.Weights)
		weights += l.Weights
		c.WeightBytes += l.WeightBytes
		c.Layers = append(c.Layers, l)
	}
	if weights > 0 {
		c.AverageBits = 8 * float64(c.WeightBytes) / float64(weights)
	}
	counted := map[*ir.Const]bool{}
	for _, n := range m.Ops {
		for _, a := range n.Attrs {
			if k, ok := a.Value.(*ir.Const); ok && !slices.Contains(ofWeights, a.Key) && !counted[k] {
				counted[k] = true
				c.OtherBytes += stored(a.Key, k)
			}
		}
	}
	return c
}

// Flash is the bytes of the object's code and constants, where its code is known.
func (c *Certificate) Flash() (bytes int, isKnown bool) {
	return c.WeightBytes + c.OtherBytes + c.CodeBytes, c.CodeBytes > 0
}

// Cycles is the estimate of the layers with weights, of recurrences, of spectrograms and of the frames that streams
// keep: of their kernels, or where none are chosen yet, of the fastest ones. It is 0 where one of them has no
// estimate.
func Cycles(m *ir.Module, t *processor.Target) float64 { return sumCycles(m, t, families.Cycles) }

func sumCycles(m *ir.Module, t *processor.Target, of func(u stripes.Unit, k int, t *processor.Target) (float64, error)) (sum float64) {
	units, err := stripes.Units(m)
	if err != nil { // of a dump that was edited, as code generation says
		return 0
	}
	for _, u := range units {
		for k, n := range u.Nodes {
			switch {
			case slices.Contains(longOps, n.Op):
				cycles, isKnown := machine.Estimate(n, t)
				if !isKnown {
					return 0
				}
				sum += cycles
			case !n.Op.HasWeights():
			case n.Has(ir.AttrImpl) && m.Target == t.Name:
				cycles, err := of(u, k, t)
				if err != nil {
					return 0
				}
				sum += cycles
			default:
				sum += machine.Cycles(n, t, n.Const(ir.AttrWeight).Type.Elem)
			}
		}
	}
	if math.IsInf(sum, 0) {
		return 0
	}
	return math.Round(sum)
}

// longOps are operations without weights that may take as much as layers do.
var longOps = []ir.Op{ir.Recurrent, ir.Spectrogram, ir.History}

// ofWeights are the constants that the bytes of weights have.
var ofWeights = []ir.AttrKey{ir.AttrWeight, ir.AttrCodebook, ir.AttrMask}

// stored is the bytes of a constant in the object, which keeps a shift in one byte.
func stored(role ir.AttrKey, k *ir.Const) int {
	if role == ir.AttrShift {
		return k.Type.Shape.Size()
	}
	return ir.PackedBytes(k.Type.Elem, k.Type.Shape)
}

// choices is a layer's row of the search's table of costs.
func choices(env *pass.Env, n *ir.Node) []Choice {
	var list []Choice
	for _, row := range env.Report.Table {
		if row.Name != n.Name() {
			continue
		}
		for i, e := range row.Elems {
			list = append(list, Choice{e.String(), ir.PackedBytes(e, n.Const(ir.AttrWeight).Type.Shape) + ir.BookBytes(e), row.KL[i], row.Measured[i]})
		}
	}
	return list
}

// Measure adds what was measured.
func (c *Certificate) Measure(task measure.Task, data, labels string, float, quantized *measure.Score) {
	c.Measured = Measured{Task: task.Name, Measure: task.Measure, Data: data, Labels: labels}
	for _, s := range []*measure.Score{float, quantized} {
		if s != nil {
			c.Measured.Images = s.Images
		}
	}
	var exact, own []*measure.Score
	if float != nil {
		exact = float.All()
	}
	if quantized != nil {
		own = quantized.All()
	}
	for k := range max(len(exact), len(own)) {
		var pair []*measure.Score // float, quantized
		var r Result
		if exact != nil {
			pair, r.Float = append(pair, exact[k]), NewScore(exact[k])
		}
		if own != nil {
			pair, r.Quantized = append(pair, own[k]), NewScore(own[k])
		}
		of := pair[0].Result
		r.Name, r.Task, r.Weight, r.Measure = of.Name, of.Task, of.Weight, pair[0].Measure()
		if of.Axis != ir.NoAxis {
			r.Axis = &of.Axis
		}
		if len(pair) == 2 {
			r.Kept, r.KeptSE = own[k].Kept(exact[k]).Figures()
		}
		for _, f := range measure.Figures(pair...) {
			g := Figure{Name: f.Name, Difference: newInterval(f.Apart)}
			if exact != nil {
				g.Float = newInterval(f.Values[0])
			}
			if own != nil {
				g.Quantized = newInterval(f.Values[len(f.Values)-1])
			}
			r.Figures = append(r.Figures, g)
		}
		if !of.IsLabelled() {
			c.Measured.Unlabelled = append(c.Measured.Unlabelled, r.Name)
		}
		c.Results = append(c.Results, r)
	}
	if len(c.Measured.Unlabelled) == len(c.Results) {
		c.Measured.Unlabelled = nil
	}
	if len(c.Results) > 1 {
		return
	}
	c.Float, c.Quantized = NewScore(float), NewScore(quantized)
	if float != nil && quantized != nil {
		c.Retention, c.RetentionSE = quantized.Retention(float).Figures()
	}
}

// Pair adds what another build is compared by, item by item: which items Measure was of,
// and their parts in what each result keeps.
func (c *Certificate) Pair(items data.Batch, float, quantized *measure.Score) {
	c.Measured.Items = hashOf(items)
	if float == nil || quantized == nil {
		return
	}
	exact, own := float.All(), quantized.All()
	for k := range c.Results {
		parts, kept := own[k].Parts(exact[k])
		if parts == nil {
			continue
		}
		raw := make([]byte, 0, 4*len(parts))
		for _, p := range parts {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(p)))
		}
		c.Results[k].Paired, c.Results[k].Retention = base64.StdEncoding.EncodeToString(raw), &kept.Value
	}
}

// Parts are those of Paired; nil where there are none, or where these are not those of as
// many items as were measured.
func (r *Result) Parts(items int) []float64 {
	raw, err := base64.StdEncoding.DecodeString(r.Paired)
	if err != nil || items == 0 || len(raw) != 4*items {
		return nil
	}
	parts := make([]float64, items)
	for i := range parts {
		parts[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		if math.IsNaN(parts[i]) || math.IsInf(parts[i], 0) {
			return nil
		}
	}
	return parts
}

// hashOf is the hash of items and their labels.
func hashOf(b data.Batch) string {
	h := sha256.New()
	write := func(x any) { _ = binary.Write(h, binary.LittleEndian, x) } // a hash takes all
	write(int64(b.N))
	for i := range b.N {
		write(b.Image(i))
	}
	for _, l := range b.Labels {
		write(int64(l))
	}
	for _, t := range b.Targets {
		write(int64(len(t.Name)))
		write([]byte(t.Name))
		write(t.X)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// NewScore is the figures of a score; nil of none.
func NewScore(s *measure.Score) *Score {
	if s == nil {
		return nil
	}
	out := &Score{Clean: s.Clean(), Mean: s.Mean(), MeanSE: defined(s.StdErr()), Robust: []Kind{}}
	out.Worst, _ = s.Worst()
	for i := range s.Kinds[1:] {
		k := &s.Kinds[i+1]
		kind := Kind{Kind: k.Name, Sizes: k.Sizes, Mean: k.Mean()}
		for j := range k.Sizes {
			kind.Accuracy = append(kind.Accuracy, k.Accuracy(j))
		}
		out.Robust = append(out.Robust, kind)
	}
	return out
}

// JSON is the file's bytes, sealed.
func (c *Certificate) JSON() ([]byte, error) {
	bare := *c
	bare.Sum = ""
	return seal.JSON(bare, "  ")
}

// SHA256 is the hash of a file as a certificate has it, in hex.
func SHA256(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// VersionError says that a certificate is of another version of the schema.
type VersionError int

func (v VersionError) Error() string {
	return fmt.Sprintf("a certificate of version %d; this dnnc reads version %d", int(v), Version)
}

// Parse reads a certificate, and fails unless its bytes are those that were sealed. One of
// another schema is a VersionError.
func Parse(raw []byte) (*Certificate, error) {
	c := &Certificate{}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("no certificate: %w", err)
	}
	switch {
	case c.Version != Version:
		return nil, VersionError(c.Version)
	case c.Network == "" || c.Content == "":
		return nil, errors.New("no certificate: it names no network and no content")
	}
	return c, seal.Check(raw)
}
